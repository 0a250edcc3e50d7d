"""The command `har-bench`, a module for each of its own commands."""
