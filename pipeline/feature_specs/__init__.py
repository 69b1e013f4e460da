"""What heads see: the rows of a cache as they are, or derived from them with no second pass."""
