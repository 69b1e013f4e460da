"""How many pairs of one part are found, and how many others are merged, by kind of photographs.

    python -m benchmarks.groups
    python -m benchmarks.groups --folder DATA=truth.csv --drop-names
    python -m benchmarks.groups --ablation

The kinds are drawn (`benchmarks.kinds_of_parts`). A folder of one's own is read with a table (path,
group) that tells the truth; --drop-names hides the names. Pictures alone are compared, no rows: it
takes a minute, and no backbone. --ablation switches off one branch at a time, and prints of the
kinds that lose by it the one that loses most, "silent" where a doubt is no longer said: what
changes none has no place in the program.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from PIL import Image
from sklearn.metrics.cluster import pair_confusion_matrix

from benchmarks.kinds_of_parts import KINDS, MADE, Shot, nameless
from features.arrays import Indices
from features.cache.sample_table import TableRow
from features.cache.thumbnails import thumbnail_of
from features.photographs.decode import capture_time, decode
from features.photographs.recipe import RECIPES
from pipeline.groups import capture_times, file_names, propose, reading, readings
from pipeline.groups.evidence import Finding
from pipeline.groups.pictures import Pictures
from pipeline.groups.rules import match_groups, read_groups
from pipeline.groups.similarity import Pairs
from pipeline.groups.timeline import Line

_FOUND, _MERGED = 0.9, 0.02  # what each kind has to reach
_LOST, _MORE = 0.005, 0.001  # pairs found, and others merged, that a branch has to be worth


def of_folder(root: Path, truth: Path, *, drop_names: bool) -> list[Shot]:
    """Photographs of a table (path, group)."""
    found = []
    paths = sorted(p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file())
    given = match_groups(read_groups(truth), paths)[0]
    for number, (path, group) in enumerate((p, given[p]) for p in paths if given.get(p)):
        data = (root / path).read_bytes()
        thumbnail = thumbnail_of(decode(data, RECIPES["imagenet"]), capture_time(data))
        name = f"{path.split('/')[0]}/{nameless(number)}.jpg" if drop_names else path
        found.append(Shot(name, group, thumbnail))
    return found


def first_of_each(root: Path, truth: Path) -> list[Image.Image]:
    """Take the first photograph of each part of a folder."""
    paths = sorted(p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file())
    given = match_groups(read_groups(truth), paths)[0]
    first = {group: path for path, group in sorted(given.items(), reverse=True) if group}
    return [Image.open(root / path).convert("RGB") for path in sorted(first.values())]


def measure(shots: list[Shot]) -> tuple[float, float, str]:
    """Share of same-part pairs found (1 where there are none), of others merged; what decided.

    What decided is followed by the doubt that is said, where one is: "at most" or "at least".
    """
    mixed = list(shots)
    random.Random(1).shuffle(mixed)
    table_rows = [
        TableRow(s.path, _label(s.path), "", f"{n:064x}", n, "", 1, 1, 1, 1)
        for n, s in enumerate(mixed)
    ]
    proposal = propose.propose_by_pictures(table_rows, [s.thumbnail for s in mixed])
    pairs = pair_confusion_matrix([s.part for s in mixed], proposal.groups)
    (apart, merged), (torn, together) = pairs.tolist()
    found = together / (torn + together) if torn + together else 1.0
    said = ", ".join(filter(None, (proposal.basis, proposal.bound)))
    return found, merged / max(apart + merged, 1), said


def _label(path: str) -> str:
    """Give the class of a path: its folder, below "train" and "test" the next one."""
    folders = path.split("/")
    return folders[folders[0] in ("train", "test")]


_PIXELS = ("similarity.", "changed_copies.")
_TIMES, _NAMES, _BEST, _WEIGH = (
    capture_times.time_line, file_names.read_names, readings._best, reading.weigh
)  # fmt: skip
_KEYS, _LOOKS = file_names._keys, propose._looks
_PICTURES: dict[str, Any] = {
    name: getattr(propose, name)
    for name in ("similarity_of_pictures", "turned_copies", "cropped_copies")
}


def _all_lead(named: list[reading.Reading], timed: reading.Reading | None) -> object:
    """Take every field for one that names parts."""
    leading = [replace(n, key=replace(n.key, leads=True)) if n.key else n for n in named]
    return _BEST(leading, timed)


def _none_leads(
    key: file_names.Key,
    runs: Indices,
    other: file_names.Key | None,
    labels: Indices,
    line: Line | None,
) -> tuple[float, list[str]]:
    """Weigh as if the other number did not lead."""
    return _WEIGH(key, runs, other and replace(other, leads=False), labels, line)


def _nobody_spoke(
    near: Pairs | None, unit: Indices, found: readings.Readings, *words: str
) -> Finding:
    """Link near copies whatever names and times say."""
    return _LOOKS(near, unit, replace(found, spoken=np.zeros_like(found.spoken)), *words)


def _uncalled(*kinds: str) -> tuple[str, object]:
    """Know no words for some kinds of fields."""
    return "reading._CALLED", {**reading._CALLED, **dict.fromkeys(kinds, "")}


BRANCHES: dict[str, list[tuple[str, object]]] = {
    "times in names": [("file_names.time_of_name", lambda *_: None)],
    "doubtful times in names": [("times_in_names._DOUBTFUL", ())],
    "times in EXIF": [("readings.time_line", lambda names, _, least: _TIMES(names, None, least))],
    "EXIF behind the time in the name is none": [("capture_times._SOON", 1e99)],
    "EXIF that stands still is none": [
        ("capture_times._STUCK", 9.0),
        ("capture_times.MOST_SHOTS", 10**9),
    ],
    "a lot's time in the name is none": [("capture_times._AS_FINE", 0.0)],
    "a part takes seconds to change": [("timeline._BY_HAND", 0.0)],
    "four kinds of gaps": [("timeline._KINDS", 3)],
    "gaps are of two kinds": [("timeline._CLEAR", 9.0)],
    "distance of two kinds": [("timeline._STEP", 99.0)],
    "runs are sides of a part": [("evidence._SHOW", 2.0)],
    "runs are no lots": [("timeline._are_parts", lambda *_: True)],
    "each camera by itself": [("readings.by_camera", lambda line, *_: line)],
    "a class is no camera": [("streams._SOONER", np.inf)],
    "one camera later on the line": [("streams._later", lambda *_: None)],
    "a session's time is a field": [("file_names._SESSION", 0.0)],
    "photographs like any other": [("doubts._COIN", -1.0)],
    "names": [("readings.read_names", lambda *_: ([], []))],
    "pixels confirm names": [("reading.AGREES", 2.0)],
    "the part leads in names": [("readings._best", _all_lead)],
    "a view is no part": [("readings.is_called_view", lambda _: False)],
    "few photographs of a part": [("readings.USUAL", 60)],
    "fields that come back": [("readings._RECURS", 1e9)],
    "fields together": [
        ("file_names._keys", lambda *of: (key for key in _KEYS(*of) if " with " not in key.what))
    ],
    "numbers anew in each folder": [("file_names._counted_anew", lambda *_: False)],
    "digests are words": [("file_names._are_drawn", lambda *_: False)],
    "names of copies": [("propose.original_names", lambda paths: [""] * len(paths))],
    "counters": [("readings.read_names", lambda *given: (_NAMES(*given)[0], []))],
    "values that cross": [("reading._CROSSED", 9.0)],
    "rounds": [("readings.are_crossed", lambda *_: False)],
    "fields that start anew": [("readings.cycles", lambda *_: None)],
    "views start anew in a session": [("readings.cut_sessions", lambda timed, *_: timed)],
    "anew at even lengths": [("reading._REGULAR", 0.0)],
    "vote: classes": [("reading._DECIDES", 9.0)],
    "vote: time between runs": [("reading._ROUNDS_APART", 1e99), ("reading._PARTS_APART", -1.0)],
    "vote: few values": [("reading._FEW", 0)],
    "vote: the other leads": [("readings.weigh", _none_leads)],
    "vote: words for parts": [_uncalled("part", "place")],
    "vote: words for views": [_uncalled("view")],
    "vote: words for rounds": [_uncalled("round")],
    "near copies": [("propose.similarity_of_pictures", lambda *_: None)],
    "links need company": [("joining._Joiner._supported", lambda *_, sure: True)],
    "names and times before pixels": [("propose._looks", _nobody_spoke)],
    "minutes and dozens of shots apart": [("propose._far_in_time", lambda _, a, b: a < 0)],
    "turned copies": [("propose.turned_copies", lambda *_: None)],
    "exports of nothing but copies": [("changed_copies._CROWDED", 1e9)],
    "cropped copies": [("propose.cropped_copies", lambda *_: None)],
    "a window leaves less than the whole": [("changed_copies._BETTER", 1e9)],
}
"""What can be switched off: names below `pipeline.groups`, and what stands for them then."""


@contextmanager
def without(branch: str) -> Iterator[None]:
    """Switch one branch off."""
    with ExitStack() as stack:
        for name, instead in BRANCHES[branch]:
            if name.startswith(_PIXELS):  # pictures are compared anew
                stack.enter_context(patch.multiple(propose, **_PICTURES))
            stack.enter_context(patch(f"pipeline.groups.{name}", instead))
        yield


def remembered(compare: Callable[..., object]) -> Callable[..., object]:
    """Compare the same pictures once: most branches leave them as they are."""
    known: dict[bytes, object] = {}

    def compared(source: Pictures, *_: object) -> object:
        key = hashlib.sha256(source.grey.tobytes()).digest()
        if key not in known:
            known[key] = compare(source)
        return known[key]

    return compared


def _is_silent(found: float, merged: float, said: str) -> bool:
    """Say whether parts are wrong without a word."""
    return (found < _FOUND or merged > _MERGED) and " at " not in said


def ablation(kinds: Mapping[str, Callable[[], list[Shot]]]) -> None:
    """Print for each branch which kind loses most without it, and how many lose."""
    shots = {title: make() for title, make in kinds.items()}
    once: dict[str, Any] = {name: remembered(compare) for name, compare in _PICTURES.items()}
    with patch.multiple(propose, **once):
        whole = {title: measure(some) for title, some in shots.items()}
        print("| without | changes | found | merged | kinds that lose |\n|---|---|---|---|---|")
        for branch in BRANCHES:
            lost, anew = [], any(name.startswith(_PIXELS) for name, _ in BRANCHES[branch])
            for title, some in shots.items():
                if anew and not whole[title][2].startswith(("pixels", "copies")):
                    continue
                with without(branch):
                    found, merged, said = measure(some)
                less, more = whole[title][0] - found, merged - whole[title][1]
                silent = _is_silent(found, merged, said) and not _is_silent(*whole[title])
                if less > _LOST or more > _MORE or silent:
                    row = f"{title}, {whole[title][0]:.0%} | {found:.0%} | {merged:.1%}"
                    row += ", silent" * silent
                    lost.append((less + more, row))
            worst = max(lost, default=(0, "nothing | | "))[1]
            print(f"| {branch} | {worst} | {len(lost)} |", flush=True)


def _copies_of(make: Callable[..., list[Shot]], root: Path, truth: Path) -> list[Shot]:
    return make(first_of_each(root, truth))


def main() -> None:
    """Print one line for each kind."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", action="append", default=[], metavar="DATA=TRUTH.csv")
    parser.add_argument("--drop-names", action="store_true")
    parser.add_argument("--copies", action="store_true", help="of the folder's parts, too")
    parser.add_argument("--ablation", action="store_true", help="one branch off at a time")
    options = parser.parse_args()
    kinds = dict(KINDS)
    for folder in options.folder:
        root, truth = map(Path, folder.split("=", 1))
        kinds[root.name] = functools.partial(of_folder, root, truth, drop_names=options.drop_names)
        for what, make in MADE.items() if options.copies else ():
            kinds[f"{root.name}, {what}"] = functools.partial(_copies_of, make, root, truth)
    if options.ablation:
        ablation(kinds)
        return
    print("| kind | photographs | pairs found | others merged | by | |\n|---|---|---|---|---|---|")
    for title, make in kinds.items():
        shots = make()
        found, merged, basis = measure(shots)
        good = "" if found >= _FOUND and merged <= _MERGED else "**below**"
        print(f"| {title} | {len(shots):,} | {found:.1%} | {merged:.2%} | {basis} | {good} |")


if __name__ == "__main__":
    main()
