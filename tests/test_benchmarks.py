"""The benchmarks run, and say what they should say; never how fast."""

from __future__ import annotations

import importlib
import json
import math
from pathlib import Path
from typing import Any

import pytest
from checkout import TESTS

from benchmarks import groups, report, turns
from benchmarks.__main__ import BENCHMARKS
from features.backbones.registry import BACKBONES


@pytest.fixture(autouse=True)
def restored_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Quick runs put a toy in the real backbone's place; later tests must not see it."""
    monkeypatch.setitem(BACKBONES, "inception_v3", BACKBONES["inception_v3"])


@pytest.mark.parametrize("name", [name for name in BENCHMARKS if name != "backbone"])
def test_a_quick_run_gives_a_result_of_the_agreed_shape(name: str, tmp_path: Path) -> None:
    """Every benchmark but the network's own runs on a few photographs, without the network."""
    options = report.Options(quick=True)
    result = BENCHMARKS[name](options)
    facts = json.loads(report.keep(result, options, 1.0, tmp_path).read_text("utf-8"))
    assert facts["benchmark"] == name
    assert facts["command"] == f"python -m benchmarks.{name}"
    importlib.import_module(facts["command"].split()[-1])
    assert facts["quick"] is True
    assert facts["machine"]["cores"] >= 1
    assert facts["machine"]["processor"]
    assert {"tensorflow", "numpy"} <= set(facts["machine"]["packages"])
    assert facts["lines"]
    for line in facts["lines"]:
        assert line["what"]
        assert line["ours"]
        check_ratio(line["ratio"])
    report.show([result], options)


def check_ratio(found: dict[str, Any] | None) -> None:
    """None, or finite and above zero, and in order."""
    if found is None:
        return
    numbers = [found["low"], found["median"], found["high"], found["best"], *found["pairs"]]
    assert all(math.isfinite(number) and number > 0 for number in numbers)
    assert found["low"] <= found["median"] <= found["high"]


def nap(seconds: float) -> turns.Round:
    """Give a round that takes so long, by its own account."""
    return lambda: {"seconds": seconds, "slept": True}


def impatient() -> turns.Round:
    """Give a peer that is not installed."""
    raise ImportError("No module named 'peer'")


def broken() -> turns.Round:
    """Give a variant whose round fails."""

    def round_() -> None:
        raise ValueError("it broke")

    return round_


def test_a_round_of_less_than_a_tick_has_a_ratio() -> None:
    """The clock of processor time counts ticks: nothing is divided by 0."""
    assert turns._timed(nap(0))["cpu"] > 0


