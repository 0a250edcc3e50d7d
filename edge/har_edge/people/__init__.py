"""People: their pose and motion as numbers."""
