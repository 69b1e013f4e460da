"""Note in a cache which folder its rows come from, and how it was read."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from features.backbones.settings import BackboneSettings
from features.backbones.weights import RecordedWeights
from features.cache.sample_table import TableRow, is_unchanged
from features.errors import CacheError, DataError, ImageError
from features.files import absolute_name
from features.own_files import is_strange_root
from features.photographs.file import Photograph, read_photograph, stat_photograph
from features.photographs.views import Chosen
from pipeline.data.label_table import NAMES, NONE, LabelRule
from pipeline.groups.rules import GroupRule
from pipeline.output.names import command_line


@dataclass(frozen=True)
class FolderRecord:
    """The note that `extract_folder` leaves in a cache, and that models keep a copy of.

    What is absent was not noted: of a cache that is only begun, and by earlier versions.

    Attributes:
        root: the folder of photographs; "" where no extract was finished.
        group_rule: which photographs show one part.
        weights: of the backbone; None where none were noted, and of models that see pixels.
        labels: where classes come from.
        views: what has rows of its own.
        kept: texts of the feature specs that a slim cache's rows were kept for; none of a full one.

    Example:
        >>> FolderRecord.noted({"root": "data"}).group_rule.kind
        'none'
    """

    root: str = ""
    group_rule: GroupRule = field(default_factory=GroupRule)
    weights: RecordedWeights | None = None
    labels: LabelRule = field(default_factory=LabelRule)
    views: Chosen = field(default_factory=Chosen)
    kept: tuple[str, ...] = ()

    @classmethod
    def noted(cls, note: Mapping[str, Any]) -> FolderRecord:
        """Read a cache's note.

        Raises:
            CacheError: the note is not one that `to_note` gave.
            DataError: it names views that this version does not have.
        """
        try:
            weights, labels = note.get("weights", {}), note.get("labels")
            return cls(
                root=str(note.get("root", "")),
                group_rule=GroupRule.noted(note),
                weights=RecordedWeights.noted(weights) if "digest" in weights else None,
                labels=LabelRule() if labels is None else LabelRule(**labels),
                views=Chosen.noted(note),
                kept=tuple(map(str, note.get("kept", ()))),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise CacheError(
                f"the cache's note of its folder cannot be used ({error!r}); expected what extract "
                "wrote; extract into another --cache"
            ) from error

    def to_note(self) -> dict[str, Any]:
        """Give the inverse of `noted`."""
        return {
            "root": self.root,
            "group_rule": asdict(self.group_rule),
            **({"labels": asdict(self.labels)} if self.labels.file else {}),
            **({"weights": self.weights.to_note()} if self.weights else {}),
            **self.views.to_note(),
            **({"kept": list(self.kept)} if self.kept else {}),
        }

    @property
    def untrained(self) -> bool:
        """Say whether the backbone's weights have learned nothing."""
        return self.weights is not None and not self.weights.trained


def recorded_weights(settings: BackboneSettings, noted: FolderRecord) -> RecordedWeights | None:
    """Give what is to be noted of the weights: as they were noted, or as they were found now."""
    found = settings.weights
    if isinstance(found, RecordedWeights):
        return noted.weights
    shown = str(found.path.resolve()) if found.source == "file" and found.path else found.source
    return RecordedWeights(found.source, found.digest, found.seed, shown)


class Told(NamedTuple):
    """Say whether the user says where groups, and where classes, come from."""

    groups: bool
    labels: bool


