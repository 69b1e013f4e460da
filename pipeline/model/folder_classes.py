"""Say which classes of a folder are a model's: those that it knows, and those called so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from features.errors import DataError
from features.photographs.file import Photograph
from pipeline.data.class_words import is_defective, is_healthy
from pipeline.data.classes import Classes
from pipeline.data.folder import Scan, left_out_pictures, scan_folder
from pipeline.data.label_table import LabelRule
from pipeline.data.leftovers import is_undecided
from pipeline.model.bundle import Bundle
from pipeline.output.names import match_names, typed
from pipeline.output.tables import printable

_SHOWN = 8  # classes and folders in one line


@dataclass(frozen=True)
class LabelledFolder:
    """A folder with the classes that it has for a model.

    Attributes:
        scan: what it holds, and how it was read.
        classes: the model's, with those of the folder that count as one of them.
        strange: photographs of classes that the model does not know, by class.
        not_scored: which photographs have no class that the model knows, in words, with what to do.
    """

    scan: Scan
    classes: Classes
    strange: dict[str, int]
    not_scored: list[str]

    @property
    def notes(self) -> list[str]:
        """Say how the folder was read, and what it holds that nobody reads."""
        other = left_out_pictures(self.scan.ignored)
        shown = ", ".join(f"{count:,} {suffix}" for suffix, count in other.items())
        said = [f"pictures of formats that are not read are left out: {shown}"] if other else []
        return [printable(note) for note in (*self.scan.notes, *said)]


def read_for(
    bundle: Bundle,
    data: Path,
    labels: LabelRule | None = None,
    classes: Sequence[str] | None = None,
    positive: Sequence[str] | None = None,
) -> LabelledFolder:
    """Read a labelled folder with the classes of a model.

    Args:
        bundle: the model.
        data: a folder, read as `extract` reads it.
        labels: where classes come from; None to look.
        classes: only these classes of the folder; None for all.
        positive: those that count as defective beside the model's.

    Raises:
        DataError: the folder cannot be read, or see `classes_of`.
    """
    scan = scan_folder(data, classes, labels, known=bundle.classes.members)
    named, strange = classes_of(bundle, scan, positive)
    return LabelledFolder(scan, named, strange, list(_not_scored(bundle, scan, strange)))


def _not_scored(bundle: Bundle, scan: Scan, strange: Mapping[str, int]) -> Iterator[str]:
    """Write which photographs are not scored, for want of a class that the model knows."""
    names = printable(", ".join(bundle.classes.names))
    held = {name: _held(bundle, scan, name) for name in strange}
    plain = {name: count for name, count in strange.items() if not held[name]}
    if plain:
        bad = [name for name in plain if not (is_healthy(name) or is_undecided(name))]
        told = f", or, if they are defective: --positive {typed(*bad)}" if bad else ""
        yield printable(
            f"{sum(plain.values()):,} photographs are NOT scored, for the model knows {names} and "
            f"not their classes: {_counted(plain)}; rename their folders{told}"
        )
    for name in strange.keys() - plain.keys():
        yield printable(
            f"{strange[name]:,} photographs are NOT scored, for {name} is no class that the model "
            f"knows, though it holds folders called {', '.join(held[name])}; take these with what "
            f"is called so elsewhere: --classes {typed(*held[name])}, or score {name} by itself"
        )
    nowhere = Counter(
        p.path.rpartition("/")[0] or "no folder" for p in scan.photographs if not p.label
    )
    if nowhere:
        yield printable(
            f"{sum(nowhere.values()):,} photographs are NOT scored, for they have no class: "
            f"{_counted(nowhere)}; put them into the folders of their classes, or leave them out: "
            f"--classes {typed(*scan.class_names)}"
        )


def _held(bundle: Bundle, scan: Scan, name: str) -> list[str]:
    """Name the folders within those of a strange class that are called as classes, or as good."""
    inside = {
        folder
        for photograph in scan.photographs
        if photograph.label == name
        for folder in photograph.path.split("/")[:-1]
    }
    called = {one for one in inside - {name} if bundle.classes.number(one) is not None}
    return sorted(called) or sorted(filter(is_healthy, inside - {name}))


def _counted(counts: Mapping[str, int]) -> str:
    said = [f"{name} {count:,}" for name, count in list(counts.items())[:_SHOWN]]
    return ", ".join(said) + (", …" if len(counts) > _SHOWN else "")


def classes_of(
    bundle: Bundle, scan: Scan, positive: Sequence[str] | None
) -> tuple[Classes, dict[str, int]]:
    """Give the model's classes with those of a folder that count as one of them, and the others.

    A model that learned from good photographs alone takes all that is not good for defective.

    Raises:
        DataError: a class called positive is not there, or the model knows more than two.
    """
    known = bundle.classes
    counts = Counter(p.label for p in scan.photographs if p.label)
    chosen, missing = match_names(positive or (), list(counts))
    if missing or (chosen and not known.binary):
        found = ", ".join(sorted(counts)) or "none"
        raise DataError(
            f"no class {missing[0]!r} in {scan.root}; found {found}"
            if missing
            else f"the model knows {len(known.names)} classes; expected two for --positive"
        )
    strange = {name: n for name, n in sorted(counts.items()) if known.number(name) is None}
    more = dict.fromkeys(chosen, 1)
    if known.only_good:
        more |= {name: int(not is_healthy(name)) for name in strange if name not in more}
    strange = {name: n for name, n in strange.items() if name not in more}
    return Classes(known.names, {**known.members, **more}), strange


def counted_as(bundle: Bundle, classes: Classes) -> list[str]:
    """Say which classes of the folder count as which of the model's."""
    more = classes.members.keys() - bundle.classes.members.keys()
    return [
        f"{', '.join(names)} counts as {classes.names[number]}, which the model was not told"
        for number in (0, 1)
        if (names := sorted(name for name in more if classes.members[name] == number))
    ]


def labelled(bundle: Bundle, scan: Scan, classes: Classes) -> list[Photograph]:
    """List the photographs of classes that the model knows; DataError where there are none."""
    found = [p for p in scan.photographs if classes.number(p.label) is not None]
    if not found:
        raise DataError(
            f"found {', '.join(scan.class_names) or 'no folders'} as classes in {scan.root}; "
            f"the model knows {', '.join(bundle.classes.members)}; expected folders of these "
            "names, or say which of yours are defective: --positive"
        )
    return found


def class_above(bundle: Bundle, file: Path) -> str | None:
    """Give the class of the nearest folder above the photograph that has a class's name.

    Below good, what lies in unsure or scratch is not known to be good.
    """
    for folder in file.absolute().parents:
        number = bundle.classes.number(folder.name)
        if number is not None:
            return bundle.classes.names[number]
        if is_undecided(folder.name) or is_healthy(folder.name) or is_defective(folder.name):
            return None
    return None


def folder_above(bundle: Bundle, file: Path) -> str:
    """Name the nearest folder above that is a class's or says good or bad; "" for none.

    The same number in two of them is two parts: "OK/7.jpg" and "NG/7.jpg".
    """
    names = [folder.name for folder in file.absolute().parents]
    called = (n for n in names if bundle.classes.number(n) is not None)
    return next(called, next((n for n in names if is_healthy(n) or is_defective(n)), ""))
