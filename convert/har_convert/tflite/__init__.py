"""Keras to TFLite, and what is written into the file."""
