"""Photographs to what is trained on: class numbers and groups, and the rows of a cache."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from features.arrays import Indices, Row, Rows
from features.cache.probe_row import read_probe
from features.cache.row_parts import RowParts
from features.cache.sample_table import TableRow
from features.cache.shards import open_cache
from features.errors import DataError, SplitError
from features.own_files import refuse_strange_root
from features.photographs.look import Crops, Look
from features.photographs.views import FULL
from pipeline.data.classes import Classes, order_classes
from pipeline.data.folder_record import FolderRecord
from pipeline.data.given_split import GIVEN, about_given, defects_of_test_alone, given_sides
from pipeline.data.lazy_rows import StoredRows
from pipeline.groups.proposal import Proposal
from pipeline.groups.proposal_cache import doubts_of_groups, like_known, proposed_groups
from pipeline.groups.rules import doubts_of_parts, number_groups

MOST_COMPARED = 20_000
"""With more photographs, those of a given split are not compared with each other."""


@dataclass
class Labelled:
    """Photographs with their class numbers and parts.

    Attributes:
        classes: names and numbers; of two classes, 1 is the defective one.
        table_rows: the readable photographs with a class, in the order of the folder.
        y: int64 (n,) class numbers.
        groups: int64 (n,), the same number for photographs of one part.
        warnings: what a person should know before trusting a score.
        given: numbers of the photographs to train on and of the holdout, where the folder came with
            a split; None where it did not.
    """

    classes: Classes
    table_rows: list[TableRow]
    y: Indices
    groups: Indices
    warnings: list[str]
    given: tuple[Indices, Indices] | None = field(default=None, kw_only=True)

    def __len__(self) -> int:
        """Give the number of photographs."""
        return len(self.table_rows)

    @property
    def content(self) -> str:
        """Give the SHA-256 (hex) of all bytes, classes and parts: what findings hold for."""
        rows = zip(self.table_rows, self.y.tolist(), self.groups.tolist(), strict=True)
        text = "".join(f"{s.digest} {number} {group}\n" for s, number, group in rows)
        whole = "\n".join([*self.classes.names, text]).encode("utf-8", "surrogateescape")
        return hashlib.sha256(whole).hexdigest()


@dataclass
class Dataset(Labelled):
    """The labelled photographs of a cache.

    Attributes:
        cache_path: where the rows are.
        fields: of the cache's fingerprint.
        folder: what `extract` recorded: root, group rule, weights. Where nobody said which
            photographs show one part, the group rule is "proposed".
        proposal: the proposed groups, of all photographs of the cache; None where some were given.
        part_of: `content` of all photographs, where these are some of them; else "".

    Example:
        >>> dataset.rows(np.array([0, 1])).shape, dataset.y[:2].tolist()
        ((2, 48), [0, 0])
    """

    cache_path: Path
    fields: Mapping[str, Any]
    folder: FolderRecord
    proposal: Proposal | None = None
    part_of: str = ""

    def rows(self, indices: Indices | None = None) -> Rows:
        """Read the flat rows of these photographs (None: all): float32 (n, cached_width)."""
        return self.stored_rows(indices)[:]

    @property
    def row_parts(self) -> RowParts:
        """Say what stands where in a row of the cache."""
        return RowParts.of(self.fields)

    @property
    def cached_width(self) -> int:
        """Count the values of the backbone's last map, flattened."""
        return self.row_parts.map_width

    @property
    def views(self) -> tuple[str, ...]:
        """Give the view sets of which every photograph has its rows, "full" first."""
        return self.folder.views.sets

    @property
    def taps(self) -> tuple[str, ...]:
        """Say what is kept of intermediate layers, behind the map in every row."""
        return tuple(self.row_parts.taps)

    @property
    def look(self) -> Look:
        """Say what is looked at of every photograph, and kept in its row."""
        return Look(self.taps, Crops.of(self.fields))

    def stored_rows(self, indices: Indices | None = None) -> StoredRows:
        """Give the flat rows of these photographs (None: all), read when they are asked for."""
        return self._stored(indices, FULL, self.row_parts.flat)

    def whole_rows(self, indices: Indices | None = None, view: str = FULL) -> StoredRows:
        """Give the rows of one view as they are in the cache, taps included."""
        return self._stored(indices, view, slice(0, self.row_parts.cached_width))

    def _stored(self, indices: Indices | None, view: str, columns: slice) -> StoredRows:
        digests = np.array([table_row.digest for table_row in self.table_rows])
        chosen = digests if indices is None else digests[indices]
        width = columns.stop - columns.start
        return StoredRows(
            self.cache_path, chosen, width, np.repeat(view, len(chosen)), columns.start
        )

    def unreadable(self) -> list[TableRow]:
        """Give the photographs of the folder that could not be read, with their reasons."""
        with open_cache(self.cache_path) as cache:
            return [table_row for table_row in cache.table_rows if table_row.reason]

    def drift_probe(self) -> Row | None:
        """Read the row of `drift_probe`, taps included; None where the cache has none."""
        with open_cache(self.cache_path) as cache:
            return read_probe(cache)


