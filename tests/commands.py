"""Run commands as a user types them; the fixture `run` stands in conftest.py."""

from __future__ import annotations

from collections.abc import Callable

Run = Callable[..., tuple[int, str, str]]


def fails(result: tuple[int, str, str], *expected: str) -> None:
    """Check that a command failed with one line on standard error, and exit code 1."""
    code, _, err = result
    assert code == 1
    lines = [line for line in err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    assert "Traceback" not in err
    for text in expected:
        assert text in lines[0]
