"""Rejects that come back corrected."""
