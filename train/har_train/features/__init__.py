"""Backbone features: augmented views, the cache, many processes."""
