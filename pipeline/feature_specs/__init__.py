"""Derive what heads see from the rows of a cache, with no second pass of the backbone."""
