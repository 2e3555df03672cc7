"""The LLM calls page."""
