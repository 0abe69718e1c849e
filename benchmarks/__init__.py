"""Measurements anybody can repeat: `make bench`. Nothing here is installed with the product."""
