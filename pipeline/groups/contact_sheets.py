"""The proposal for a cache as files: a table to edit, and sheets to look at."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from features.cache.sample_table import TableRow
from features.cache.shards import open_cache
from features.cache.thumbnail_table import thumbnails_of
from features.errors import DataError, OutputError
from features.files import write_whole
from features.own_files import refuse_strange_root
from pipeline.groups.proposal import Proposal
from pipeline.groups.proposal_cache import proposed_groups
from pipeline.groups.rules import GroupRule, number_groups
from pipeline.output.overwrite import refuse_among
from pipeline.output.photograph_grid import COLUMNS, SheetEntry, draw_sheet
from pipeline.output.tables import MARK, to_csv

_PER_SHEET = 12  # groups, each a row of its first photograph, its last and some between
_QUESTIONS_PER_SHEET = 20  # pairs, two in a row

Cells = list[SheetEntry | None]
Entry = Callable[[int, str, str], SheetEntry]


@dataclass(frozen=True)
class Agreement:
    """A proposal beside groups that were given, in pairs of photographs."""

    source: str  # of the given ones
    given_pairs: int  # of one given group,
    together: int  # and how many of them are proposed as one
    apart_pairs: int  # of two given groups,
    merged: int  # and how many of them are proposed as one
    conflicts: list[list[str]]  # given groups that share a proposed one; the largest first

    @property
    def found_share(self) -> float:
        """Give that of the pairs of one given group; nan where there are none."""
        return self.together / self.given_pairs if self.given_pairs else float("nan")

    @property
    def merged_share(self) -> float:
        """Give that of the pairs of two given groups; nan where there are none."""
        return self.merged / self.apart_pairs if self.apart_pairs else float("nan")


@dataclass(frozen=True)
class ShownGroups:
    """Hold what `show_groups` found and wrote."""

    proposal: Proposal
    given: Agreement | None  # with groups that were given
    root: str  # the folder of photographs, as the cache recorded it
    files: list[Path]  # groups.csv first


def show_groups(
    cache_path: Path,
    out: Path,
    *,
    sheets: int = 3,
    force: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> ShownGroups:
    """Propose groups for a cache and write them: groups.csv, groups-1.png …, questions.png.

    Args:
        cache_path: made by `extract`.
        out: folder for the files, which are replaced.
        force: replace also a groups.csv that says something else than the proposal.
        sheets: most pictures of groups, twelve groups each, the largest first.
        progress: called as `progress(photographs compared, photographs)`.

    Raises:
        OutputError: groups.csv may have been edited, or `out` lies among the photographs, or cannot
            be written.
        DataError: no finished extract.
        CacheError: no cache, or one that cannot be read.

    Example:
        >>> shown = onepass.show_groups(Path("features.h5"), Path("groups"))
        >>> shown.files[0].name
        'groups.csv'
    """
    with open_cache(cache_path) as cache:
        root = str(cache.note.get("root", ""))
    if root:  # sheets among photographs would be taken for some
        refuse_among(out, [Path(root)], "--out")
    proposal = proposed_groups(cache_path, progress)
    if not proposal.paths:
        raise DataError(f"{cache_path} has no photographs; run: extract DATA --cache {cache_path}")
    with open_cache(cache_path) as cache:
        table_rows = [table_row for table_row in cache.table_rows if table_row.row >= 0]
        refuse_strange_root(cache_path, root, own=cache.own)
        files = [out / "groups.csv"]
        _write_table(files[0], groups_csv(proposal), force=force)

        def entry(member: int, caption: str, said: str) -> SheetEntry:
            """Show one photograph; where its file cannot be read, the cache's small picture."""
            seen = thumbnails_of(cache, [table_rows[member].row])
            file, label = Path(root, proposal.paths[member]), table_rows[member].label
            small = seen.grey[0] if seen.known[0] else None
            return SheetEntry(file, caption, label, said=said, small=small)

        for name, title, cells in _sheets(proposal, sheets, entry):
            files.append(out / name)
            write_whole(files[-1], draw_sheet(cells, title))
    for old in (*out.glob("groups-*.png"), *out.glob("questions.png")):
        if old not in files:  # of an earlier run with more groups: it shows what is no longer so
            old.unlink()
    given = _compare(proposal, table_rows, GroupRule.noted(cache.note))
    return ShownGroups(proposal, given, root, files)


