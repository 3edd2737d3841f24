"""The news consumer: cleans, masks and links what ``items.news`` holds. Start as many as there are partitions."""

from voxpop.consumer import main

if __name__ == "__main__":
    main("news")
