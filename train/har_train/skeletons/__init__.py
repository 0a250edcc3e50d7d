"""Skeleton sequences: sets of them, projected and degraded as a pose network would see them."""
