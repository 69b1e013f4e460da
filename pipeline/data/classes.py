"""Which class is the defective one: class 1, the positive one, in every table and file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from features.errors import DataError
from pipeline.output.tables import printable

_HEALTHY = re.compile(r"(?<![a-z])(healthy|ok|okay|good|free|normal)", re.IGNORECASE)
_NEGATED = re.compile(r"(?<![a-z])(not|no|non|un|never)[-_ ]*(healthy|ok|good|free|normal)", re.I)
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")


@dataclass(frozen=True)
class Classes:
    """The classes in the order of their numbers.

    Attributes:
        names: of two classes, the defective one is second.
        members: folder names -> class number.
    """

    names: tuple[str, ...]
    members: dict[str, int]

    @property
    def binary(self) -> bool:
        """Whether it is healthy against defective."""
        return len(self.names) == 2

    def describe(self) -> str:
        """One line for a person."""
        if not self.binary:
            return f"{len(self.names)} classes: " + printable(", ".join(self.names))
        sides = [
            " + ".join(sorted(name for name, number in self.members.items() if number == side))
            for side in (0, 1)
        ]
        return printable(f"defective (the positive class) = {sides[1]}, healthy = {sides[0]}")


def order_classes(
    found: Sequence[str],
    *,
    classes: Sequence[str] | None = None,
    positive: Sequence[str] | None = None,
) -> Classes:
    """Number the classes.

    Of two classes, the one whose folder name contains "healthy", "ok", "good", "free" or "normal"
    as the beginning of a word, and not negated, is 0 and the other is 1. More are numbered by name.

    Args:
        found: the folder names that hold photographs.
        classes: take only these; None for all.
        positive: these together are "defective", all others together are healthy.

    Raises:
        DataError: fewer than two classes, unknown names, or two names that do not say which of
            them is the defective one.
    """
    names = sorted(found)
    for wanted in (*(classes or ()), *(positive or ())):
        if wanted not in names:
            raise DataError(f"no class {wanted!r}; found {', '.join(names) or 'none'}")
    if classes:
        names = [name for name in names if name in classes]
    if len(names) < 2:
        raise DataError(
            f"found {len(names)} class ({', '.join(names) or 'none'}); expected at least two class "
            "folders with photographs, such as Healthy and defects"
        )
    if positive:
        return _against_the_rest(names, positive)
    if len(names) > 2:
        return Classes(tuple(names), {name: number for number, name in enumerate(names)})
    healthy = [name for name in names if _is_healthy(name)]
    if len(healthy) != 1:
        raise DataError(
            f"cannot tell which of {names[0]} and {names[1]} is the defective class; "
            f"say --positive {names[0]} or --positive {names[1]}"
        )
    defective = next(name for name in names if name not in healthy)
    return Classes((healthy[0], defective), {healthy[0]: 0, defective: 1})


def _against_the_rest(names: Sequence[str], positive: Sequence[str]) -> Classes:
    rest = [name for name in names if name not in positive]
    if not rest:
        raise DataError(
            "--positive names every class; expected at least one left as the healthy one"
        )
    title = (
        rest[0] if len(rest) == 1 else "healthy",
        positive[0] if len(positive) == 1 else "defective",
    )
    return Classes(title, {name: int(name in positive) for name in names})


def _is_healthy(name: str) -> bool:
    words = _CAMEL.sub(" ", name)
    return bool(_HEALTHY.search(words)) and not _NEGATED.search(words)
