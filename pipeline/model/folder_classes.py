"""Say which classes of a folder are a model's: those that it knows, and those called so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from features.errors import DataError
from features.photographs.file import Photograph
from pipeline.data.class_words import is_healthy
from pipeline.data.classes import Classes
from pipeline.data.folder import Scan
from pipeline.model.bundle import Bundle
from pipeline.output.names import match_names
from pipeline.output.tables import printable


def not_scored(strange: Mapping[str, int], names: Sequence[str]) -> list[str]:
    """Write which classes were not scored, for the model does not know them; [] for none."""
    if not strange:
        return []
    shown = ", ".join(f"{printable(name)} {count:,}" for name, count in strange.items())
    return [
        f"{sum(strange.values()):,} photographs are NOT scored, for the model knows "
        f"{printable(', '.join(names))} and not their classes: {shown}; rename their folders, or, "
        f"if they are defective: --positive {printable(next(iter(strange)))}"
    ]


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
            f"found the classes {', '.join(scan.class_names) or 'none'} in {scan.root}; the model "
            f"knows {', '.join(bundle.classes.members)}; expected folders of these names, or say "
            "which of yours are defective: --positive"
        )
    return found