def test_ratios_are_taken_pair_by_pair(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twice as fast is a ratio of 2; facts come along; the peak memory is there."""
    monkeypatch.setenv("PYTHONPATH", str(TESTS))
    fast = turns.Variant("fast", "test_benchmarks:nap", {"seconds": 0.5})
    slow = turns.Variant("slow", "test_benchmarks:nap", {"seconds": 1.0})
    found = turns.take_turns([slow, fast], 3)
    ratio = turns.ratio(found["fast"].seconds, found["slow"].seconds)
    assert ratio.pairs == [2.0, 2.0, 2.0]
    assert (ratio.low, ratio.median, ratio.high, ratio.best) == (2.0, 2.0, 2.0, 2.0)
    assert all(facts["slept"] and facts["peak_mb"] > 1 for facts in found["fast"].facts)


def test_a_missing_peer_is_a_line_that_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """The others are measured all the same, and the report says what to install."""
    monkeypatch.setenv("PYTHONPATH", str(TESTS))
    here = turns.Variant("here", "test_benchmarks:nap", {"seconds": 0.5})
    found = turns.take_turns([turns.Variant("absent", "test_benchmarks:impatient"), here], 2)
    assert found["here"].seconds == [0.5, 0.5]
    result = report.Report("any")
    result.compare("speed", found["here"], found["absent"], 1, "images")
    assert not result.lines
    assert "no absent here: No module named 'peer'" in result.notes[0]
    assert "bench" in result.notes[0]


def test_a_variant_that_dies_is_an_error_with_its_last_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A broken round never becomes a number."""
    monkeypatch.setenv("PYTHONPATH", str(TESTS))
    with pytest.raises(RuntimeError, match="it broke"):
        turns.once(turns.Variant("broken", "test_benchmarks:broken"))


def test_unequal_rows_are_never_timed_as_equal() -> None:
    """A peer that computes something else stops the benchmark."""
    backbone = importlib.import_module("benchmarks.backbone")
    np = importlib.import_module("numpy")
    rows = np.random.default_rng(0).random((2, 8), np.float32)
    agreeing = {"Keras model.predict": rows, "ONNX Runtime": rows + np.float32(1e-6)}
    assert backbone._check(agreeing)["ONNX Runtime"]["largest_difference"] < 1e-5
    with pytest.raises(RuntimeError, match="other rows than Keras"):
        backbone._check(agreeing | {"ONNX Runtime": rows[::-1]})


def test_coverage_prints_its_three_tables(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two simulations of each kind: as many cells in every line as in the table's head."""
    from benchmarks import coverage

    monkeypatch.setattr("sys.argv", ["coverage", "--runs", "2", "--defective", "5"])
    coverage.main()
    tables = [text.splitlines() for text in capsys.readouterr().out.strip().split("\n\n")]
    assert [len(table) for table in tables] == [2 + 4, 2 + 3, 2 + 3]
    for table in tables:
        assert {line.count("|") for line in table} == {table[0].count("|")}


def test_coverage_of_parts_prints_its_table(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Four kinds of parts, each a line with coverage and width of three scores and a peer."""
    from benchmarks import coverage

    monkeypatch.setattr(coverage, "_MANY", 500)
    monkeypatch.setattr("sys.argv", ["coverage", "--runs", "2", "--defective", "5", "--by-part"])
    coverage.main()
    table = capsys.readouterr().out.strip().splitlines()
    assert len(table) == 2 + 4
    assert {line.count("|") for line in table} == {7}


def test_the_true_scores_of_the_simulated_worlds_are_true() -> None:
    """AUC and recall of 20,000 drawn parts are those that the coverage is measured against."""
    import numpy as np

    from benchmarks.worlds import WORLDS
    from pipeline.evaluation.metrics import score

    for world in WORLDS:
        y, P, _ = world.draw(np.random.default_rng(0), 10_000, 10_000)
        found = score(y, P)
        assert found["roc_auc"] == pytest.approx(world.auc, abs=0.008)
        assert found["recall"] == pytest.approx(world.recall, abs=0.012)


def test_thresholds_print_their_two_tables(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Six numbers of parts, then both claims for three of them, told and torn."""
    from benchmarks import thresholds

    monkeypatch.setattr(thresholds, "SCORES", {"any": thresholds.SCORES["well apart"]})
    monkeypatch.setattr("sys.argv", ["thresholds", "--runs", "2"])
    thresholds.main()
    tables = [text.splitlines() for text in capsys.readouterr().out.strip().split("\n\n")]
    assert [len(table) for table in tables] == [2 + 6, 2 + 12]
    for table in tables:
        assert {line.count("|") for line in table} == {table[0].count("|")}


@pytest.mark.parametrize("what", ["missed", "rejected"])
def test_claims_hold_on_parts_that_are_told_and_break_on_torn_ones(what: str) -> None:
    """The same draws: told, 95 % of the claims hold; taken for parts, photographs break them."""
    from benchmarks.thresholds import claims

    assert claims(what, 40, 20, torn=False)[0] >= 0.95
    assert claims(what, 40, 20, torn=True)[0] < 0.85


@pytest.mark.parametrize("branch", groups.BRANCHES)
def test_every_branch_of_groups_can_be_switched_off(branch: str) -> None:
    """What is patched has to be there: names move, and a table of hours would end in the middle."""
    with groups.without(branch):
        pass
