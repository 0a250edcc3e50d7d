"""Measuring: what a model costs and what it is worth.

For now the scripts beside this package measure; a harness takes their place later.
"""
