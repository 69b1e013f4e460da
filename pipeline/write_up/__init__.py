"""The write-up's experiments: CNNs from scratch, and the ladder from them to the dense head."""
