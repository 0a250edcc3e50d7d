"""Which parts of a picture speak for an action."""
