"""Reports on predictions: metrics, tables, pictures."""
