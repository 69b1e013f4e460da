"""The frozen networks that see photographs: which there are, their weights, their engines."""
