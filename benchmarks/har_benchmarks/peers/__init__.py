"""What else could be run instead, on the same frames."""
