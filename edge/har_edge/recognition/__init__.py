"""From frames to results: windows, predictions, decisions, events."""
