"""Names that programs give to exports and copies: which photographs are made from one another."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import PurePosixPath

_MOST_COPIES = 0.2  # share of all photographs that can be copies of one

_COPY = re.compile(
    r"(?:\.rf\.[0-9a-f]{8,}"  # Roboflow's export
    r"|[_-](?:jpe?g|png|bmp|tiff?|webp)(?=\.rf\.|$)"
    r"|[ _-]+(?:copy|kopie|copie|copia|duplicate)(?:[ _-]*\(?\d+\)?)?"
    r"| \(\d+\)(?=$)|~\d+$"
    r"|[._ -](?:aug|augmented|h?v?flip(?:ped)?|mirror(?:ed)?|rot(?:ate[d]?)?|bright(?:ness)?|dark"
    r"|blur(?:red)?|noise|noisy|crop(?:ped)?|resized?|scaled?|shift(?:ed)?|zoom|edited|edit"
    r"|contrast|gamma|hsv|gr[ae]y|enhanced|compressed|lr|ud)[_-]?-?\d{0,3}(?=$|[._ -]))",
    re.IGNORECASE,
)


def original_names(paths: Sequence[str]) -> list[str]:
    """Find the original's name of each photograph whose name says that it, or another, is a copy.

    "x_jpg.rf.0a1b….jpg", "x_aug3.jpg", "x - Copy (2).jpg" and "x_rot90.jpg" all are "x", in
    whatever folder. Names without a digit must differ by more than their numbers: "good (1)" to
    "good (9)" and "rolled-in_scale_1" to "rolled-in_scale_9" are numbered, not copied.

    Returns:
        (n,) names; "" where no two photographs share one, or where too many do.
    """
    stems = [PurePosixPath(path).stem.casefold() for path in paths]
    found = []
    for stem in stems:
        short = stem
        while (cut := _COPY.sub("", short)) not in ("", short):
            short = cut
        found.append(short)
    ways: defaultdict[str, set[str]] = defaultdict(set)  # what stands behind a name; "" for itself
    for stem, short in zip(stems, found, strict=True):
        ways[short].add(re.sub(r"[0-9]+", "#", stem[len(short) :]))
    copied = set()
    for short, count in Counter(found).items():
        told = any(c.isdigit() for c in short) or len(ways[short]) > 1
        few = 1 < count <= max(2, _MOST_COPIES * len(paths))
        if told and few and ways[short] != {""}:
            copied.add(short)
    return [short if short in copied else "" for short in found]
