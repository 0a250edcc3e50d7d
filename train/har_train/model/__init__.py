"""Networks: backbone and temporal head, built and loaded again."""
