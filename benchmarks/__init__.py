"""Measured side by side: this project and what a user would otherwise run. Never part of it."""
