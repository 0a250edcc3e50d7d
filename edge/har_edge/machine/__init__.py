"""This machine: what it is, whether it is fit, and how many threads suit it."""
