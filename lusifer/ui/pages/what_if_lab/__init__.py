"""The What-if lab page."""
