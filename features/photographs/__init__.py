"""Photograph files: their headers, pixels, views and metadata."""
