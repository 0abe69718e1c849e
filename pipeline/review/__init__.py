"""What is put before people when a file is held, and what their answers change."""
