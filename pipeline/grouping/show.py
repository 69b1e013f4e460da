"""The proposal for a cache as files: a table to edit, and sheets to look at."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from features.cache import Cache
from features.errors import DataError, OutputError
from features.files import write_whole
from features.glimpse_table import glimpses_of
from features.samples import Sample
from pipeline.grouping.proposal import KINDS, Proposal
from pipeline.grouping.remembered import proposed_groups
from pipeline.grouping.rules import GroupRule, number_groups
from pipeline.grouping.sheets import Strip, draw_strips
from pipeline.tables import to_csv

_PER_SHEET = 12  # groups
_QUESTIONS_PER_SHEET = 20  # pairs, two in a row


@dataclass(frozen=True)
class Agreement:
    """A proposal beside groups that were given, in pairs of photographs.

    Attributes:
        source: where the given ones are from.
        given_pairs, together: pairs of one given group, and how many of them are proposed as one.
        apart_pairs, merged: pairs of two given groups, and how many of them are proposed as one.
        conflicts: names of given groups that share a proposed one; the most photographs first.
    """

    source: str
    given_pairs: int
    together: int
    apart_pairs: int
    merged: int
    conflicts: list[list[str]]

    @property
    def found_share(self) -> float:
        """Of the pairs of one given group; nan where there are none."""
        return self.together / self.given_pairs if self.given_pairs else float("nan")

    @property
    def merged_share(self) -> float:
        """Of the pairs of two given groups; nan where there are none."""
        return self.merged / self.apart_pairs if self.apart_pairs else float("nan")


@dataclass(frozen=True)
class ShownGroups:
    """What `show_groups` found and wrote.

    Attributes:
        proposal: the groups.
        given: how they compare with those that were given; None where none were.
        root: the folder of photographs, as the cache recorded it.
        files: groups.csv first.
    """

    proposal: Proposal
    given: Agreement | None
    root: str
    files: list[Path]


def show_groups(
    cache_path: Path, out: Path, *, sheets: int = 3, force: bool = False
) -> ShownGroups:
    """Propose groups for a cache and write them: groups.csv, groups-1.png …, questions.png.

    Args:
        cache_path: made by `extract`.
        out: folder for the files, which are replaced.
        force: replace also a groups.csv that says something else than the proposal.
        sheets: most pictures of groups, twelve groups each, the largest first.

    Raises:
        OutputError: groups.csv is there and may have been edited.
        DataError: no finished extract.
        CacheError: no cache, or one that cannot be read.
        OutputError: `out` cannot be written.
    """
    proposal = proposed_groups(cache_path)
    if not proposal.paths:
        raise DataError(f"{cache_path} has no photographs; run: extract DATA --cache {cache_path}")
    with Cache.read(cache_path) as cache:
        samples = [sample for sample in cache.samples if sample.row >= 0]
        about = cache.dataset
        strips = _strips(proposal, samples, sheets * _PER_SHEET)
        questions = _question_strips(proposal)
        shown = sorted({i for strip in (*strips, *questions) for i in strip.members})
        grey = glimpses_of(cache, [samples[i].row for i in shown]) if shown else None
    root = str(about.get("root", ""))
    small = {i: grey.grey[k] for k, i in enumerate(shown) if grey.known[k]} if grey else {}
    files = [out / "groups.csv"]
    _write_table(files[0], groups_csv(proposal), force=force)
    for number, start in enumerate(range(0, len(strips), _PER_SHEET), 1):
        title = f"Proposed groups {start + 1} to {min(start + _PER_SHEET, len(strips))}"
        title += f" of {proposal.shared}, the largest first: does each row show one part?"
        files.append(out / f"groups-{number}.png")
        page = strips[start : start + _PER_SHEET]
        write_whole(files[-1], draw_strips(page, proposal.paths, Path(root), small, title))
    if questions:
        files.append(out / "questions.png")
        title = "One part or two? The most doubtful pairs"
        page = questions[:_QUESTIONS_PER_SHEET]
        write_whole(
            files[-1], draw_strips(page, proposal.paths, Path(root), small, title, columns=2)
        )
    _remove_older_sheets(out, files)
    return ShownGroups(proposal, _compare(proposal, samples, about), root, files)


def _write_table(path: Path, table: str, *, force: bool) -> None:
    """Write groups.csv, but never over one that a person may have edited."""
    content = table.encode("utf-8", "surrogateescape")
    if path.exists() and not force and path.read_bytes() != content:
        raise OutputError(
            f"{path} is there and says something else than the proposal; it may have been edited: "
            "name another --out, or replace it with --force"
        )
    write_whole(path, content)


def groups_csv(proposal: Proposal) -> str:
    """A table (path, group), photographs of one group in following lines."""
    names = proposal.names()
    order = np.argsort(proposal.groups, kind="stable")
    rows = ({"path": proposal.paths[i], "group": names[i]} for i in order.tolist())
    return to_csv(["path", "group"], rows)


def _strips(proposal: Proposal, samples: Sequence[Sample], most: int) -> list[Strip]:
    kinds = proposal.kinds()
    members: defaultdict[int, list[int]] = defaultdict(list)
    for number, group in enumerate(proposal.groups.tolist()):
        members[group].append(number)
    strips = []
    for group in range(min(most, proposal.shared)):
        labels = sorted({samples[i].label for i in members[group]})
        tied = ", ".join(KINDS[kind].split(" (")[0] for kind in kinds.get(group, []))
        words = f"{len(members[group])} photographs, tied by {tied}; class {', '.join(labels)}"
        strips.append(Strip(f"part-{group + 1:04d}", words, members[group]))
    return strips


def _question_strips(proposal: Proposal) -> list[Strip]:
    return [
        Strip(
            "one group now" if question.together else "two groups now",
            f"expected strangers as alike: {question.doubt:.2g}",
            [question.a, question.b],
        )
        for question in proposal.questions
    ]


def _compare(
    proposal: Proposal, samples: Sequence[Sample], about: dict[str, object]
) -> Agreement | None:
    """None where no groups were given."""
    if not any(sample.group for sample in samples):
        return None
    given = number_groups(samples)
    cells, counts = np.unique(
        np.stack([given, proposal.groups], axis=1), axis=0, return_counts=True
    )
    both = _pairs(counts)
    in_given, proposed = _pairs(np.bincount(given)), _pairs(proposal.sizes)
    every = len(samples) * (len(samples) - 1) // 2
    names = {int(g): s.group or s.path for g, s in zip(given[::-1], reversed(samples), strict=True)}
    sets: defaultdict[int, list[int]] = defaultdict(list)
    for mine, theirs in cells.tolist():
        sets[theirs].append(mine)
    conflicts = [sorted(names[mine] for mine in group) for _, group in sorted(sets.items())
                 if len(group) > 1]  # fmt: skip
    rule = about.get("group_rule")
    source = GroupRule(**rule).describe() if isinstance(rule, dict) else "in the cache"
    return Agreement(source, in_given, both, every - in_given, proposed - both, conflicts)


def _pairs(counts: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> int:
    return int((counts * (counts - 1) // 2).sum())


def _remove_older_sheets(out: Path, files: Sequence[Path]) -> None:
    """Sheets of an earlier run with more groups would show what is no longer so."""
    for old in (*out.glob("groups-*.png"), *out.glob("questions.png")):
        if old not in files:
            old.unlink()
