"""Models for machines without this program: written, and proven on photographs."""
