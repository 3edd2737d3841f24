"""What ``voxpop bench`` measures: the reader, the sink and the way between them, side by side with peers in one run."""
