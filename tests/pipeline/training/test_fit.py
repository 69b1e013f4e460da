"""pipeline.training.fit: when proposed parts are not taken for parts."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from pipeline.training.fit import why_apart


def dataset(kind: str, mixed: int, parts: int = 20) -> Any:
    """Parts of two photographs each, some with a photograph of either class."""
    groups = np.repeat(np.arange(parts), 2)
    y = (groups % 2).astype(np.int64)
    y[: 2 * mixed : 2] = 1 - y[: 2 * mixed : 2]
    return SimpleNamespace(about={"group_rule": {"kind": kind}}, groups=groups, y=y)


@pytest.mark.parametrize(
    ("kind", "mixed", "apart"),
    [("proposed", 0, False), ("proposed", 1, False), ("proposed", 2, True), ("regex", 9, False)],
)
def test_proposed_parts_of_several_classes_are_judged_photograph_by_photograph(
    kind: str, mixed: int, apart: bool
) -> None:
    """A merged part would pass a defective one among good ones; who named parts is believed."""
    said = why_apart(dataset(kind, mixed))
    assert bool(said) is apart
    assert said == (f"{mixed} of the 20 proposed parts have photographs of several classes"
                    if apart else "")  # fmt: skip
