"""Results as lines and tables for the terminal."""
