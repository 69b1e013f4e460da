"""pipeline.groups.rules: parts that were told and can hardly be are doubted in one line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from features.cache.sample_table import TableRow
from features.cache.thumbnails import SIDE, Thumbnail
from features.errors import DataError
from features.photographs.file import Photograph
from pipeline.groups.proposal import Proposal
from pipeline.groups.propose import propose_by_pictures
from pipeline.groups.rules import GroupRule, apply_rule, doubts_of_parts
from pipeline.terminal.groups import proposed

GOOD, BAD = 60, 20


def photographs(form: str, classes: tuple[str, str] = ("good", "bad")) -> list[Photograph]:
    """Give photographs of two classes, the last ones defective."""
    labels = [classes[n >= GOOD] for n in range(GOOD + BAD)]
    paths = [f"{label}/{form.format(n=n, part=n // 4)}.jpg" for n, label in enumerate(labels)]
    return [Photograph(Path(p), p, one) for p, one in zip(paths, labels, strict=True)]


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        (r"part(\d+)", []),
        (r"_(\d+)", ["80 photographs into 80 parts"]),
        (r"(good|part1[5-9])", ["all 60 photographs of good are in one part"]),
    ],
)
def test_a_pattern_that_can_hardly_name_parts(pattern: str, said: list[str]) -> None:
    """Each photograph a part, or a whole class one."""
    notes = apply_rule(GroupRule("regex", pattern), photographs("part{part}_{n:03d}")).notes
    assert len(notes) == len(said)
    assert all(words in note for words, note in zip(said, notes, strict=True))


@pytest.mark.parametrize("kind", ["regex", "file"])
def test_one_part_for_everything_is_refused(kind: str, tmp_path: Path) -> None:
    """Nothing could be held out: what was found, expected, and an example."""
    given, value = photographs("part{part}_{n:03d}"), "(part)"
    if kind == "file":
        value = str(tmp_path / "groups.csv")
        lines = ["path,group", *(f"{one.path},x" for one in given)]
        Path(value).write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(DataError, match="all 80 photographs of 2 classes into one part"):
        apply_rule(GroupRule(kind, value), given)
    of_one_class = photographs("part{part}_{n:03d}", ("good", "good"))
    if kind == "regex":  # as of new photographs of one part
        assert apply_rule(GroupRule(kind, value), of_one_class).notes == []


def test_nearly_all_in_one_part_is_said() -> None:
    """A handful of others makes it no better."""
    labels = ["good"] * GOOD + ["bad"] * BAD
    groups = ["a"] * (GOOD + BAD - 5) + [f"b{n}" for n in range(5)]
    (said,) = doubts_of_parts(groups, labels)
    assert "75 of 80 photographs are in one part, 'a': expected many" in said
    assert doubts_of_parts(groups[-8:], labels[-8:]) == []  # too few to say
    assert doubts_of_parts([""] * 80, labels) == []  # nobody said anything


def of_times(gap: float | None) -> Proposal:
    """Give what a gap cuts: shots 5 s apart."""
    rows = [
        TableRow(f"{'ab'[n > 40]}/IMG_20181028_01{n // 12:02d}{5 * (n % 12):02d}.jpg", "ab"[n > 40],
                 "", f"{n:064x}", n, "", 1, 1, 1, 1) for n in range(80)
    ]  # fmt: skip
    rng = np.random.default_rng(0)
    seen = [Thumbnail(rng.integers(0, 255, (SIDE, SIDE), dtype=np.uint8), -1) for _ in rows]
    return propose_by_pictures(rows, seen, gap)


def test_a_gap_that_merges_or_tears_everything_is_said() -> None:
    """In the notes, which every command prints."""
    assert any("80 of 80 photographs are in one part" in note for note in of_times(60).notes)
    assert any("into 80 parts" in note for note in of_times(2).notes)


def test_what_is_to_be_known_of_a_proposal_stands_below_its_line() -> None:
    """In fit as in groups."""
    lines = proposed(of_times(60))
    assert lines[0].startswith("groups: nobody said")
    assert any(line.startswith("note:") and "are in one part" in line for line in lines[1:])
