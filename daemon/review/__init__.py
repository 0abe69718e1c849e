"""Held files: what is asked about them, and what people's answers do."""
