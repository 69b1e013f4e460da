"""The write-up's CNNs, trained on the photographs themselves."""
