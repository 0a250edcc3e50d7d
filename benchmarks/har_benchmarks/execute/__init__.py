"""Processes that measure, and who looks after them."""
