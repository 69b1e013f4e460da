"""Draw parts, and run the whole program on them."""
