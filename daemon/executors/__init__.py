"""Where attempts run: every executor is handed plain data and answers with a stdlib Future."""
