"""The REST API and the dashboard of `har-edge serve`."""
