"""Wide and long tables."""
