"""From frames to what is said of them: windows, predictions, decisions, events."""