def refuse_others(
    cache: Path,
    record: FolderRecord,
    known: Sequence[TableRow],
    told: Told,
    data: Path,
    photographs: Sequence[Photograph],
) -> None:
    """Refuse tables that were named for photographs of which hardly any is here any more.

    Cameras begin their counters anew: IMG_0001.jpg of the table is another one in another folder,
    or in the same one after the next export. A folder that was moved holds the same photographs;
    in its own folder a table counts while a tenth of those that it named are what they were.

    Args:
        cache: its path.
        record: what it notes of its folder.
        known: its table of photographs.
        told: what the user says of the folder that is read.
        data: this folder.
        photographs: in it.

    Raises:
        DataError: a noted table would be read that nobody named for this folder.
    """
    groups, labels = _tables(record, told)
    if not (labels or groups) or not record.root:
        return
    root = absolute_name(data)
    moved = record.root != root
    named = [
        row for row in known
        if row.digest and (moved or (labels and row.label) or (groups and row.group))
    ]  # fmt: skip
    pairs = _of_same_names(named, photographs)
    if _are_same(pairs, len(photographs) / 2 if moved else len(pairs) / 10):
        return
    tables = " and ".join(filter(None, (labels, groups)))
    say = [(labels, "--labels FILE or --labels none"), (groups, "--groups FILE or --no-groups")]
    holds = f"and {root} holds other photographs"
    if not moved:
        holds = f"and of its {len(pairs):,} photographs of these names hardly any is still the same"
    raise DataError(
        f"{cache} was filled from {record.root}, with {tables}, {holds}; expected the tables of "
        "these: say " + ", and ".join(option for table, option in say if table)
    )


_READ = 16
"""Photographs that are read to learn whether those of equal size and other times are the same."""


def _of_same_names(
    named: Sequence[TableRow], photographs: Sequence[Photograph]
) -> list[tuple[TableRow, Photograph]]:
    """Pair table rows with the photographs that a table would take for them: by path, or name."""
    rows = {row.path.rpartition("/")[2]: row for row in named} | {row.path: row for row in named}
    found = (
        (rows.get(one.path) or rows.get(one.path.rpartition("/")[2]), one) for one in photographs
    )
    return [(row, one) for row, one in found if row]


def _are_same(pairs: Sequence[tuple[TableRow, Photograph]], enough: float) -> bool:
    """Say whether at least so many photographs have still the bytes of their table rows.

    Size and times tell it of most. A camera's bitmaps all have one size: where that leaves it
    open, a few are read.
    """
    same, open_ones = 0, []
    for row, photograph in pairs:
        if same >= enough:
            return True
        with contextlib.suppress(ImageError):
            stat = stat_photograph(photograph.file)
            same += (unchanged := is_unchanged(row, stat))
            if not unchanged and row.size == stat.st_size:
                open_ones.append((row, photograph.file))
    read = open_ones[:: -(-len(open_ones) // _READ) or 1]
    kept = 0
    for row, file in read:
        with contextlib.suppress(ImageError):
            kept += hashlib.sha256(read_photograph(file)).hexdigest() == row.digest
    return same + len(open_ones) * kept / max(1, len(read)) >= enough


def _tables(record: FolderRecord, told: Told) -> tuple[str, str]:
    """Give the noted tables of groups and of classes that would be read unasked; "" for none."""
    rule = record.group_rule
    groups = rule.value if rule.kind == "file" and not told.groups else ""
    return groups, "" if record.labels.file in (NONE, NAMES) or told.labels else record.labels.file


_SHOWN = 200
"""Characters of a stranger's pattern in an error."""


def refuse_strange_rules(cache: Path, record: FolderRecord, told: Told) -> None:
    """Refuse what a stranger's cache would have read or searched that nobody here named.

    A table may lie anywhere, and what is in it would end in reports; a pattern may be slow without
    end, as Python's `re` tracks back.

    Args:
        cache: its path; not of this account, see `features.own_files`.
        record: what it notes of its folder.
        told: what the user says.

    Raises:
        CacheError: the table or the pattern has to be named.
    """
    rule = record.group_rule
    groups, labels = _tables(record, told)
    stranger = f"{cache} was not written by this account and"
    for table, option in ((groups, "--groups"), (labels, "--labels")):
        if table and is_strange_root(cache, table):
            raise CacheError(
                f"{stranger} names the table {table}; nothing is read there unasked: name it "
                f"yourself with {option}"
            )
    if rule.kind == "regex" and not told.groups:
        shown = rule.value if len(rule.value) <= _SHOWN else rule.value[:_SHOWN] + "…"
        raise CacheError(
            f"{stranger} notes a pattern for groups; nothing is searched with it unasked, as a "
            "pattern may never end: if you know it to be right, say it yourself with "
            f"--group-regex {command_line([shown])}"
        )
