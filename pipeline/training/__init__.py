"""Train heads on cached rows, compare them, and tell how much more parts would bring."""
