"""One module a kind of value. Each decides by evidence over a whole column, then converts it."""
