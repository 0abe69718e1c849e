"""Synthetic example files, the generator that makes them with the truth beside them, and a demo."""