def _write_table(path: Path, table: str, *, force: bool) -> None:
    """Write groups.csv, but never over one that a person may have edited."""
    mark, content = MARK.encode(), table.encode("utf-8", "surrogateescape")
    if path.exists() and not force and path.read_bytes().removeprefix(mark) != content:
        raise OutputError(
            f"{path} is there and says something else than the proposal; it may have been edited: "
            "name another --out, or replace it with --force"
        )
    write_whole(path, mark + content)


def groups_csv(proposal: Proposal) -> str:
    """Give a table (path, group), photographs of one group in following lines."""
    names = proposal.names()
    order = np.argsort(proposal.groups, kind="stable")
    rows = ({"path": proposal.paths[i], "group": names[i]} for i in order.tolist())
    return to_csv(["path", "group"], rows)


def _sheets(proposal: Proposal, most: int, entry: Entry) -> Iterator[tuple[str, str, Cells]]:
    """Give the name, the title and the photographs of each sheet, of groups `most` at most."""
    shown = min(most * _PER_SHEET, proposal.shared)
    for number, start in enumerate(range(0, shown, _PER_SHEET), 1):
        groups = range(start, min(start + _PER_SHEET, shown))
        title = f"Proposed groups {start + 1} to {groups.stop} of {proposal.shared}, the "
        title += "largest first: does each row show one part?"
        cells = [cell for group in groups for cell in _row_of_group(proposal, group, entry)]
        yield f"groups-{number}.png", title, cells
    if proposal.questions:
        title = "One part or two? The most doubtful pairs; the number: photographs of other parts "
        title += "that would be as alike by chance"
        yield "questions.png", title, _rows_of_questions(proposal, entry)


def _row_of_group(proposal: Proposal, group: int, entry: Entry) -> Cells:
    members = np.flatnonzero(proposal.groups == group)
    count = min(len(members), COLUMNS)
    shown = members[np.linspace(0, len(members) - 1, count).astype(np.int64)].tolist()
    name, said = f"part-{group + 1:04d}", f"{len(members)} in all"
    return [entry(member, name, said) for member in shown] + [None] * (COLUMNS - count)


def _rows_of_questions(proposal: Proposal, entry: Entry) -> Cells:
    """Show two pairs in a row, with nothing between them."""
    rows: Cells = []
    for number, question in enumerate(proposal.questions[:_QUESTIONS_PER_SHEET]):
        words = "one group now" if question.together else "two groups now"
        rows += [entry(end, words, f"{question.doubt:.2g}") for end in (question.a, question.b)]
        rows += [] if number % 2 else [None]
    return rows


def _compare(
    proposal: Proposal, table_rows: Sequence[TableRow], rule: GroupRule
) -> Agreement | None:
    """Compare proposed groups with given ones; None where no groups were given."""
    from sklearn.metrics.cluster import pair_confusion_matrix

    if not any(table_row.group for table_row in table_rows):
        return None
    given = number_groups(table_rows)
    counted = pair_confusion_matrix(given, proposal.groups) // 2  # it counts each pair twice
    (apart, merged), (torn, together) = counted.tolist()
    names: dict[int, str] = {}
    sharing: defaultdict[int, set[int]] = defaultdict(set)
    pairs = zip(given.tolist(), proposal.groups.tolist(), strict=True)
    for table_row, (mine, theirs) in zip(table_rows, pairs, strict=True):
        names.setdefault(mine, table_row.group or table_row.path)
        sharing[theirs].add(mine)
    conflicts = [sorted(names[mine] for mine in found) for _, found in sorted(sharing.items())
                 if len(found) > 1]  # fmt: skip
    source = rule.describe() if rule.kind != "none" else "in the cache"
    return Agreement(source, torn + together, together, apart + merged, merged, conflicts)
