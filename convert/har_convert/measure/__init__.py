"""Experiments on a trained run: what int8 owes to its steps, what pruning would give."""
