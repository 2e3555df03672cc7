"""The page that rates items."""
