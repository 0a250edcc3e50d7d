"""What is said of predictions: figures, tables, pictures."""
