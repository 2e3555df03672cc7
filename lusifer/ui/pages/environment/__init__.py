"""The Environment page."""
