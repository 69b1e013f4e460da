"""How many pairs of one part are found, and how many others are merged, by kind of photographs.

    python -m benchmarks.groups
    python -m benchmarks.groups --folder DATA=truth.csv --drop-names
    python -m benchmarks.groups --ablation

The first draws photographs of many kinds: bursts of a phone or a camera, by times in names and by
EXIF; a fixture that goes round; names over class folders; exports; copies that are turned,
mirrored, re-lit and cropped. A folder of one's own is read with a table (path, group) that tells
the truth; --drop-names hides the names. Pictures alone are compared, no rows: it takes a minute,
and no backbone. --ablation switches off one branch at a time and prints the kinds that lose by it:
what changes none has no place in the program.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import io
import itertools
import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image
from sklearn.metrics.cluster import pair_confusion_matrix

from features.cache.sample_table import TableRow
from features.cache.thumbnails import Thumbnail, thumbnail_of
from features.photographs.decode import capture_time, decode
from features.photographs.recipe import RECIPES
from pipeline.groups.counters_and_times import time_line
from pipeline.groups.evidence import Finding
from pipeline.groups.propose import propose_by_pictures
from pipeline.groups.rules import match_groups, read_groups

_START = 1536138000  # 2018-09-05 09:00:00
_FOUND, _MERGED = 0.9, 0.02  # what each kind has to reach
_LOST = 0.005  # share of pairs that a branch has to be worth


class Shot(NamedTuple):
    """One photograph: where it lies, which part it shows, and what is kept of it."""

    path: str
    part: str
    thumbnail: Thumbnail


def bursts(parts: int, views: int, seed: int, within: float, between: float) -> Iterator[tuple[int, int, float]]:  # fmt: skip  # noqa: E501
    """Draw (part, view, seconds); gaps are log-normal around these medians, some views missing."""
    rng = np.random.default_rng(seed)
    now = float(_START)
    for part in range(parts):
        for view in range(views - int(rng.random() < 0.3)):
            now += (within if view else between) * float(np.exp(0.35 * rng.standard_normal()))
            yield part, view, now


def drawn(part: int, view: int, noise: int) -> np.ndarray:
    """Draw one view of a part, uint8 (96, 96, 3): views differ far more than parts do."""
    picture = 120 + 45 * _blotches((1, view), 6) + 9 * _blotches((2, part), 9)
    picture = picture + 8 * _blotches((3, part, view), 14)
    picture += np.random.default_rng((4, noise)).normal(0, 2, picture.shape)
    grey = np.clip(picture, 0, 255).astype(np.uint8)
    return np.repeat(grey[:, :, None], 3, axis=2)


def _blotches(seed: tuple[int, ...], cells: int) -> np.ndarray:
    bumps = np.random.default_rng(seed).standard_normal((cells, cells)).astype(np.float32)
    return np.asarray(Image.fromarray(bumps).resize((96, 96), Image.Resampling.BICUBIC))


def shot(name: str, part: int, view: int, number: int, seconds: float = -1) -> Shot:
    """One drawn photograph, every third part of the second class."""
    capture_time = round(1000 * seconds) if seconds >= 0 else -1
    thumbnail = thumbnail_of(drawn(part, view, number), capture_time)
    return Shot(f"{'good' if part % 3 else 'bad'}/{name}.jpg", str(part), thumbnail)


def _stamp(seconds: float, form: str = "%Y%m%d_%H%M%S") -> str:
    return datetime.fromtimestamp(int(seconds), UTC).strftime(form)


def _nameless(number: int) -> str:
    return f"{random.Random(number).getrandbits(64):016x}"


def phone(form: str, view: str = "") -> list[Shot]:
    """Give views of a part within seconds, the time in the name, and the view where it is asked."""
    found = enumerate(bursts(58, 5, 1, 3.5, 25))
    return [shot(_stamp(t, form) + view.format(v=v), p, v, n) for n, (p, v, t) in found]


def camera(within: float, between: float, views: int) -> list[Shot]:
    """Give a counter in the name, the time in EXIF."""
    found = enumerate(bursts(40, views, 2, within, between))
    return [shot(f"DSC_{n:05d}", p, v if views < 9 else 0, n, t) for n, (p, v, t) in found]


def rounds(form: str) -> list[Shot]:
    """Give the same 24 places, eight times, two hours apart."""
    found = []
    for turn in range(8):
        for place in range(24):
            now, n = _START + 7200 * turn + 4 * place, len(found)
            found.append(shot(form.format(t=_stamp(now), p=place, r=turn), place, 0, n))
    return found


def across_folders() -> list[Shot]:
    """Items of eight photographs, of which some are in the other class."""
    rng = np.random.default_rng(3)
    made = [shot(f"kos{n // 8:02d}_Part{n % 8}", n // 8, n % 8, n) for n in range(400)]
    return [
        s._replace(path=f"{'bad' if rng.random() < 0.13 else 'good'}/{s.path.split('/')[1]}")
        for s in made
    ]


def numbered_by_folder() -> list[Shot]:
    """Give parts that are counted from 0 in each class folder."""
    made = [shot(f"{n // 4 % 30:03d}_{n % 4}", n // 4, n % 4, n) for n in range(240)]
    return [s._replace(path=f"{'ab'[int(s.part) // 30]}/{s.path.split('/')[1]}") for s in made]


def poses() -> list[Shot]:
    """Give bursts of three shots of each of five poses of a part, the time in EXIF."""
    rng, now, found = np.random.default_rng(4), float(_START), list[Shot]()
    for part, view in itertools.product(range(40), range(15)):
        within = 0.3 if view % 3 else 4.0
        now += (within if view else 30.0) * float(np.exp(0.3 * rng.standard_normal()))
        found.append(shot(f"DSC_{len(found):05d}", part, view // 3, len(found), now))
    return found


def in_one_class(shots: list[Shot]) -> list[Shot]:
    """Give the same photographs in one folder: no class says which reading is right."""
    return [s._replace(path=f"good/{s.path.split('/')[1]}") for s in shots]


def views_first() -> list[Shot]:
    """Give the number of the view before that of the part, and no time."""
    return [shot(f"view{n % 5}_{n // 5:03d}", n // 5, n % 5, n) for n in range(250)]


def exports() -> list[Shot]:
    """Four versions of each, as Roboflow names them."""
    return [
        shot(f"{n // 4:04d}_jpg.rf.{_nameless(n)}{_nameless(-n)}", n // 4, n % 4, n)
        for n in range(240)
    ]


Change = Callable[[Image.Image, np.random.Generator], Image.Image]


def copies(change: Change, pictures: Sequence[Image.Image] = ()) -> list[Shot]:
    """Show parts in one view (none given: 200 drawn ones), and a changed copy of every fourth."""
    shown = enumerate(pictures or [drawn_picture(n) for n in range(200)])
    return [s for part, one in shown for s in versions(change, part, one, 1 + (part % 4 == 0))]


def augmented(change: Change, pictures: Sequence[Image.Image] = ()) -> list[Shot]:
    """Show thirty parts (none given: drawn ones) twenty times: as they are, and 19 copies."""
    shown = enumerate(pictures[:30] or [drawn_picture(n) for n in range(30)])
    return [s for part, one in shown for s in versions(change, part, one, 20)]


def versions(change: Change, part: int, picture: Image.Image, count: int) -> Iterator[Shot]:
    """Show one picture as it is, and `count` - 1 changed copies, under names that tell nothing."""
    rng = np.random.default_rng((5, part))
    for version in range(count):
        file = io.BytesIO()
        changed = change(picture, rng) if version else picture
        changed.save(file, "JPEG", quality=60 if version else 92)
        pixels = decode(file.getvalue(), RECIPES["imagenet"])
        name = _nameless(2 * part + version if version < 2 else 64 * part + version + 2**20)
        yield Shot(f"a/{name}.jpg", str(part), thumbnail_of(pixels, -1))


def drawn_picture(part: int) -> Image.Image:
    """Draw a part in its one view."""
    return Image.fromarray(drawn(part, 0, part))


def _relit(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    return picture.point(lambda value: min(255, value * 0.8 + 10))


def _cropped(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    width, height = picture.size
    size = float(rng.uniform(0.7, 0.95))
    left, top = (int(rng.integers(0, round((1 - size) * side) + 1)) for side in picture.size)
    cut = (left, top, left + round(size * width), top + round(size * height))
    return picture.crop(cut).resize(picture.size, Image.Resampling.BICUBIC)


def _turned(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    return picture.rotate(float(rng.uniform(5, 355)), Image.Resampling.BICUBIC)


def _flipped(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    for way in (Image.Transpose.FLIP_LEFT_RIGHT, Image.Transpose.FLIP_TOP_BOTTOM):
        picture = picture.transpose(way) if rng.random() < 0.5 else picture
    light, dark = float(rng.uniform(0.7, 1.3)), float(rng.uniform(-20, 20))
    return picture.point(lambda value: max(0, min(255, value * light + dark)))


KINDS: dict[str, Callable[[], list[Shot]]] = {
    "phone, time in name": lambda: phone("IMG_%Y%m%d_%H%M%S"),
    "phone, other maker": lambda: phone("IMG%Y%m%d%H%M%S"),
    "messenger": lambda: phone("WhatsApp Image %Y-%m-%d at %I.%M.%S %p"),
    "camera, time in EXIF": lambda: camera(3.5, 25, 5),
    "20 shots in 2 s": lambda: camera(0.1, 12, 20),
    "rounds, place behind time": lambda: rounds("{t}_pos{p:02d}"),
    "rounds, round and place": lambda: rounds("r{r}_pos{p:02d}"),
    "rounds, one class": lambda: in_one_class(rounds("r{r}_pos{p:02d}")),
    "items over two classes": across_folders,
    "numbered by folder": numbered_by_folder,
    "poses in bursts": poses,
    "view before part": views_first,
    "view before part, one class": lambda: in_one_class(views_first()),
    "view behind time": lambda: phone("IMG_%Y%m%d_%H%M%S", "_{v}"),
    "exports": exports,
}

CHANGES: dict[str, Change] = {
    "re-lit": _relit,
    "cropped to 70-95 %": _cropped,
    "quarter turn": lambda picture, _: picture.transpose(Image.Transpose.ROTATE_90),
    "mirrored": lambda picture, _: picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    "turned by any angle": _turned,
}
EXPORTS: dict[str, Change] = {
    "turned, flipped, re-lit": lambda picture, rng: _flipped(_turned(picture, rng), rng),
    "cropped, flipped, re-lit": lambda picture, rng: _flipped(_cropped(picture, rng), rng),
    "one change of five": lambda picture, rng: CHANGES[list(CHANGES)[rng.integers(len(CHANGES))]](
        picture, rng
    ),
}
"""What an augmented export does, twenty times to each picture."""

MADE: dict[str, Callable[..., list[Shot]]] = {
    f"copies, {what}": lambda of=(), change=change: copies(change, of)
    for what, change in CHANGES.items()
} | {
    f"20 of each, {what}": lambda of=(), change=change: augmented(change, of)
    for what, change in EXPORTS.items()
}
KINDS |= MADE


def of_folder(root: Path, truth: Path, *, drop_names: bool) -> list[Shot]:
    """Photographs of a table (path, group)."""
    found = []
    paths = sorted(p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file())
    given = match_groups(read_groups(truth), paths)[0]
    for number, (path, group) in enumerate((p, given[p]) for p in paths if given.get(p)):
        data = (root / path).read_bytes()
        thumbnail = thumbnail_of(decode(data, RECIPES["imagenet"]), capture_time(data))
        name = f"{path.split('/')[0]}/{_nameless(number)}.jpg" if drop_names else path
        found.append(Shot(name, group, thumbnail))
    return found


def first_of_each(root: Path, truth: Path) -> list[Image.Image]:
    """Take the first photograph of each part of a folder."""
    paths = sorted(p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file())
    given = match_groups(read_groups(truth), paths)[0]
    first = {group: path for path, group in sorted(given.items(), reverse=True) if group}
    return [Image.open(root / path).convert("RGB") for path in sorted(first.values())]


def measure(shots: list[Shot]) -> tuple[float, float, str]:
    """Share of same-part pairs found, share of other pairs merged, and what decided."""
    mixed = list(shots)
    random.Random(1).shuffle(mixed)
    table_rows = [
        TableRow(s.path, s.path.split("/")[0], "", f"{n:064x}", n, "", 1, 1, 1, 1)
        for n, s in enumerate(mixed)
    ]
    proposal = propose_by_pictures(table_rows, [s.thumbnail for s in mixed])
    pairs = pair_confusion_matrix([s.part for s in mixed], proposal.groups)
    (apart, merged), (torn, together) = pairs.tolist()
    return together / max(torn + together, 1), merged / max(apart + merged, 1), proposal.basis


BRANCHES: dict[str, tuple[str, str, object]] = {
    "times in names": ("counters_and_times", "time_of_name", lambda *_: None),
    "times in EXIF": (
        "readings",
        "time_line",
        lambda stems, _, least: time_line(stems, None, least),
    ),
    "a part takes seconds to change": ("counters_and_times", "_BY_HAND", 0.0),
    "names": ("readings", "read_names", lambda *_: ([], [])),
    "pixels confirm names": ("readings", "AGREES", 2.0),
    "numbers by folder": ("file_names", "_counts_by_folder", lambda *_: False),
    "names of copies": ("propose", "original_names", lambda paths: [""] * len(paths)),
    "counters": (
        "readings",
        "_weigh_counter",
        lambda line, _: Finding.nothing("name", line.what, ""),
    ),
    "rounds": ("readings", "are_crossed", lambda *_: False),
    "rounds: cycles of names": ("readings", "cycles", lambda *_: None),
    "vote: classes": ("rounds", "_DECIDES", 9.0),
    "vote: time between runs": ("rounds", "_ROUNDS_APART", 1e99),
    "vote: few values": ("rounds", "_FEW", 0),
    "vote: words": ("rounds", "_PART_WORDS", re.compile("(?!)")),
    "near copies": ("propose", "similarity_of_thumbnails", lambda *_: None),
    "turned copies": ("propose", "turned_copies", lambda *_: None),
    "cropped copies": ("propose", "cropped_copies", lambda *_: None),
}
"""What can be switched off: module of `pipeline.groups`, attribute, and what stands for it then."""


@contextmanager
def without(branch: str) -> Iterator[None]:
    """Switch one branch off."""
    name, attribute, instead = BRANCHES[branch]
    module = importlib.import_module(f"pipeline.groups.{name}")
    kept = getattr(module, attribute)
    setattr(module, attribute, instead)
    try:
        yield
    finally:
        setattr(module, attribute, kept)


def remember(name: str) -> None:
    """Compare the same pictures once: branches leave them as they are."""
    module = importlib.import_module("pipeline.groups.propose")
    compare, known = getattr(module, name), dict[bytes, object]()

    def remembered(grey: np.ndarray, *_: object) -> object:
        key = hashlib.sha256(grey.tobytes()).digest()
        if key not in known:
            known[key] = compare(grey)
        return known[key]

    setattr(module, name, remembered)


def ablation(kinds: Mapping[str, Callable[[], list[Shot]]]) -> None:
    """Print for each branch the kinds that lose pairs, or merge others, without it."""
    for name in ("similarity_of_thumbnails", "turned_copies", "cropped_copies"):
        remember(name)
    shots = {title: make() for title, make in kinds.items()}
    whole = {title: measure(some) for title, some in shots.items()}
    print("| without | changes | found | merged |\n|---|---|---|---|")
    for branch in BRANCHES:
        changed = False
        for title, some in shots.items():
            with without(branch):
                found, merged, _ = measure(some)
            if found < whole[title][0] - _LOST or merged > whole[title][1] + _LOST:
                print(f"| {branch} | {title} | {found:.0%} | {merged:.1%} |", flush=True)
                changed = True
        if not changed:
            print(f"| {branch} | nothing | | |", flush=True)


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
        kinds[root.name] = lambda root=root, truth=truth: of_folder(
            root, truth, drop_names=options.drop_names
        )
        for what, make in MADE.items() if options.copies else ():
            kinds[f"{root.name}, {what}"] = lambda root=root, truth=truth, make=make: make(
                first_of_each(root, truth)
            )
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
