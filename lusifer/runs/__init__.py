"""Recorded runs: one way to start, follow, finish, list and export every kind of computation."""
