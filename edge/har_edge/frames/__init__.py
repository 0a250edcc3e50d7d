"""Frames: when they are taken, how they are decoded and brought to the model's size."""
