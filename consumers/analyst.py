"""The analyst: reads ``documents`` with the model and stores opinions. Start one a GPU."""

from voxpop.consumer import main

if __name__ == "__main__":
    main("analyst")
