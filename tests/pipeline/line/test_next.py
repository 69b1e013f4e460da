"""pipeline.line.next: doubtful parts, unlike each other, and a table that a person fills in."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
from commands import Run, fails
from models import load, write_parts

import pipeline
from features.errors import DataError
from pipeline.line import to_label
from pipeline.line.next import choose_to_label, next_to_label, uncertainty_of
from pipeline.model.part_predictions import PartPrediction
from pipeline.output.photograph_grid import SheetEntry


def _clusters() -> tuple[np.ndarray, np.ndarray]:
    """Four kinds of parts, ten of each; the first kind is the most doubtful."""
    rng = np.random.default_rng(0)
    centres = np.eye(4).repeat(10, axis=0)
    vectors = centres + rng.normal(0, 0.02, centres.shape)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    doubts = np.linspace(1, 0.5, 40)
    return doubts, vectors.astype(np.float32)


def test_what_is_chosen_is_of_every_kind() -> None:
    """The four most doubtful are of one kind; with distances each kind has one."""
    doubts, vectors = _clusters()
    chosen = choose_to_label(doubts, vectors, vectors[:0], 8)
    assert len(set(chosen.tolist())) == 8
    assert {number // 10 for number in chosen[:4]} == {0, 1, 2, 3}


def test_what_looks_like_labelled_ones_comes_last() -> None:
    """A kind that is labelled teaches least."""
    doubts, vectors = _clusters()
    chosen = choose_to_label(doubts, vectors, vectors[[0, 1, 11, 12]], 8)
    assert {number // 10 for number in chosen[:2]} == {2, 3}


def test_what_is_sure_is_no_candidate_unless_it_is_unlike_anything() -> None:
    """Of 40 parts, five times two are candidates; a strange one is in any case."""
    doubts, vectors = _clusters()
    assert all(number < 10 for number in choose_to_label(doubts, vectors, vectors[:0], 2))
    strange = np.arange(40) == 39
    assert 39 in choose_to_label(doubts, vectors, vectors[:0], 2, strange)


def test_every_second_one_is_the_likeliest_defect() -> None:
    """Each once, whichever way it was chosen."""
    doubts, vectors = _clusters()
    likely = np.arange(40) / 40
    chosen = choose_to_label(doubts, vectors, vectors[:0], 7, likely=likely)
    assert chosen[1::2].tolist() == [39, 38, 37]
    assert set(chosen[::2].tolist()) <= set(range(20))
    assert len(set(chosen.tolist())) == 7
    assert sorted(choose_to_label(doubts, vectors, vectors[:0], 99, likely=likely)) == [*range(40)]


def test_more_than_there_are() -> None:
    """Each once, whatever is asked for; looks that are all the same are ordered by doubt."""
    doubts = np.array([0.2, 0.9, 0.5])
    same = np.ones((3, 1), dtype=np.float32)
    assert choose_to_label(doubts, same, same[:0], 20).tolist() == [1, 2, 0]


def test_uncertainty_is_counted_from_the_limit(line: Path) -> None:
    """1 on the limit, wherever that lies, and less on both sides of it."""
    bundle = load(line / "model")
    good, bad = bundle.classes.names

    def part(p: float) -> PartPrediction:
        return PartPrediction("p", (), probabilities={good: 1 - p, bad: p})

    limit = bundle.threshold
    assert uncertainty_of(bundle, part(limit)) == pytest.approx(1)
    below, above = (uncertainty_of(bundle, part(p)) for p in (limit / 50, 1 - (1 - limit) / 50))
    assert 0 < below < 0.2
    assert 0 < above < 0.2


def test_parts_that_are_labelled_are_left_out(line: Path, tmp_path: Path) -> None:
    """What the model was trained on, and what the caller knows."""
    folder = write_parts(tmp_path / "new", parts=6, first=100)
    shutil.copytree(line / "data", tmp_path / "new" / "old")
    bundle, cache = load(line / "model"), Path(shutil.copy(line / "features.h5", tmp_path))
    rule = pipeline.GroupRule("regex", r"part-(\d+)")
    photographs = pipeline.told_parts(rule, [str(folder)], pipeline.find_photographs([str(folder)]))
    notes: list[str] = []
    found = next_to_label(bundle, photographs, cache, notes=notes)
    trained = {entry["digest"] for entry in bundle.split() if entry["side"] != "holdout"}
    assert {f"{n}" for n in range(100, 106)} <= {one.part for one in found}
    assert not any(p.digest in trained for one in found for p in one.photographs)
    assert any("labelled already" in note for note in notes)
    first = found[0]
    again = next_to_label(bundle, photographs, cache, known={first.photographs[0].digest})
    assert first.part not in {one.part for one in again}
    assert len(first.photographs) == 3
    assert first.shown in first.photographs


def test_parts_that_are_only_proposed_are_called_so(
    line: Path, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Told nothing, notes and sheet say so; of parts that were told neither does."""
    write_parts(tmp_path / "new", parts=6, first=100)
    shutil.copy(line / "features.h5", tmp_path)
    titles: list[str] = []
    entries: list[SheetEntry] = []

    def draw(drawn: list[SheetEntry], title: str) -> bytes:
        entries.extend(drawn)
        titles.append(title)
        return b""

    monkeypatch.setattr(to_label, "draw_sheet", draw)
    asked = ("next", "new", "--model", str(line / "model"), "--count", "2")
    code, _, err = run(*asked)
    assert code == 0
    assert "parts, for nobody said it; say which photographs show one part with --groups" in err
    assert ",proposed," in (tmp_path / "next.csv").read_text("utf-8-sig")
    code, _, told = run(*asked, "--group-regex", r"part-(\d+)", "--force")
    assert "proposed" not in told + (tmp_path / "next.csv").read_text("utf-8-sig")
    assert [title.startswith("2 proposed parts") for title in titles] == [True, False]
    with (tmp_path / "next.csv").open(encoding="utf-8-sig") as file:
        first = [row for row in csv.DictReader(file) if row["look_first"]]
    for rank, (entry, row) in enumerate(zip(entries[2:], first, strict=True), 1):
        assert (entry.verdict, entry.said) == (row["class"], row["why"].partition(":")[0])
        assert entry.name == f"{rank}. {row['path'].rpartition('/')[2]}"


