"""A model put to work: the inspector's page and a service, in one process on one computer."""
