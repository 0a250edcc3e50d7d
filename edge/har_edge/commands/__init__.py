"""The command `har-edge`: options to settings, one call, lines to print."""
