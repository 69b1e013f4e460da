"""Photographs that come one by one, gathered to parts until each part is complete.

A part is complete when all the photographs are there that its table names, or as many as were said,
or when none came for a while. Cut by capture times, it is complete when a later part has begun, or
after that while. Nobody said which photographs show one part: each is a part of its own.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from features.errors import DataError
from pipeline.groups.name_pattern import groups_in_names
from pipeline.groups.rules import GROUP_COLUMNS, GroupRule, match_groups, read_groups
from pipeline.line.live_model import Predicted
from pipeline.line.new_files import NewFile
from pipeline.output.read_table import Table

NAMELESS = "its path names no part"


@dataclass(frozen=True)
class Arrived:
    """A photograph that was looked at.

    Attributes:
        new: the file.
        predicted: what the model makes of it alone.
        time: when it was taken, or else changed: seconds since 1970.
    """

    new: NewFile
    predicted: Predicted
    time: float


@dataclass
class Part:
    """A part that may still grow.

    Attributes:
        name: of it.
        photographs: so far.
        last: when the last one came, on the clock of `Forming.add`.
        note: what a person should know.
    """

    name: str
    photographs: list[Arrived] = field(default_factory=list)
    last: float = 0.0
    note: str = ""


class Forming:
    """The parts that are not complete yet."""

    def __init__(self, rule: GroupRule, *, pause: float, size: int | None = None) -> None:
        """Say how parts are known.

        Args:
            rule: a table, a pattern, a gap, or none.
            pause: seconds without a photograph after which a part is complete.
            size: photographs of a part, where all have as many.

        Raises:
            DataError: the table or the pattern cannot be used.
        """
        self.rule, self.pause, self.size = rule, pause, size
        self._parts: dict[str, Part] = {}
        self._ready: list[Part] = []
        self._table: Table | None = None
        self._totals: Counter[str] = Counter()
        self._table_time = -1
        if rule.kind == "file":
            self._read_table()
        elif rule.kind == "regex":
            groups_in_names(rule.value, [])  # says what is wrong with it

    @property
    def waiting(self) -> bool:
        """Say whether parts may still grow."""
        return bool(self._parts or self._ready)

    def add(self, one: Arrived, now: float) -> None:
        """Take a photograph.

        Args:
            one: the photograph.
            now: seconds of a clock that never goes back.
        """
        name = self._name(one)
        if not name:
            note = "" if self.rule.kind == "none" else NAMELESS
            self._ready.append(Part(one.new.path, [one], now, note))
            return
        part = self._parts.setdefault(name, Part(name))
        part.photographs.append(one)
        part.last = now

    def due(self, now: float, *, all_of_them: bool = False) -> list[Part]:
        """Give the parts that are complete by now, and forget them.

        Args:
            now: as in `add`.
            all_of_them: whether they are complete or not.
        """
        found, self._ready = self._ready, []
        if self.rule.kind == "gap":
            self._cut()
        latest = max((part.photographs[-1].time for part in self._parts.values()), default=0.0)
        for name, part in list(self._parts.items()):
            count = len(part.photographs)
            whole = self.size is not None and count >= self.size
            whole |= 0 < self._totals[name] <= count
            whole |= self.rule.kind == "gap" and part.photographs[-1].time < latest
            if whole or all_of_them or now - part.last >= max(self.pause, self.rule.gap or 0.0):
                found.append(self._parts.pop(name))
        return found

    def _name(self, one: Arrived) -> str:
        if self.rule.kind == "regex":
            return groups_in_names(self.rule.value, [one.new.path])[0]
        if self.rule.kind == "file":
            self._read_table()
            assert self._table is not None
            return match_groups(self._table, [one.new.path])[0].get(one.new.path, "")
        return one.new.path if self.rule.kind == "gap" else ""

    def _read_table(self) -> None:
        """Read the table, again where it has changed: a line's computer may add to it."""
        path = Path(self.rule.value)
        try:
            changed = path.stat().st_mtime_ns
            if changed == self._table_time:
                return
            table = read_groups(path)
        except (OSError, DataError):
            if self._table is None:
                read_groups(path)  # says what is wrong with it
                raise
            return  # just being written: the table of a moment ago
        self._table, self._table_time = table, changed
        self._totals = Counter(
            cell.strip() for cell in table.column(table.find(GROUP_COLUMNS) or "")
        )

    def _cut(self) -> None:
        """Put all that wait in the order of their times and cut where the gap is longer."""
        waiting = [(one, part.last) for part in self._parts.values() for one in part.photographs]
        waiting.sort(key=lambda both: both[0].time)
        self._parts, before = {}, float("-inf")
        part = Part("")
        for one, last in waiting:
            if one.time - before > (self.rule.gap or 0.0):
                part = self._parts.setdefault(one.new.path, Part(one.new.path))
            part.photographs.append(one)
            part.last = max(part.last, last)
            before = one.time
