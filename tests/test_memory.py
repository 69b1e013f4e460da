"""Nothing takes more than ONEPASS_MEMORY: what does not fit is refused, or left out, in a line."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
from parts import encode, part
from toy import toy_settings, write_folder

from features.backbones.engines import engine_memory
from features.cache.sample_table import TableRow
from features.cache.thumbnails import Thumbnail
from features.errors import MemoryLimitError
from features.extract import extract
from features.runtime import refuse_above_limit
from pipeline.audit.run import audit_dataset
from pipeline.data.dataset import load_dataset
from pipeline.data.folder import scan_folder
from pipeline.groups.changed_copies import MOST_CUT
from pipeline.groups.propose import memory_needed, propose_by_pictures
from pipeline.groups.rules import GroupRule, apply_rule
from pipeline.model.predict import _cells


def test_a_network_that_does_not_fit_is_refused_before_it_is_built(
    tmp_path: Path, toy: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the number, which is enough; what fits beside rows is loaded as ever."""
    photographs = scan_folder(write_folder(tmp_path / "data", {"good": 3, "bad": 3})).photographs
    monkeypatch.setenv("ONEPASS_MEMORY", "0.01")
    refused = (
        r"the network \(tensorflow, 6 pictures at once\) takes some 0\.048 GB; expected at most "
        r"the limit of 0\.01 GB; set ONEPASS_MEMORY \(GB\)$"
    )
    with pytest.raises(MemoryLimitError, match=refused):
        extract(photographs, toy_settings(), tmp_path / "a.h5", note={})
    assert toy.loads == 0
    monkeypatch.setenv("ONEPASS_MEMORY", "0.048")
    assert extract(photographs, toy_settings(), tmp_path / "a.h5", note={}).extracted == 6


def test_half_of_a_small_machine_is_no_reason_to_refuse(monkeypatch: pytest.MonkeyPatch) -> None:
    """Told nothing, what the machine has counts: 1.5 GB looked closely before there was a limit."""
    monkeypatch.delenv("ONEPASS_MEMORY", raising=False)
    monkeypatch.setattr("features.runtime._told_memory", lambda: 1_500_000_000)
    refuse_above_limit("the network", 0.93e9)
    with pytest.raises(MemoryLimitError, match=r"takes some 1\.6 GB; .* the limit of 0\.75 GB"):
        refuse_above_limit("the network", 1.6e9)
    monkeypatch.setattr("features.runtime._told_memory", lambda: 0)  # on Windows nothing tells
    refuse_above_limit("writing the model for LiteRT", 8.5e9)
    monkeypatch.setenv("ONEPASS_MEMORY", "0.75")
    with pytest.raises(MemoryLimitError, match=r"takes some 0\.93 GB"):
        refuse_above_limit("the network", 0.93e9)


@pytest.mark.parametrize(("engine", "shape", "kept", "low", "high"), [
    # Measured with InceptionV3, 88 MB of weights, its engine's library not counted.
    ("openvino", (32, 224, 224), False, 0.378, 0.55),
    ("openvino", (64, 224, 224), True, 0.27, 0.35),
    ("tensorflow", (32, 224, 224), False, 0.46, 0.6),
    ("tensorflow", (64, 224, 224), False, 0.81, 0.9),
    ("onnx", (8, 224, 224), False, 0.55, 0.65),
    ("onnx", (64, 224, 224), False, 1.25, 1.4),
])  # fmt: skip
def test_what_a_network_takes_is_what_was_measured(
    engine: str, shape: tuple[int, int, int], kept: bool, low: float, high: float
) -> None:
    assert low <= engine_memory(engine, 88_025_432, shape, kept=kept) / 1e9 <= high


def test_audit_leaves_the_background_out_and_says_so(
    tmp_path: Path, toy: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All else is found as with more memory; the line says what the network would take."""
    root, cache = tmp_path / "data", tmp_path / "a.h5"
    for number in range(24):
        bad, two = number % 2, number // 4
        name = root / ("good", "bad")[bad] / f"part-{2 * two + bad}_{number}.jpg"
        name.parent.mkdir(parents=True, exist_ok=True)
        name.write_bytes(encode(part(number, light=1 + bad / 3)))
    photographs, *_ = apply_rule(GroupRule("regex", r"part-(\d+)"), scan_folder(root).photographs)
    weights = {"source": "random", "name": "random", "digest": "random:0", "seed": 0}
    about = {"root": str(root), "weights": weights}
    extract(photographs, toy_settings(), cache, note=about)
    data = load_dataset(cache)
    whole = audit_dataset(data, shuffles=19)
    assert whole.background is not None
    monkeypatch.setenv("ONEPASS_MEMORY", "0.2")
    found = audit_dataset(data, shuffles=19)
    assert found.background is None
    (note,) = set(found.notes) - set(whole.notes)
    assert note.startswith("the background is not looked at: the network (tensorflow, 32 ")
    assert note.endswith(
        "takes some 0.256 GB; expected at most the limit of 0.2 GB; set ONEPASS_MEMORY (GB)"
    )
    assert toy.loads == 2  # for the cache, and for the first of both
    assert found.shortcuts == whole.shortcuts and found.outliers == whole.outliers


def drawn(count: int) -> tuple[list[TableRow], list[Thumbnail]]:
    grey = np.random.default_rng(0).integers(0, 256, (count, 64, 64), np.uint8)
    rows = [
        TableRow(f"{number:x}.png", "good", "", f"{number:064x}", number, "", 1, 1, 1, 1)
        for number in range(count)
    ]
    return rows, [Thumbnail(picture, -1) for picture in grey]


def test_parts_that_cannot_be_found_within_the_limit_are_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Beforehand, with the number needed; where a gap was told nothing is compared."""
    rows, seen = drawn(60)
    needed = memory_needed(60) / 1e9
    monkeypatch.setenv("ONEPASS_MEMORY", f"{needed * 0.99:.4g}")
    refused = rf"among 60 photographs takes some {needed:.3g} GB; .*\(--groups FILE\), or set"
    with pytest.raises(MemoryLimitError, match=refused):
        propose_by_pictures(rows, seen)
    monkeypatch.setenv("ONEPASS_MEMORY", f"{needed * 1.01:.4g}")
    assert len(propose_by_pictures(rows, seen).by_path()) == 60


def test_finding_parts_takes_no_more_than_was_estimated() -> None:
    """Of what NumPy and Python allot."""
    rows, seen = drawn(130)
    propose_by_pictures(rows[:50], seen[:50])  # libraries, and what is made once
    tracemalloc.start()
    try:
        propose_by_pictures(rows, seen)
        assert tracemalloc.get_traced_memory()[1] < memory_needed(130)
    finally:
        tracemalloc.stop()
    assert memory_needed(MOST_CUT) < 0.39e9
    assert memory_needed(100_000) < 1.6e9


def test_verdicts_are_given_without_the_heatmaps_that_memory_is_too_small_for() -> None:
    def explain() -> NoReturn:
        raise MemoryLimitError("the network takes some 0.5 GB")

    notes: list[str] = []
    assert _cells(explain, 2, notes) == [None, None]
    assert notes == ["no heatmaps: the network takes some 0.5 GB"]
