"""Say what stands where classes are expected: folds, lines, copies and packing are no classes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from features.errors import DataError
from pipeline.data.class_words import SPLITS, TRAIN, is_defective, is_healthy, split_of
from pipeline.data.leftovers import is_undecided
from pipeline.data.named_classes import Parts, is_batch, is_lot, is_made
from pipeline.output.names import name_key, typed

IMAGES = frozenset({
    "images", "image", "imgs", "img", "photos", "photographs", "pictures", "jpegimages", "rgb",
})  # fmt: skip
"""What folders of photographs are called that say nothing of a class, lower case."""

WRAPPERS = IMAGES | {"data", "dataset", "datasets", "raw", "files", "archive"}
"""What folders around classes are called, lower case."""

_FOLD = re.compile(
    r"(k[-_ ]?)?(fold|cv)[-_ ]?\d+|k\d+|"
    r"(.*[-_ ])?(part|chunk|batch|vol(ume)?|shard|subset|session|images?|photos?)[-_ ]?\d+"
)
_COPY = re.compile(
    r"(?P<of>.+?)(?: - (?:copy|kopie|copie|copia)(?: ?\(\d+\))?| \(\d+\)|[-_ ]copy(?:[-_ ]?\d+)?)"
)
_OF_CLASSES = re.compile(r"class|klasse|cat|typ|grade|level|stufe|kind|defe[ck]t|fehler|label")
_JOINED = (
    re.compile(r"(?P<split>[^\W\d_]+)[-_ ]+(?P<label>.+)"),
    re.compile(r"(?P<split>[a-z]+)(?P<label>[A-Z]\w*)"),
    re.compile(r"(?P<label>.+)[-_ ]+(?P<split>[^\W\d_]+)"),
)


def names_at(paths: Iterable[Parts], depth: int) -> Counter[str]:
    """Count the photographs below each folder at a depth."""
    return Counter(parts[depth] for parts in paths if len(parts) > depth + 1)


def first_choice(paths: Sequence[Parts], depth: int) -> set[str]:
    """Name the folders at the first level, from a depth on, that has not just one folder."""
    while len(level := names_at(paths, depth)) == 1 and all(len(p) > depth + 1 for p in paths):
        depth += 1
    return set(level)


def names_on_the_way(paths: Sequence[Parts], depth: int) -> set[str]:
    """Name the folders of `first_choice`, and the single folders above them."""
    found: set[str] = set()
    while len(level := names_at(paths, depth)) == 1 and all(len(p) > depth + 1 for p in paths):
        found |= set(level)
        depth += 1
    return found | set(level)


def is_fold(name: str) -> bool:
    """Say whether a folder is called as one of several folds, or pieces of a collection.

    Example:
        >>> [is_fold(name) for name in ("fold1", "Fold_02", "cv-3", "images_part_1", "fold")]
        [True, True, True, True, False]
    """
    return bool(_FOLD.fullmatch(name_key(name)))


def are_counted(level: Iterable[str]) -> bool:
    """Say whether three folders or more differ in a number alone, as those of parts do.

    Example:
        >>> are_counted(["SN1001", "SN1002", "SN1017"]), are_counted(["Class1", "Class2", "Class3"])
        (True, False)
    """
    names = list(map(name_key, level))
    shapes = {re.sub(r"\d+", "0", name) for name in names}
    (shape,) = shapes if len(shapes) == 1 else ("",)
    return len(names) > 2 and bool(re.search(r"[^\W\d_]", shape)) and not _OF_CLASSES.search(shape)


def joined_splits(level: Iterable[str], meant: frozenset[str]) -> dict[str, tuple[str, str]]:
    """Read split and class from folders called train_good, train_bad, test_good.

    Args:
        level: names of all folders of one level.
        meant: keys of names that a person called classes.

    Returns:
        Name -> (split, class); {} where any of them is no such name, or one split alone is there.

    Example:
        >>> joined_splits(["train_good", "test_good"], frozenset())
        {'train_good': ('train', 'good'), 'test_good': ('test', 'good')}
        >>> joined_splits(["test_pad", "train_pad", "good"], frozenset())
        {}
    """
    found = {}
    for name in level:
        matches = filter(None, (form.fullmatch(name) for form in _JOINED))
        read = next((m for m in matches if name_key(m["split"]) in SPLITS), None)
        if read is None or name_key(name) in meant or not re.search(r"[^\W\d_]", read["label"]):
            return {}
        found[name] = (SPLITS[name_key(read["split"])], read["label"])
    splits = {split for split, _ in found.values()}
    labels = {name_key(label) for _, label in found.values()}
    if TRAIN not in splits or len(splits) < 2 or not (len(labels) > 1 or all(map(_says, labels))):
        return {}
    return found


def check_class_level(
    root: Path, paths: Sequence[Parts], depth: int, meant: frozenset[str]
) -> None:
    """Refuse folders where classes are expected that are something else, or may be.

    Args:
        root: the folder that is read.
        paths: of photographs, below `root`, which share the folders above `depth`.
        depth: where their classes are expected.
        meant: keys of names that a person called classes.

    Raises:
        DataError: they are folds, lines or products above the classes, copies of each other, or
            one folder that may be packing; the message has the commands for what is meant.
    """
    level = names_at(paths, depth)
    if any(name_key(name) in meant for name in level):
        return
    _refuse_between(root, paths, depth)
    _refuse_twice(root, paths, depth)
    _refuse_contradiction(root, paths, depth)
    _refuse_images(root, paths, depth)
    _refuse_one_unclear(root, paths, depth)


def inner_names(paths: Sequence[Parts], depth: int) -> list[str]:
    """Name the folders below classes, where one has several, and no class says good or bad.

    Classes without folders below stand among them under their own names.

    Example:
        >>> inner_names([(a, b + a, "1.png") for a in "DP" for b in "CU"] + [("W", "1.png")], 0)
        ['CD', 'CP', 'UD', 'UP', 'W']
    """
    level = names_at(paths, depth)
    if len(level) < 2 or any(map(_says, level)):
        return []
    below = {name: names_at([p for p in paths if p[depth] == name], depth + 1) for name in level}
    if not any(len(inside) > 1 for inside in below.values()):
        return []
    return sorted(set().union(*(inside or {name} for name, inside in below.items())))


def good_and_bad(paths: Sequence[Parts], depth: int, name: str) -> bool:
    """Say whether a folder, whatever it is called, holds folders of good and of bad parts.

    Example:
        >>> good_and_bad([("Goodyear", "OK", "1.png"), ("Goodyear", "NG", "2.png")], 1, "Goodyear")
        True
    """
    inside = names_at([p for p in paths if p[depth - 1] == name], depth)
    good = {one for one in inside if is_healthy(one)}
    return bool(good) and any(is_defective(one) for one in set(inside) - good)


def holds_classes(paths: Sequence[Parts], depth: int, name: str) -> bool:
    """Say whether the only folder at a depth is packing, though its name says good or bad.

    Example:
        >>> solar = [("faulty panels", name, "1.png") for name in ("clean", "dusty")]
        >>> holds_classes(solar, 0, "faulty panels")
        True
    """
    below = names_at(paths, depth + 1)
    if good_and_bad(paths, depth + 1, name):
        return True
    if is_defective(name) and len(below) > 1 and any(map(is_healthy, below)):
        return True
    return bool(below and all(map(split_of, below)) and names_at(paths, depth + 2))


def _says(name: str) -> bool:
    return is_healthy(name) or is_defective(name)


def _refuse_between(root: Path, paths: Sequence[Parts], depth: int) -> None:
    """Refuse what stands above the classes: folds, lines, days or products.

    Raises:
        DataError: no folder of the level says good or bad, and those below do, or are the same
            below each.
    """
    level = sorted(names_at(paths, depth))
    lots = sorted(filter(is_lot, names_at([p for p in paths if len(p) > depth + 2], depth)))
    if len(lots) > 1 and not any(map(_says, level)):
        level = lots  # whatever stands beside them
    if len(level) < 2 or any(_says(n) and not good_and_bad(paths, depth + 1, n) for n in level):
        return  # but Okt/OK, Okt/NG are no classes, whatever okt begins with
    each = [[p for p in paths if p[depth] == name] for name in level]
    below = [set(map(name_key, first_choice(inside, depth + 1))) for inside in each]
    shared = set.intersection(*below)
    inside = set.union(*map(names_on_the_way, each, [depth + 1] * len(each)))
    if not inside or all(is_fold(name) or split_of(name) for name in inside):
        return  # folds or splits below the classes
    same = len(shared) >= 2
    sure = any(map(is_healthy, inside)) or all(map(is_fold, level))
    numbers = all(name.isdecimal() for name in level)  # 0, 1: classes, unless numbers are below
    unsure = not same or (numbers and not any(name.isdecimal() for name in inside))
    if not sure and level != lots and unsure:
        return
    shown = " and ".join(sorted(shared)) if same else ", ".join(sorted(inside)[:4])
    above = ", ".join(level[:6]) + (", …" if len(level) > 6 else "")
    kept = [name for name, its in zip(level, each, strict=True) if names_at(its, depth + 1)]
    kept = [name for name in kept if not is_made(name)] or level
    whose = "all" if len(kept) == len(level) else f"those of {', '.join(kept[:6])}"
    one = root.joinpath(*paths[0][:depth], level[0])
    together = _together(each, depth + 1, whose)
    raise DataError(
        f"found {shown} below {'each of ' if same else ''}{above}: the classes "
        f"{'stand' if sure else 'may stand'} one level below; {together}extract "
        f"one at a time: extract {typed(str(one))} --cache {typed(one.name + '.h5')}; or, if "
        f"these are the classes: --classes {typed(*level)}"
    )


def _together(each: Sequence[Sequence[Parts]], depth: int, whose: str) -> str:
    """Give the option that takes the classes below all days or lines; "" where splits are below."""
    named: dict[str, str] = {}
    for paths in each:
        first, says = first_choice(paths, depth), first_verdicts(paths, depth)
        names = says if says and not any(map(_says, first)) else first
        named |= {name_key(name): name for name in names or names_on_the_way(paths, depth)}
    level = {name_key(paths[0][depth - 1]) for paths in each}
    if not named or any(map(split_of, named.values())) or level & named.keys():
        return ""
    return f"take {whose} together: --classes {typed(*sorted(named.values()))}, or "


def first_verdicts(paths: Sequence[Parts], depth: int) -> set[str]:
    """Name the first folder of each photograph, from a depth on, that says good or bad.

    Example:
        >>> sorted(first_verdicts([("01", "OK", "cam", "1.png"), ("02", "NG", "hole", "2.png")], 0))
        ['NG', 'OK']
    """
    return {name for p in paths for name in [*filter(_says, p[depth:-1])][:1]}


def _refuse_twice(root: Path, paths: Sequence[Parts], depth: int) -> None:
    """Refuse a class that is there twice: good beside "good - Copy", or beside augmented/good.

    Raises:
        DataError: it is, or a folder beside the classes holds good and bad parts.
    """
    level = sorted(names_at(paths, depth))
    keys = {name_key(name) for name in level}
    twice, holding = dict[str, str](), dict[str, str]()
    for name in level:
        inside = sorted({one for p in paths if p[depth] == name for one in p[depth + 1 : -1]})
        copy, says = _COPY.fullmatch(name_key(name)), _says(name)
        again = [one for one in inside if not says and name_key(one) in keys - {name_key(name)}]
        if (copy and copy["of"] in keys) or again:
            twice[name] = "/".join([name, *again[:1]])
        elif not says and _holds_verdicts(name, inside):
            holding[name] = f"{name}/{inside[0]}"
    found = twice | holding
    days = all(map(is_batch, found))
    once = [n for n in level if n not in found and (_says(n) or not days or not is_batch(n))]
    if not found or not once:
        return
    below = first_verdicts([p for p in paths if p[depth] in found], depth + 1)
    more = {name_key(name): name for name in sorted(below)} if days or not twice else {}
    classes = once if twice else [n for n in once if _says(n) and not _copied(n, more)]
    named = {name_key(name): name for name in classes} | more
    what = "one class in two places" if twice else "it holds folders of classes, and is none"
    held = "with what is called so below it" if days and more else "alone"
    held = held if twice else "also below it"
    pairs = [(one, named[key]) for one in twice for key in named if _copied(one, [key])]
    same = "".join(f"; if {a} is more of {b}, put it, as it is, into {b}" for a, b in pairs[:1])
    raise DataError(
        f"found {next(iter(found.values()))} beside {', '.join(once)} in "
        f"{root.joinpath(*paths[0][:depth])}: {what}; take the others {held}: "
        f"--classes {typed(*named.values())}{same}; if all are classes: "
        f"--classes {typed(*once, *found)}"
    )


def _copied(name: str, keys: Collection[str]) -> bool:
    copy = _COPY.fullmatch(name_key(name))
    return copy is not None and copy["of"] in keys


def _holds_verdicts(name: str, inside: Sequence[str]) -> bool:
    """Say whether the folders within one say good and bad, or, in a day or lot, one of them."""
    bad, good = any(map(is_defective, inside)), any(map(is_healthy, inside))
    return (bad and good) or (is_lot(name) and (bad or good))


def contradictions(paths: Sequence[Parts], depth: int) -> list[str]:
    """List folders that say the opposite of the class above them: bad/good, good/crack.

    What stands below several classes is no verdict, but a view or a place.

    Example:
        >>> contradictions([("bad", "good", "1.png"), ("good", "hole", "2.png")], 0)
        ['bad/good', 'good/hole']
    """
    pairs = {(p[depth], p[depth + 1]) for p in paths if len(p) > depth + 2}
    above = Counter(name_key(inner) for _, inner in pairs)
    return sorted(
        f"{outer}/{inner}"
        for outer, inner in pairs
        if above[name_key(inner)] == 1
        and _says(outer)
        and _says(inner)
        and is_healthy(outer) != is_healthy(inner)
    )


def undecided_inside(paths: Sequence[Parts], depth: int) -> list[str]:
    """List folders of no verdict in a class that says good or bad: NG/unsure.

    Example:
        >>> undecided_inside([("NG", "unsure", "1.png"), ("OK", "part 1", "2.png")], 0)
        ['NG/unsure']
    """
    pairs = {(p[depth], p[depth + 1]) for p in paths if len(p) > depth + 2}
    return sorted(f"{one}/{inner}" for one, inner in pairs if _says(one) and is_undecided(inner))


def _refuse_contradiction(root: Path, paths: Sequence[Parts], depth: int) -> None:
    """Refuse folders that say the opposite of the class that they stand in.

    Raises:
        DataError: there are some.
    """
    found = contradictions(paths, depth)
    if found:
        outer = found[0].split("/")[0]
        level = typed(*sorted(names_at(paths, depth)))
        raise DataError(
            f"found {', '.join(found[:4])} in {root.joinpath(*paths[0][:depth])}: one says good, "
            "the other bad; move these photographs to their class; or, if all that lies in "
            f"{outer} is {outer}: --classes {level}"
        )


def _refuse_images(root: Path, paths: Sequence[Parts], depth: int) -> None:
    """Refuse a folder called images or data, with folders in it, that stands beside others.

    Raises:
        DataError: the classes may stand in it.
    """
    level = sorted(names_at(paths, depth))
    for name in level:
        inside = names_at([p for p in paths if p[depth] == name], depth + 1)
        if name_key(name) in WRAPPERS and inside and len(level) > 1:
            at = root.joinpath(*paths[0][:depth])
            raise DataError(
                f"found {name} with folders such as {min(inside)} beside "
                f"{', '.join(one for one in level if one != name)} in {at}; if these folders are "
                f"the classes: extract {typed(str(at / name))}; if all in {at.name} are: "
                f"--classes {typed(*level)}"
            )


def _refuse_one_unclear(root: Path, paths: Sequence[Parts], depth: int) -> None:
    """Refuse one folder that says neither good nor bad, with several in it.

    Raises:
        DataError: it may be one class, or packing around the classes.
    """
    level = names_at(paths, depth)
    ahead = first_choice(paths, depth + 1)
    (name,) = level if len(level) == 1 else ("",)
    loose = any(len(parts) <= depth + 1 for parts in paths)
    if not name or _says(name) or len(ahead) < 2 or loose:
        return
    inside = root.joinpath(*paths[0][:depth])
    while len(below := names_at(paths, depth)) == 1:
        inside, depth = inside / next(iter(below)), depth + 1
    _refuse_between(root, paths, depth)
    alone = f"extract {typed(str(inside))}"
    each = f"--classes {typed(*sorted(ahead))}" if is_lot(inside.name) else alone
    raise DataError(
        f"found {len(ahead)} folders in {inside}, such as {min(ahead)}, and none beside "
        f"{name}; if each is a class: {each}; if all are one: --classes {typed(name)}"
    )
