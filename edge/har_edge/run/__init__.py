"""One run: sources in, results out, until they end or somebody stops it."""
