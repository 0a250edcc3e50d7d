"""Results as text, pages and pictures."""
