"""Say how much is enough: scores against the number of parts in training."""
