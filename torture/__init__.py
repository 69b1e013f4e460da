"""What the README promises of crashes, damage and attacks, tried for real. Never part of it."""
