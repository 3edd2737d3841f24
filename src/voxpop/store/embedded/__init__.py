"""The embedded PostgreSQL: where it lies, how it is made, and who starts and stops it."""
