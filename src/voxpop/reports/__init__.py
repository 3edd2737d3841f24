"""Reports that a risk person forwards: what turned, what is new, what faded, and who answered."""
