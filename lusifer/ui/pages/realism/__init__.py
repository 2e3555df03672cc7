"""The Realism page."""
