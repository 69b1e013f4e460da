"""Whether the tests would notice: each promise is broken in one place, and one test has to fail."""
