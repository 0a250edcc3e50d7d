"""Conversion of a `har-train people` run to verified files with the signature `locate`."""
