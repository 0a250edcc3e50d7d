"""What is measured of one model."""
