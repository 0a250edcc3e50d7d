"""A finished model judged on any data."""
