"""Frozen networks: what they are, their weights, and the engines that compute them."""
