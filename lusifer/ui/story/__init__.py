"""A story to send: one user as a model saw them, as a file that holds all it needs. No streamlit here."""
