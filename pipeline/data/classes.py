"""Say which class is the defective one: class 1, the positive one, in every table and file."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from features.errors import DataError
from pipeline.data.class_words import is_defective, is_healthy
from pipeline.data.leftovers import doubtful
from pipeline.output.names import match_names, name_key, typed
from pipeline.output.tables import printable


@dataclass(frozen=True)
class Classes:
    """The classes in the order of their numbers.

    Attributes:
        names: of two classes, the defective one is second.
        members: folder names -> class number.

    Example:
        >>> dataset.classes.members
        {'Healthy': 0, 'defects': 1}
    """

    names: tuple[str, ...]
    members: dict[str, int]

    @property
    def binary(self) -> bool:
        """Say whether it is healthy against defective."""
        return len(self.names) == 2

    @property
    def only_good(self) -> bool:
        """Say whether no class of defective photographs is known."""
        return self.binary and 1 not in self.members.values()

    def describe(self) -> str:
        """Describe the classes in one line for a person."""
        if not self.binary:
            said = f"{len(self.names)} classes: {', '.join(self.names)}"
            bad = [name for name in self.names if not is_healthy(name)]
            if 0 < len(bad) < len(self.names):
                taken = doubtful([], self.names)
                said += ", each told from the others; good against defective: --positive "
                said += typed(*(name for name in bad if name not in taken))
                if taken:
                    said += f" --classes {typed(*(n for n in self.names if n not in taken))}"
            return printable(said)
        sides = [
            " + ".join(sorted(name for name, number in self.members.items() if number == side))
            for side in (0, 1)
        ]
        if self.only_good:
            return printable(f"one class, {sides[0]}, taken for good; none is defective")
        return printable(f"defective (the positive class) = {sides[1]}, healthy = {sides[0]}")

    def require_defective(self, purpose: str) -> None:
        """Raise DataError where there are good photographs alone and more is needed."""
        if self.only_good:
            raise DataError(
                f"found photographs of one class, {self.names[0]}; {purpose} takes defective ones, "
                "too; learn from good ones alone with: fit --head novelty"
            )

    def number(self, name: str) -> int | None:
        """Give the number of the class that a folder or a table calls so; None for no class."""
        if name in self.members:
            return self.members[name]
        key = name_key(name)
        return next((n for known, n in self.members.items() if name_key(known) == key), None)


def order_classes(
    found: Sequence[str] | Mapping[str, int],
    *,
    classes: Sequence[str] | None = None,
    positive: Sequence[str] | None = None,
) -> Classes:
    """Order the classes by number.

    Of two classes, the one whose name says that its parts are good (`pipeline.data.class_words`) is
    0 and the other is 1. One class alone is taken for good, unless its name says defective. More
    are numbered by name.

    Args:
        found: the names of the classes that have photographs, and how many if that is known.
        classes: take only these; None for all.
        positive: these together are "defective", all others together are healthy.

    Raises:
        DataError: no class, unknown names, two names that do not say which of them is the
            defective one, or defective photographs alone.
    """
    names = sorted(found)
    if not names:
        raise DataError(
            "no photograph has a class; expected one folder of photographs per class, such as "
            "data/good and data/defect, or a table of classes: extract DATA --labels FILE"
        )
    if classes:
        names = sorted(_known(classes, names))
    chosen = _known(positive, names) if positive else []
    if chosen:
        return _against_the_rest(names, chosen)
    if len(names) == 1:
        return _one_class(names[0])
    if len(names) > 2:
        return Classes(tuple(names), {name: number for number, name in enumerate(names)})
    healthy = [name for name in names if is_healthy(name)]
    bare = _without_start(names)
    if len(healthy) != 1 or [is_healthy(one) for one in bare] == [n not in healthy for n in names]:
        counted = found if isinstance(found, Mapping) else {}
        shown = [f"{name} ({counted[name]:,})" if name in counted else name for name in names]
        raise DataError(
            f"cannot tell which of {shown[0]} and {shown[1]} is the defective class; "
            f"say --positive {typed(names[0])} or --positive {typed(names[1])}"
        )
    defective = next(name for name in names if name not in healthy)
    return Classes((healthy[0], defective), {healthy[0]: 0, defective: 1})


def _without_start(names: Sequence[str]) -> list[str]:
    """Leave out what all names begin with: n_ok and n_nok are no "not ok" and "not nok".

    Example:
        >>> _without_start(["n_nok", "n_ok"]), _without_start(["crack", "no_crack"])
        (['nok', 'ok'], ['crack', 'no_crack'])
    """
    cut = [re.split(r"(?<=[\W_])", name_key(name)) for name in names]
    same = sum(1 for _ in itertools.takewhile(lambda at: len({*at}) == 1, zip(*cut, strict=False)))
    return ["".join(words[same:]) for words in cut]


def _known(wanted: Sequence[str], names: Sequence[str]) -> list[str]:
    found, unknown = match_names(wanted, names)
    if unknown:
        shown = ", ".join(f'"{name}"' if "," in name else name for name in names)
        raise DataError(f"no class {unknown[0]!r}; found {shown or 'none'}")
    return found


def _one_class(name: str) -> Classes:
    if is_defective(name):
        raise DataError(
            f"found one class, {name}, and its name says defective; expected good photographs, "
            "too: without them nothing can be learnt"
        )
    return Classes((name, "defective"), {name: 0})


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
    if name_key(title[0]) == name_key(title[1]):  # healthy against a + b; defective against a + b
        raise DataError(
            f"--positive {typed(*positive)} makes {' + '.join(rest)} the healthy side, and both "
            f"sides would be called {title[0]}; expected the classes of defective parts: "
            f"--positive {typed(*rest)}"
        )
    return Classes(title, {name: int(name in positive) for name in names})
