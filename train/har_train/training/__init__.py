"""Training: windows, loop, stages."""
