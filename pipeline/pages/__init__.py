"""Pages people read in a browser: self-contained, without scripts, every value escaped."""
