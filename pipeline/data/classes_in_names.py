"""Read classes from the words of file names, where nothing else says any: ok_1.jpg, ng_2.jpg."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

from features.errors import DataError
from pipeline.data.class_words import is_defective, is_healthy
from pipeline.data.labels import count_labels
from pipeline.data.layouts import Layout
from pipeline.data.leftovers import is_undecided, set_aside
from pipeline.output.names import name_key, one_spelling

_WORD = re.compile(r"(?:[^\W\d_]\.)+[^\W\d_]?|[^\W\d_]+")  # n.i.O. is one
_MOST, _USUAL = 20, 4  # classes, and photographs of each: more words are drawn at random
_RARE = 0.5  # share of names up to which those that say nothing are worth a word
_PLACES = 8  # words from either end of a name that may be the class


def take_from_names(layout: Layout, paths: Sequence[str], *, asked: bool = False) -> None:
    """Take classes from file names, if each says good or bad and both are said; note it.

    Args:
        layout: of the folder; what it says of classes goes.
        paths: of its pictures, in the layout's order.
        asked: whether a person said that the names say the classes.

    Raises:
        DataError: it was asked for, and not all names say one.
    """
    kept = [number for number in range(len(paths)) if number not in layout.masks]
    stems = [PurePosixPath(paths[number]).stem for number in kept]
    found = classes_in_names(stems)
    if found is None:
        if asked:
            raise DataError(
                f"found {_counted(stems)}; expected in each a word such as ok or ng, and both in "
                "some: take the classes from a table, --labels TABLE"
            )
        sides = Counter(_sides(stems))
        if sides["good"] and sides["bad"] and 0 < sides[""] <= _RARE * len(stems):
            layout.notes.append(f"{_counted(stems)}: none is taken; say all with --labels TABLE")
        return
    spelling = one_spelling(found)
    labels = set_aside([spelling[one] for one in found], frozenset(), layout.notes)
    layout.label = [""] * len(paths)
    for number, label in zip(kept, labels, strict=True):
        layout.label[number] = label
    counts = count_labels({paths[n]: layout.label[n] for n in kept if layout.label[n]})
    split = f" (split: {layout.words})" if any(layout.split) else ""
    layout.words = f"classes from words of the file names{split}"
    if not asked:
        layout.notes.append(
            f"no folder says a class, words of the file names do ({counts}); if that is wrong, say "
            "--labels TABLE, or --labels none to go without"
        )


def point_at_names(layout: Layout, paths: Sequence[str]) -> None:
    """Note that names say good and bad where the folders say neither."""
    if any(is_healthy(one) or is_defective(one) for one in {*layout.label} - {""}):
        return
    kept = [number for number in range(len(paths)) if number not in layout.masks]
    if classes_in_names([PurePosixPath(paths[number]).stem for number in kept]) is not None:
        layout.notes.append(
            "folders are taken for classes, and none says good or bad; words of the file names do: "
            "take these with --labels names"
        )


def classes_in_names(stems: Sequence[str]) -> list[str] | None:
    """Find the word that is the class in each name; None unless each has one, and both sides are.

    It is all words of a name but those that all names begin or end with, or its first word, second,
    last, and so on: what makes the fewest classes, for beside it may stand a view, or what is drawn
    at random. The other words may not say another side: in "not_ok" ok is no class, and neither is
    it in "ok_unsure", nor in "ok_1_ng", where a machine said the one and a person the other.

    Args:
        stems: file names without their suffix.

    Example:
        >>> classes_in_names(["part_ok_1", "part_not_ok_2", "part_ok_3"])
        ['ok', 'not_ok', 'ok']
        >>> classes_in_names(["ok_1", "IMG_2"]) is None
        True
    """
    words = [_WORD.findall(stem) for stem in stems]
    if not all(words):
        return None
    differing, first = _differing(words), range(min(_PLACES, *map(len, words)))
    said, whole = _sides(differing), _sides(map("_".join, words))
    by_place = ([one[at] for one in words] for at in (*first, *(~at for at in first)))
    able = []
    for candidate in (differing, *by_place):
        sides = _sides(candidate)
        contradicted = any(a and b and a != b for a, b in zip(sides, whole, strict=True))
        if {"good", "bad"} <= {*sides} and "" not in sides and sides == said and not contradicted:
            able.append(candidate)
    best = min(able, key=lambda each: len({*map(name_key, each)}), default=None)
    most = min(_MOST, max(2, len(stems) // _USUAL))
    return best if best and len({*map(name_key, best)}) <= most else None


def _sides(names: Iterable[str]) -> list[str]:
    """Give "good", "bad" or "waits" of each; "" for what says nothing, or both."""
    names = [*names]
    known = {name: _side(name) for name in {*names}}
    return [known[name] for name in names]


def _side(name: str) -> str:
    waits = is_undecided(name) or any(map(is_undecided, _WORD.findall(name)))
    said = {"good": is_healthy(name), "bad": is_defective(name), "waits": waits}
    sides = [side for side, says in said.items() if says]
    return sides[0] if len(sides) == 1 else ""


def _differing(words: Sequence[Sequence[str]]) -> list[str]:
    """Join the words of each name, without those that all names begin or end with."""
    keys = [[*map(name_key, one)] for one in words]
    first, shortest = keys[0], min(map(len, keys))
    begin = end = 0
    while begin < shortest - 1 and all(key[begin] == first[begin] for key in keys):
        begin += 1
    while end < shortest - 1 - begin and all(key[-1 - end] == first[-1 - end] for key in keys):
        end += 1
    return ["_".join(one[begin : len(one) - end]) for one in words]


def _counted(stems: Sequence[str]) -> str:
    """Say how many names say what, with one that does not."""
    sides = Counter(_sides(stems))
    silent = next((stem for stem in stems if not _side(stem)), "")
    said = f"words of the file names that say good ({sides['good']:,}) and bad ({sides['bad']:,})"
    if silent:
        said += f", and {sides['']:,} names such as {silent!r} that say neither or both"
    return said
