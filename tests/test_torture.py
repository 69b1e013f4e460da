"""The torture runs, in its quick form, and breaks no promise."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from torture.__main__ import PARTS, run_part
from torture.figures import Figure, Part, keep, read, table


@pytest.mark.parametrize("name", PARTS)
def test_a_quick_run_breaks_no_promise(name: str, tmp_path: Path) -> None:
    """Every part tries something, meets faults, loses nothing, and is kept as JSON."""
    part = run_part(name, quick=True)
    facts = json.loads(keep(part, quick=True, folder=tmp_path).read_text("utf-8"))
    assert facts["part"] == name
    assert read(name, tmp_path).losses == part.losses
    assert facts["figures"]
    for figure in part.figures:
        assert figure.losses == 0, f"{figure.what}: {figure.note} {figure.details}"
        assert figure.tries > 0, figure.what
        assert 0 <= figure.faults <= figure.tries, figure.what


def test_the_table_has_a_line_a_figure() -> None:
    """Losses are shown and added up."""
    part = Part("crashes", [Figure("kills", 300, 290, 2, "2 lost"), Figure("cuts", 9, 9)], 1.0)
    lines = table([part]).splitlines()
    assert len(lines) == 4
    assert "| kills | 300   | 290    | 2      | 2 lost" in lines[2]
    assert part.losses == 2
