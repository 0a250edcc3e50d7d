"""The model file: what it says of itself, how it is read, and the runtimes that run it."""
