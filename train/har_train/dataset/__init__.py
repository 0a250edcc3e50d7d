"""Samples and their splits."""
