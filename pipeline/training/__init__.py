"""How much is enough: scores against the number of parts in training, and what more would bring."""
