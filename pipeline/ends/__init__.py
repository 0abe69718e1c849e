"""Whether a file looks cut off, told by its end alone: what a dead sender leaves behind."""
