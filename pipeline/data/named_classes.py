"""Find folders that a person or a model called classes, also below days, lots and lines."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from pipeline.data.class_words import split_of
from pipeline.output.names import match_names, name_key

Parts = tuple[str, ...]

_LOT = re.compile(
    r"(?:19|20)\d\d(?!\d)|\d\d[-_.]\d\d|(?<![^\W\d_])(?:days?|nights?|mornings?|weeks?|months?|"
    r"shifts?|lots?|batch|line|station|cam|kw|tag|nacht|woche|charge|linie|los|lote|lotto|jour|"
    r"équipe|equipe|ligne|turno|d[ií]a|l[ií]nea|партия|смена|линия|день)(?![^\W\d_])|"
    r"schicht(?![^\W\d_])|批|班|日|线|線|ライン|ロット"
)
_MADE = re.compile(
    r"aug|segment|cop(?:y|ia|ie)|kopie|crop|resiz|scal|flip|rotat|mirror|synth|generat|fake|backup|"
    r"old|alt|version|(?<![^\W\d_])v[-_ ]?\d|\d ?[x×] ?\d|thumb|preview|gr[ae]y|blur|nois|"
    r"normali[sz]|enhanc|filter|proc|pred|result|output|bereinigt|erzeugt"
)


def is_batch(name: str) -> bool:
    """Say whether a folder is called as photographs of one day, lot or line, not as made ones.

    Example:
        >>> [is_batch(name) for name in ("2026-01-07", "lot_7", "augmented", "aug_90", "224x224")]
        [True, True, False, False, False]
    """
    key = name_key(name)
    return bool(re.search(r"\d", key) or _LOT.search(key)) and not is_made(name)


def is_lot(name: str) -> bool:
    """Say whether a folder is surely called as one day, lot or line: a number may be a class.

    Example:
        >>> [is_lot(name) for name in ("2026-01-07", "lot_7", "1", "Class2")]
        [True, True, False, False]
    """
    return bool(_LOT.search(name_key(name))) and not is_made(name)


def is_lot_alone(name: str) -> bool:
    """Say whether a folder is called as one of several days, lots or lines and as nothing else.

    Example:
        >>> [is_lot_alone(name) for name in ("2026-01-07", "lot 7", "05-10", "night", "NG_shift2")]
        [True, True, False, False, False]
    """
    words = re.findall(r"[^\W\d_]+", name_key(name))
    day = re.search(r"(?<!\d)(?:19|20)\d\d(?:(?:0\d|1[0-2])[0-3]\d)?(?!\d)", name)
    sure = day or (words and re.search(r"\d", name))  # 05-10 may be millimetres
    return bool(sure) and not is_made(name) and all(map(is_lot, words))


def is_made(name: str) -> bool:
    """Say whether a folder is called as what was made of photographs: copies, crops, masks.

    Example:
        >>> [is_made(name) for name in ("augmented-data", "grayscale", "224x224", "data")]
        [True, True, True, False]
    """
    return bool(_MADE.search(name_key(name)))


def keys_of(classes: Sequence[str], paths: Sequence[Parts]) -> frozenset[str]:
    """Give the keys of classes that a person typed; "scratch, deep" may come cut at its comma."""
    typed, _ = match_names(classes, sorted({name for parts in paths for name in parts[:-1]}))
    return frozenset(map(name_key, (*typed, *classes)))


@dataclass(frozen=True)
class _Way:
    """Say how the folders above a photograph lead to a named class.

    Attributes:
        names: of these folders, from where classes are expected.
        first: how many parts of a split come first, 0 or 1: train/OK is no level below.
        place: number of the first named folder; -1 for none.
    """

    names: Parts
    first: int
    place: int

    @property
    def level(self) -> int:
        """Count the folders between where classes are expected and the named one; -1 for none."""
        return self.place - self.first if self.place >= 0 else -1

    @property
    def outer(self) -> str:
        """Name the folder that stands where classes are expected, in its split; "" for none."""
        return "/".join(self.names[: self.first + 1]) if len(self.names) > self.first else ""

    def at(self, place: int) -> tuple[str, str]:
        """Give the nearest split above the folder at a place, and its name; "" for none."""
        if not self.first <= place < len(self.names):
            return "", ""
        split = next(filter(None, map(split_of, reversed(self.names[:place]))), "")
        return split, self.names[place]


class Named(NamedTuple):
    """Say where named classes stand.

    Attributes:
        places: split (the nearest above the class) and class of each photograph, "" for none.
        words: the layout, in words.
        notes: which folders beside the classes are read, too, and which are not.
    """

    places: list[tuple[str, str]]
    words: str
    notes: list[str]


def classes_below(paths: Sequence[Parts], depth: int, meant: frozenset[str]) -> Named | None:
    """Find the folders that a person called classes below days, lines or folds.

    Beside the classes themselves, a folder that holds some is read if it is called as a day, a lot
    or a line is. What was made of photographs is left out beside others, and so is what stands in
    no part of a given split.

    Args:
        paths: of photographs.
        depth: where classes are expected.
        meant: keys of names that a person called classes.

    Returns:
        None where the named ones stand at the expected level alone, or nowhere. Beside named
        folders others are classes, too.

    Example:
        >>> days = [("05-01", "OK", "1.png"), ("05-02", "NG", "1.png")]
        >>> classes_below(days, 0, frozenset({"ok", "ng"})).places
        [('', 'OK'), ('', 'NG')]
    """
    if not meant:
        return None
    ways = [_way(parts[depth:-1], meant) for parts in paths]
    levels = {way.level for way in ways} - {-1}
    if not levels - {0}:
        return None
    split, beside = any(way.first for way in ways), 0 in levels
    holding = Counter(way.outer for way in ways if way.level > 0)
    outside = {way.outer for way in ways if split and not way.first} & holding.keys()
    here = {(w.names[: w.first], name_key(w.names[w.place])) for w in ways if w.level == 0}
    again = {
        w.outer
        for w in ways
        if w.level > 0 and (w.names[: w.first], name_key(w.names[w.place])) in here
    }
    made = {name for name in again if not is_batch(name.rpartition("/")[2])} - outside
    copies = {name for name in holding.keys() - outside if is_made(name.rpartition("/")[2])}
    made |= copies if beside or holding.keys() - outside - copies else set()
    only = levels.pop() if len(levels) == 1 else -1
    found = []
    for way in ways:
        place = way.place
        if place < 0 and not beside:
            place = only + way.first if only > 0 else -1
        elif place < 0 and not (way.outer in holding or is_batch(way.outer)):
            place = way.first  # another class, beside the named ones
        found.append(("", "") if way.outer in outside | made else way.at(place))
    read = holding.keys() - outside - made
    if beside:
        splits = sorted({way.names[0] for way in ways if way.first})
        words = f"{', '.join(splits)} above the classes" if splits else "one folder for each class"
        words += f", also below {', '.join(sorted(read)[:4])}" if read else ""
    else:
        words = f"folders called as the classes, below {', '.join(sorted(read)[:4])}"
        read = set()
    return Named(found, words, list(_say_beside(holding, read, made, outside)))


def _way(names: Parts, meant: frozenset[str]) -> _Way:
    first = bool(names and split_of(names[0]) and name_key(names[0]) not in meant)
    place = next((at for at, name in enumerate(names) if name_key(name) in meant), -1)
    return _Way(names, first, place)


def _say_beside(
    holding: Counter[str], read: set[str], made: set[str], outside: set[str]
) -> Iterator[str]:
    """Say which folders that hold named classes are read beside these, and which are not."""
    for names, what in (
        (read, "they are read as these"),
        (made, "they are left out, for it is called as no day, lot or line, or as what was made of "
         "photographs; move them to the others to have them"),
        (outside, "they are left out, for it stands in no part of the given split; move them into "
         "one to have them"),
    ):  # fmt: skip
        if names:
            shown = ", ".join(f"{name} ({holding[name]:,} photographs)" for name in sorted(names))
            yield f"folders called as the classes stand below {shown}, too: {what}"
