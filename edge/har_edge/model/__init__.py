"""The model file: what it says about itself, how it is read, and the runtimes that run it."""
