"""The Evolution page."""
