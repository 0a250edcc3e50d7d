"""A model as an alarm: events found, how late, and how often it cries wolf in an hour."""