def test_nothing_new_is_said(line: Path, tmp_path: Path) -> None:
    """A folder that the model was trained and tested on has a label for everything."""
    cache = Path(shutil.copy(line / "features.h5", tmp_path))
    bundle = load(line / "model")
    known = {entry["path"] for entry in bundle.split()}
    files = [str(line / "data" / path) for path in sorted(known)]
    with pytest.raises(DataError, match="not labelled yet"):
        next_to_label(bundle, pipeline.find_photographs(files), cache)


def test_the_command(line: Path, tmp_path: Path, run: Run) -> None:
    """A sheet, and a table with a line for each photograph, which `extract --labels` reads."""
    folder = write_parts(tmp_path / "new", parts=6, first=100)
    shutil.copy(line / "features.h5", tmp_path)
    asked = ("next", "new", "--model", str(line / "model"), "--count", "2")
    by_part = ("--group-regex", r"part-(\d+)")
    code, out, _ = run(*asked, *by_part)
    assert code == 0
    assert "written: next.csv" in out
    assert (tmp_path / "next.png").read_bytes().startswith(b"\x89PNG")
    with (tmp_path / "next.csv").open(encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 6
    assert [row["rank"] for row in rows] == ["1", "1", "1", "2", "2", "2"]
    assert [row["look_first"] for row in rows] == ["yes", "", ""] * 2
    assert all((folder / row["path"]).is_file() and row["label"] == "" for row in rows)
    assert run(*asked, *by_part)[0] == 0  # a table that nobody filled in is made anew
    filled = (tmp_path / "next.csv").read_text("utf-8-sig").splitlines()
    table = [line.replace(",,", f",{('defects', 'Healthy')[n % 2]},", 1) if n else line
             for n, line in enumerate(filled)]  # fmt: skip
    (tmp_path / "next.csv").write_text("\n".join(table) + "\n", "utf-8")
    fails(run(*asked, *by_part), "6 labels that somebody filled in", "--force")
    code, out, err = run(
        "extract", "new", "--cache", "n.h5", "--labels", "next.csv", "--weights", "random"
    )
    assert code == 0, err
    assert "defects 3" in out
