"""Note in a cache which folder its rows come from, and how it was read."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from features.backbones.weights import RecordedWeights
from features.cache.shards import open_cache
from features.errors import CacheError, DataError, ImageError
from features.own_files import is_strange_root
from features.photographs.file import Photograph, stat_photograph
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


class Told(NamedTuple):
    """Say whether the user says where groups, and where classes, come from."""

    groups: bool
    labels: bool


def refuse_others(
    cache: Path, record: FolderRecord, told: Told, root: str, photographs: Sequence[Photograph]
) -> None:
    """Refuse tables that were named for one folder where another one is read into its cache.

    Cameras begin their counters anew: IMG_0001.jpg of the table is another one there. A folder
    that was moved holds the same photographs.

    Args:
        cache: its path.
        record: what it notes of its folder.
        told: what the user says of the folder that is read.
        root: this folder.
        photographs: in it.

    Raises:
        DataError: a noted table would be read that nobody named for this folder.
    """
    groups, labels = _tables(record, told)
    if not (labels or groups) or record.root in ("", root):
        return
    with open_cache(cache) as opened:
        sizes = {table_row.path: table_row.size for table_row in opened.table_rows}
    same = 0
    for photograph in photographs:
        with contextlib.suppress(ImageError):
            same += sizes.get(photograph.path) == stat_photograph(photograph.file).st_size
    if 2 * same < len(photographs):
        tables = " and ".join(filter(None, (labels, groups)))
        say = [(labels, "--labels FILE or --labels none"), (groups, "--groups FILE or --no-groups")]
        raise DataError(
            f"{cache} was filled from {record.root}, with {tables}, and {root} holds other "
            "photographs; expected the tables of these: say "
            + ", and ".join(option for table, option in say if table)
        )


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
