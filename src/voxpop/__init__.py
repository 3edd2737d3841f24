"""Voxpop: who says what about the companies you watch, and when opinion turns."""