def load_dataset(
    cache_path: Path,
    *,
    classes: Sequence[str] | None = None,
    positive: Sequence[str] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Dataset:
    """Read the sample table of a cache; rows are read when they are asked for.

    Where `extract` was told no groups they are proposed, once for a state of the cache.

    Args:
        cache_path: made by `extract`.
        classes: only these classes; None for all.
        positive: the classes that together are "defective"; None to tell by name.
        progress: called as `progress(photographs compared, photographs)` while groups are
            proposed, or near copies are looked for across a given split.

    Returns:
        The photographs with `y`, int64 (n,) class numbers, and `groups`, int64 (n,) of parts.

    Raises:
        CacheError: no cache, or one that cannot be read or contradicts itself.
        DataError: no finished extract, or classes that cannot be used.

    Example:
        >>> data = onepass.load_dataset(Path("features.h5"))
        >>> len(data.table_rows), data.classes.names
        (72, ('Healthy', 'defects'))
    """
    with open_cache(cache_path) as cache:
        table_rows, folder, fields = cache.table_rows, FolderRecord.noted(cache.note), cache.fields
        refuse_strange_root(cache_path, folder.root, own=cache.own)
        RowParts.of_cache(cache)  # refuses what contradicts itself
    if not table_rows:
        raise DataError(
            f"{cache_path} has {'no photographs' if folder.root else 'no finished extract'}; "
            f"run: extract DATA --cache {cache_path}"
        )
    proposal: Proposal | None = None
    notes: list[str] = []
    if not any(table_row.group for table_row in table_rows):
        proposal = proposed_groups(cache_path, progress)
        found = proposal.by_path()
        table_rows = [one._replace(group=found.get(one.path, "")) for one in table_rows]
        if folder.group_rule.gap is None:
            folder = replace(folder, group_rule=proposal.rule)
        else:
            notes, proposal = proposal.notes, None  # it was told
    labelled = label_table_rows(table_rows, classes=classes, positive=positive)
    labelled.warnings += notes if notes or proposal else _doubts_of_told(cache_path, labelled)
    if labelled.given is not None and proposal is None:
        labelled.warnings += _near_copies_across(cache_path, labelled, labelled.given, progress)
    return Dataset(
        **vars(labelled),
        cache_path=cache_path,
        fields=fields,
        folder=folder,
        proposal=proposal,
    )


def _doubts_of_told(cache_path: Path, labelled: Labelled) -> list[str]:
    """Say what speaks against parts that were told and can hardly be.

    That each photograph shows another part is doubted where photographs look nearly the same.
    """
    parts = [one.group for one in labelled.table_rows]
    doubts = doubts_of_parts(parts, [one.label for one in labelled.table_rows])
    alone = 2 * len(set(labelled.groups.tolist())) > len(labelled)
    if doubts and alone and len(labelled) <= MOST_COMPARED:
        return doubts_of_groups(cache_path)
    return doubts


def _near_copies_across(
    cache_path: Path,
    labelled: Labelled,
    given: tuple[Indices, Indices],
    progress: Callable[[int, int], None] | None,
) -> list[str]:
    """Say how many photographs of a given split's holdout surely show a part of the other side.

    Where groups are proposed they hold near copies anyway; here they were told.
    """
    train, test = given
    apart = test[~np.isin(labelled.groups[test], labelled.groups[train])]
    if not len(apart) or len(labelled) > MOST_COMPARED:
        return []
    known = [labelled.table_rows[number].digest for number in train]
    asked = [labelled.table_rows[number] for number in apart]
    near = int(like_known(cache_path, asked, known, progress=progress).sum())
    if not near:
        return []
    return [
        f"{near:,} of the {len(test):,} photographs held out look so much like some to train on "
        "that both surely show one part, though the groups say otherwise: the scores there are "
        "flattered; look at them with: groups"
    ]


def to_compare_on(dataset: Dataset, split: str | None) -> tuple[Dataset, str, str]:
    """Leave out what a given split holds out, so that the choice of a head never sees it.

    Args:
        dataset: all photographs.
        split: "given", "grouped" or "random"; None for "given" where the folder came with a split.

    Returns:
        The photographs to draw folds of, the kind of these ("grouped" or "random"), and what a
        person should know of it ("" for nothing).

    Raises:
        SplitError: the given split is asked for and there is none, or it trains on one class.
    """
    if split not in (None, GIVEN) or (split is None and dataset.given is None):
        return dataset, split or "grouped", ""
    if dataset.given is None:
        raise SplitError(
            "found no split in the folder; expected train and test above its classes, or a table "
            "with a column split, for --split given; leave it out"
        )
    train, test = dataset.given
    if len(np.unique(dataset.y[train])) < 2:
        only = dataset.classes.names[int(dataset.y[train[0]])]
        raise SplitError(
            f"the given split trains on photographs of class {only!r} alone; expected two classes "
            "or more to compare heads on; draw another split: --split grouped; or, where these "
            "are all good, learn from them alone: fit --head novelty"
        )
    said = (
        f"compared on the {len(train):,} photographs that are not held out; the other "
        f"{len(test):,} of the given split are left for fit to be judged on"
    )
    part = replace(
        dataset,
        table_rows=[dataset.table_rows[number] for number in train],
        y=dataset.y[train],
        groups=dataset.groups[train],
        warnings=[*dataset.warnings, said],
        given=None,
        part_of=dataset.content,
    )
    return part, "grouped", said


def label_table_rows(
    table_rows: Sequence[TableRow],
    *,
    classes: Sequence[str] | None = None,
    positive: Sequence[str] | None = None,
) -> Labelled:
    """Give numbers to the classes and parts of readable photographs that have a class.

    Raises:
        DataError: classes that cannot be used; see `pipeline.data.classes.order_classes`.
    """
    readable = [table_row for table_row in table_rows if not table_row.reason]
    found = Counter(table_row.label for table_row in readable if table_row.label)
    if not (classes or positive):
        positive = defects_of_test_alone([(s.label, s.split) for s in readable if s.label])
    numbered = order_classes(found, classes=classes, positive=positive)
    chosen = [table_row for table_row in readable if table_row.label in numbered.members]
    y = np.array([numbered.members[table_row.label] for table_row in chosen], dtype=np.int64)
    given = given_sides([table_row.split for table_row in chosen])
    labelled = Labelled(numbered, chosen, y, number_groups(chosen), [], given=given)
    labelled.warnings = _warnings(labelled, table_rows)
    if given is not None:
        splits = [table_row.split for table_row in chosen]
        labelled.warnings += about_given(splits, given, labelled.groups)
    return labelled


def _warnings(dataset: Labelled, table_rows: Sequence[TableRow]) -> list[str]:
    found = []
    unreadable = sum(bool(table_row.reason) for table_row in table_rows)
    if unreadable:
        found.append(f"{unreadable:,} photographs could not be read and are left out")
    unlabelled = sum(not table_row.label for table_row in table_rows)
    if unlabelled:
        found.append(f"{unlabelled:,} photographs lie in no class folder and are left out")
    labels: dict[str, set[int]] = {}
    for table_row, number in zip(dataset.table_rows, dataset.y.tolist(), strict=True):
        labels.setdefault(table_row.digest, set()).add(number)
    torn = sum(len(numbers) > 1 for numbers in labels.values())
    if torn:
        found.append(
            f"{torn:,} photographs stand in two classes, byte for byte; correct the folders"
        )
    mixed = _mixed_groups(dataset)
    if mixed:
        count = sum(len(members) for members in mixed)
        shown = dataset.table_rows[mixed[0][0]].path, dataset.table_rows[mixed[0][-1]].path
        found.append(
            f"groups that stand in more than one class: {len(mixed):,} ({count:,} photographs), "
            f"such as {shown[0]!r} with {shown[1]!r}: if they show one part, either one label "
            "is wrong or the part is photographed with and without its defect; "
            "look at them with: groups"
        )
    if all(not table_row.group for table_row in dataset.table_rows):
        found.append(
            "no groups were given: photographs of one part may stand on both sides of a split and "
            "flatter every score; say which belong together with extract --groups or --group-regex"
        )
    return found


def _mixed_groups(dataset: Labelled) -> list[list[int]]:
    """Give groups whose photographs have several classes, first and last of different ones.

    Those whose photographs are all the same bytes are left to the warning about these.
    """
    members: dict[int, list[int]] = {}
    for number, group in enumerate(dataset.groups.tolist()):
        members.setdefault(group, []).append(number)
    return [
        sorted(numbers, key=lambda number: int(dataset.y[number]))
        for numbers in members.values()
        if len(set(dataset.y[numbers].tolist())) > 1
        and len({dataset.table_rows[number].digest for number in numbers}) > 1
    ]
