"""The proposal for a cache as files: a table to edit, and sheets to look at."""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from features.cache.sample_table import TableRow
from features.cache.shards import open_cache
from features.cache.thumbnail_table import thumbnails_of
from features.cache.thumbnails import Grey
from features.errors import DataError, ImageError, OutputError
from features.files import write_whole
from features.own_files import refuse_strange_root
from features.photographs.decode_worker_pool import thumbnail_apart
from features.photographs.file import read_photograph
from pipeline.groups.proposal import Proposal
from pipeline.groups.proposal_cache import proposed_groups
from pipeline.groups.rules import GroupRule, number_groups
from pipeline.output.photograph_grid import font_of, shorten
from pipeline.output.tables import MARK, to_csv

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
        """Give that of the pairs of one given group; nan where there are none."""
        return self.together / self.given_pairs if self.given_pairs else float("nan")

    @property
    def merged_share(self) -> float:
        """Give that of the pairs of two given groups; nan where there are none."""
        return self.merged / self.apart_pairs if self.apart_pairs else float("nan")


@dataclass(frozen=True)
class ShownGroups:
    """Hold what `show_groups` found and wrote.

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
        OutputError: groups.csv is there and may have been edited.
        DataError: no finished extract.
        CacheError: no cache, or one that cannot be read.
        OutputError: `out` cannot be written.

    Example:
        >>> shown = onepass.show_groups(Path("features.h5"), Path("groups"))
        >>> shown.files[0].name
        'groups.csv'
    """
    proposal = proposed_groups(cache_path, progress)
    if not proposal.paths:
        raise DataError(f"{cache_path} has no photographs; run: extract DATA --cache {cache_path}")
    with open_cache(cache_path) as cache:
        table_rows = [table_row for table_row in cache.table_rows if table_row.row >= 0]
        note = cache.note
        refuse_strange_root(cache_path, str(note.get("root", "")), own=cache.own)
        strips = _strips(proposal, table_rows, sheets * _PER_SHEET)
        questions = _question_strips(proposal)
        shown = sorted({i for strip in (*strips, *questions) for i in strip.members})
        grey = thumbnails_of(cache, [table_rows[i].row for i in shown]) if shown else None
    root = str(note.get("root", ""))
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
    return ShownGroups(proposal, _compare(proposal, table_rows, GroupRule.noted(note)), root, files)


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


def _strips(proposal: Proposal, table_rows: Sequence[TableRow], most: int) -> list[Strip]:
    tied = proposal.tied_by()
    strips = []
    for group in range(min(most, proposal.shared)):
        members = np.flatnonzero(proposal.groups == group).tolist()
        labels = ", ".join(sorted({table_rows[i].label for i in members}))
        words = f"{len(members)} photographs, tied by {tied.get(group, '')}; class {labels}"
        strips.append(Strip(f"part-{group + 1:04d}", words, members))
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


def _remove_older_sheets(out: Path, files: Sequence[Path]) -> None:
    """Remove sheets of an earlier run with more groups: they would show what is no longer so."""
    for old in (*out.glob("groups-*.png"), *out.glob("questions.png")):
        if old not in files:
            old.unlink()


_CELL = 130  # pixels: a photograph's longer side
_GAP = 12
_PHOTOGRAPHS = 9  # of a strip; of a larger group the first, the last and some between
_HEADER, _CAPTION = 24, 18
_INK, _GREY, _PAPER, _EMPTY = (25, 25, 25), (100, 100, 100), (255, 255, 255), (232, 232, 232)


@dataclass(frozen=True)
class Strip:
    """Photographs that are shown side by side.

    Attributes:
        name: in bold, such as "part-0001".
        words: beside it.
        members: their numbers.
    """

    name: str
    words: str
    members: list[int]


def draw_strips(
    strips: Sequence[Strip],
    paths: Sequence[str],
    root: Path,
    small: Mapping[int, Grey],
    title: str,
    *,
    columns: int = 1,
) -> bytes:
    """Draw strips under one another, upright photographs, whole and undistorted.

    Args:
        strips: any number.
        paths: of all photographs, relative to `root`.
        root: where the photographs are, if they are still there.
        small: by number, the 64 × 64 grey picture of the cache, shown where a file cannot be read.
        title: on top.
        columns: strips side by side.

    Returns:
        A PNG.
    """
    longest = max(min(len(strip.members), _PHOTOGRAPHS) for strip in strips)
    width = max(longest * (_CELL + _GAP), 400) + _GAP
    height = _HEADER + _CELL + _CAPTION + _GAP
    rows = -(-len(strips) // columns)
    sheet = Image.new("RGB", (columns * width, 48 + rows * height), _PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((_GAP, _GAP), shorten(title, columns * width - 2 * _GAP, 16), _INK, font_of(16))
    for number, strip in enumerate(strips):
        left = (number % columns) * width + _GAP
        top = 48 + (number // columns) * height
        draw.text((left, top), strip.name, _INK, font_of(14, bold=True))
        start = left + round(font_of(14, bold=True).getlength(strip.name)) + 10
        room = (number % columns + 1) * width - start - _GAP
        draw.text((start, top + 1), shorten(strip.words, room, 13), _GREY, font_of(13))
        for place, member in enumerate(_some(strip.members)):
            x = left + place * (_CELL + _GAP)
            _draw_one(sheet, root / paths[member], small.get(member), x, top + _HEADER)
            caption = shorten(paths[member], _CELL, 10)
            draw.text((x, top + _HEADER + _CELL + 2), caption, _GREY, font_of(10))
    out = io.BytesIO()
    sheet.save(out, "PNG")
    return out.getvalue()


def _some(members: Sequence[int]) -> list[int]:
    """Take all, or as many as fit, evenly spread."""
    count = min(len(members), _PHOTOGRAPHS)
    return [members[i * (len(members) - 1) // max(count - 1, 1)] for i in range(count)]


def _draw_one(sheet: Image.Image, file: Path, small: Grey | None, left: int, top: int) -> None:
    draw = ImageDraw.Draw(sheet)
    draw.rectangle((left, top, left + _CELL - 1, top + _CELL - 1), _EMPTY)
    try:
        picture = thumbnail_apart(read_photograph(file), _CELL)
    except ImageError:
        if small is None:
            place = (left + _CELL // 2, top + _CELL // 2)
            draw.text(place, "not there", _GREY, font_of(12), anchor="mm")
            return
        picture = Image.fromarray(small).resize((_CELL, _CELL), Image.Resampling.BICUBIC)
    sheet.paste(picture, (left + (_CELL - picture.width) // 2, top + (_CELL - picture.height) // 2))
