"""Convert a trained run to verified, self-describing model files."""
