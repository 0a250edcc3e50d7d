"""The command `har-train`."""
