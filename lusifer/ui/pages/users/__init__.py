"""The Simulated users page."""
