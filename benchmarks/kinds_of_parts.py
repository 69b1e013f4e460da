"""Draw photographs of parts as they really come, by kind: what they show, names and times.

For `benchmarks.groups`: bursts of a phone or a camera, by times in names and by EXIF; a fixture
that goes round; names over class folders, lots, days and splits; names and times that say nothing;
exports; copies that are turned, mirrored, re-lit, moved and cropped.
"""

from __future__ import annotations

import io
import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import numpy as np
from PIL import Image

from features.cache.thumbnails import Thumbnail, thumbnail_of
from features.photographs.decode import decode
from features.photographs.recipe import RECIPES

_START = 1536138000  # 2018-09-05 09:00:00
_BURSTS = 58, 5  # parts of a phone, and views of each at most


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
    milliseconds = round(1000 * seconds) if seconds >= 0 else -1
    thumbnail = thumbnail_of(drawn(part, view, number), milliseconds)
    return Shot(f"{'good' if part % 3 else 'bad'}/{name}.jpg", str(part), thumbnail)


def _stamp(seconds: float, form: str = "%Y%m%d_%H%M%S") -> str:
    return datetime.fromtimestamp(int(seconds), UTC).strftime(form)


def nameless(number: int) -> str:
    """Give a name that tells nothing."""
    return f"{random.Random(number).getrandbits(64):016x}"


def phone(form: str, view: str = "", views: int = 5) -> list[Shot]:
    """Give views of a part within seconds, the time in the name, and the view where it is asked."""
    found = enumerate(bursts(58, views, 1, 3.5, 25))
    return [shot(_stamp(t, form) + view.format(v=v), p, v, n) for n, (p, v, t) in found]


def camera(within: float, between: float, views: int) -> list[Shot]:
    """Give a counter in the name, the time in EXIF."""
    found = enumerate(bursts(40, views, 2, within, between))
    return [shot(f"DSC_{n:05d}", p, v if views < 9 else 0, n, t) for n, (p, v, t) in found]


def rounds(form: str, places: int = 24, apart: int = 7200) -> list[Shot]:
    """Give the same places, eight times, so many seconds apart."""
    found: list[Shot] = []
    for turn, place in itertools.product(range(8), range(places)):
        now, n = _START + apart * turn + 4 * place, len(found)
        found.append(shot(form.format(t=_stamp(now), p=place, r=turn, n=n), place, 0, n))
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


def named(form: str, parts: int = 40, views: int = 4) -> list[Shot]:
    """Give names alone: of parts counted through, or anew in each lot or day of ten."""
    found = []
    for part, view in itertools.product(range(parts), range(views)):
        name = form.format(p=part, v=view, n=part * views + view, lot=part // 10 + 1, of=part % 10)
        found.append(shot(name, part, view, part * views + view))
    return found


def at(path: str, part: int, view: int = 0) -> Shot:
    """One drawn photograph at this path."""
    return shot("x", part, view, 8 * part + view)._replace(path=path)


def dates() -> list[Shot]:
    """Give parts that are counted anew in each day's folder."""
    return [
        at(f"good/2026-03-{1 + p // 10:02d}/part{p % 10:03d}_{v}.jpg", p, v)
        for p, v in itertools.product(range(40), range(3))
    ]


def splits() -> list[Shot]:
    """Give parts that are counted anew in each class of each split."""
    folders = ("train/good", "test/good", "test/crack")
    return [
        at(f"{folders[p // 10]}/{p % 10:03d}_{v}.png", p, v)
        for p, v in itertools.product(range(30), range(3))
    ]


def alone(
    name: Callable[[int], str], seconds: Sequence[float] | np.ndarray = (), count: int = 200
) -> list[Shot]:
    """Give parts, one photograph each, under names, or at times by EXIF, that say nothing."""
    return [shot(name(n), n, 0, n, seconds[n] if len(seconds) else -1) for n in range(count)]


def alike(designs: int, count: int = 200) -> list[Shot]:
    """Give parts of few designs, all in one place of a fixture, in light that flickers."""
    found = []
    for part in range(count):
        light = np.random.default_rng((7, part))
        picture = 120 + 45 * _blotches((9, part % designs), 6) + 3 * _blotches((6, part), 9)
        picture = picture * light.uniform(0.93, 1.07) + light.normal(0, 2, picture.shape)
        pixels = np.repeat(np.clip(picture, 0, 255).astype(np.uint8)[:, :, None], 3, axis=2)
        found.append(Shot(f"a/{nameless(part)}.jpg", str(part), thumbnail_of(pixels, -1)))
    return found


def hands(seed: int) -> np.ndarray:
    """Draw the times of a hand without a rhythm, a photograph about every twelve seconds."""
    return _START + np.cumsum(12 * np.exp(0.4 * np.random.default_rng(seed).standard_normal(200)))


def strolls(seed: int) -> np.ndarray:
    """Draw times that know nothing of one another."""
    return _START + np.cumsum(np.random.default_rng(seed).exponential(60, 200))


def clocks(exif: Callable[[int, float], float]) -> list[Shot]:
    """Give the right time in the name, and another one, or none, by EXIF."""
    found = enumerate(bursts(*_BURSTS, 1, 3.5, 25))
    return [shot(_stamp(t, "PXL_%Y%m%d_%H%M%S"), p, v, n, exif(n, t)) for n, (p, v, t) in found]


def stations(
    form: str, exif: bool = True, looks: Sequence[int] = (1, 2), late: float = 0
) -> list[Shot]:
    """Give the photographs of several cameras in one folder, each of parts of its own.

    Args:
        form: of names: `{t}` the time, `{camera}`, `{word}` another for each camera, `{own}` its
            own count, `{n}` the count of all, `{digest}`.
        exif: whether the time stands there, too.
        looks: a seed for each camera; where two are the same, both look at the same parts.
        late: seconds that each camera comes behind the one before.
    """
    shots = sorted(
        (t + late * camera, camera, p, v)
        for camera, seed in enumerate(looks)
        for p, v, t in bursts(40, 5, seed, 3.5, 25)
    )
    found, counts = list[Shot](), [100 + 3000 * camera for camera in range(len(looks))]
    for n, (t, camera, p, v) in enumerate(shots):
        counts[camera] += 1
        part = p + 100 * looks[camera]
        word, digest = ("IMG", "DSC", "PXL")[camera], nameless(n)
        name = form.format(
            t=_stamp(t), camera=camera, word=word, own=counts[camera], n=n, digest=digest
        )
        found.append(shot(name, part, v + 5 * camera, n, t if exif else -1))
    return found


def twins() -> list[Shot]:
    """Give a phone's bursts of parts of which two each look the same, as from one mould."""
    found = enumerate(bursts(*_BURSTS, 1, 3.5, 25))
    return [shot(_stamp(t), p // 2, v, n)._replace(part=str(p)) for n, (p, v, t) in found]


def hurried() -> list[Shot]:
    """Give views within seconds, and the next part hardly later than the longest of these."""
    rng, now, found = np.random.default_rng(3), float(_START), list[Shot]()
    for part in range(58):
        for view in range(5 - int(rng.random() < 0.3)):
            now += 10.5 + rng.exponential(12) if not view else min(2 + rng.exponential(1.5), 9)
            found.append(shot(f"DSC_{len(found):05d}", part, view, len(found), round(now)))
    return found


def pauses() -> list[Shot]:
    """Give bursts of a phone, and a pause of an hour after each ninth part."""
    found, added, last = list[Shot](), 0.0, 0
    for n, (p, v, t) in enumerate(bursts(*_BURSTS, 1, 3.5, 25)):
        added, last = added + 3600 * (p != last and p % 9 == 0), p
        found.append(shot(_stamp(t + added), p, v, n))
    return found


def sessions() -> list[Shot]:
    """Give the time at which a session of ten parts began, the part counted anew, and the view."""
    return [
        at(f"a/{_stamp(_START + 3600 * (p // 10))}_{p % 10:03d}_{v}.jpg", p, v)
        for p, v in itertools.product(range(60), range(5))
    ]


def conveyor() -> list[Shot]:
    """Give one shot of each of two cameras, the next part at the first before this at the other."""
    begin = _START + 8 * np.cumsum(np.exp(0.1 * np.random.default_rng(2).standard_normal(60)))
    shots = sorted((t + 6.5 * camera, camera, p) for p, t in enumerate(begin) for camera in (0, 1))
    return [
        shot(f"cam{camera}_{_stamp(t)}{int(1000 * t % 1000):03d}", p, 5 * camera, n)
        for n, (t, camera, p) in enumerate(shots)
    ]


def sides(of_a_part: int) -> list[Shot]:
    """Give three views of each side, and a pause to turn the part over as long as to change it."""
    found, times = list[Shot](), bursts(40 * of_a_part, 3, 6, 2, 15)
    for n, (side, view, t) in enumerate(times):
        part, side = divmod(side, of_a_part)
        found.append(shot(_stamp(t), part, view + 3 * side, n))
    return found


def words_before(words: str, parts: int, name: str = "{w}_{p:03d}") -> list[Shot]:
    """Tell the views of each part by words alone."""
    return [
        at(f"a/{name.format(w=word, p=part, digest=nameless(99 * part + view))}.jpg", part, view)
        for part in range(parts)
        for view, word in enumerate(words.split())
    ]


def in_days(form: str) -> list[Shot]:
    """Give bursts of twenty parts at the same hours of each of three days, in one class."""
    found = list[Shot]()
    for day in range(3):
        for part, view, t in bursts(20, 5, day, 3.5, 25):
            path = f"a/{_stamp(t + 86400 * day, form)}.jpg"
            found.append(at(path, 20 * day + part, view))
    return found


def exports() -> list[Shot]:
    """Four versions of each, as Roboflow names them."""
    return [
        shot(f"{n // 4:04d}_jpg.rf.{nameless(n)}{nameless(-n)}", n // 4, n % 4, n)
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
        name = nameless(2 * part + version if version < 2 else 64 * part + version + 2**20)
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


def _moved(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    right, down = rng.integers(-3, 4, 2).tolist()
    return picture.transform(
        picture.size, Image.Transform.AFFINE, (1, 0, right, 0, 1, down), Image.Resampling.BICUBIC
    )


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
    "phone, two-digit year": lambda: phone("%y%m%d_%H%M%S"),
    "day as folder, clock as name": lambda: [
        s._replace(path=s.path.replace("/", "/2018-09-05/")) for s in phone("%H%M%S")
    ],
    "day as folder, clock as name, days": lambda: in_days("%Y-%m-%d/%H%M%S"),
    "clock before the day": lambda: in_days("%H-%M-%S_%Y-%m-%d"),
    "messenger": lambda: phone("WhatsApp Image %Y-%m-%d at %I.%M.%S %p"),
    "camera, time in EXIF": lambda: camera(3.5, 25, 5),
    "20 shots in 2 s": lambda: camera(0.1, 12, 20),
    "rounds, place behind time": lambda: rounds("{t}_pos{p:02d}"),
    "rounds, round and place": lambda: rounds("r{r}_pos{p:02d}"),
    "rounds, one class": lambda: in_one_class(rounds("r{r}_pos{p:02d}")),
    "items over two classes": across_folders,
    "items over two classes, one file in both": lambda: [
        *(at(f"{label}/kos00_Part0.jpg", 0) for label in ("bad", "good")),
        *across_folders()[1:],
    ],
    "numbered by folder": numbered_by_folder,
    "poses in bursts": poses,
    "two phones at once, words tell": lambda: stations("{word}_{own:04d}"),
    "two cameras at once, counters tell": lambda: stations("DSC_{own:05d}"),
    "three cameras at once, by number": lambda: stations("cam{camera}_{t}", False, (1, 2, 3)),
    "two cameras at once, by folder": lambda: stations("{camera}/{t}", False),
    "two cameras at once, nothing tells": lambda: in_one_class(stations("{digest}")),
    "two cameras at one part": lambda: stations("cam{camera}_{t}", False, (1, 1), 0.2),
    "view before part": views_first,
    "view before part, one class": lambda: in_one_class(views_first()),
    "view behind time": lambda: phone("IMG_%Y%m%d_%H%M%S", "_{v}"),
    "exports": exports,
    "twins, times in names": twins,
    "pauses of hours": pauses,
    "gaps hardly apart": hurried,
    "turned over, the pause as long as between parts": lambda: sides(2),
    "turned over twice": lambda: sides(3),
    "EXIF stands still, time in name": lambda: clocks(lambda n, t: _START),
    "EXIF in two of three, names in UTC": lambda: clocks(lambda n, t: t + 7200 if n % 3 else -1),
    "a lot's time in names, EXIF right": lambda: [
        shot(f"{_stamp(_START - 3600 + 600 * (p // 3))}_{n:04d}", p, v, n, t)
        for n, (p, v, t) in enumerate(bursts(*_BURSTS, 1, 3.5, 25))
    ],
    "EXIF of an export, time in name": lambda: clocks(lambda n, t: _START + 10**6 + n // 3),
    "a session's time, parts counted anew": sessions,
    "sessions at an even pace, view behind time": lambda: [
        at(f"a/{_stamp(_START + 7200 * (p // 10) + 4 * (5 * (p % 10) + v))}_{v}.jpg", p, v)
        for p, v in itertools.product(range(60), range(5))
    ],
    "sessions at an even pace, place behind time": lambda: [
        at(f"a/{_stamp(_START + 7200 * (p // 10) + 4 * (5 * (p % 10) + v))}_pos{v}.jpg", p, v)
        for p, v in itertools.product(range(60), range(5))
    ],
    "a turntable, four times round each part": lambda: [
        at(f"a/{_stamp(t)}_{v % 10}.jpg", p, v % 10) for p, v, t in bursts(30, 40, 2, 3, 60)
    ],
    "a fixture, twice round in each session": lambda: [
        at(f"a/{_stamp(_START + 7200 * (n // 24) + 4 * (n % 24))}_pos{n % 12:02d}.jpg", n % 12)
        for n in range(8 * 24)
    ],
    "whole minutes in names": lambda: [
        at(f"a/{_stamp(_START + 287 * p + 9 * v, '%Y%m%d_%H%M')}_{v}.jpg", p, v)
        for p, v in itertools.product(range(40), range(5))
    ],
    "a line, its second camera nearly a part later": conveyor,
    "rounds of twelve, one class": lambda: in_one_class(rounds("r{r}_pos{p:02d}", 12)),
    "rounds of thirty places": lambda: rounds("{t}_pos{p:02d}", 30),
    "rounds, only a number": lambda: in_one_class(rounds("{t}_{p:02d}", 12)),
    "rounds of five minutes, only a number": lambda: rounds("{t}_{p:02d}", 12, 300),
    "rounds of ten minutes, only a number, one class": lambda: in_one_class(
        rounds("{t}_{p:02d}", 24, 600)
    ),
    "twelve poses, four minutes a part, one of them bad": lambda: [
        at(f"{'bad' if p == 7 else 'good'}/{_stamp(_START + 240 * p + 4 * v)}_pos{v}.jpg", p, v)
        for p, v in itertools.product(range(24), range(12))
    ],
    "rounds, each place in both classes": lambda: [
        s._replace(path=f"{'good' if n % 5 else 'bad'}/{s.path.split('/')[1]}")
        for n, s in enumerate(rounds("{t}_pos{p:02d}", 12))
    ],
    "serial number and shot": lambda: in_one_class(rounds("SN{p:05d}_{n:05d}", 12)),
    "twelve views, times and numbers": lambda: in_one_class(phone("%Y%m%d_%H%M%S", "_{v:02d}", 12)),
    "a turntable's twelve views": lambda: in_one_class(named("img{n:04d}_view{v:02d}", 30, 12)),
    "view starts anew, no time": lambda: named("img{n:04d}_{v}", 50, 5),
    "part and view in one number": lambda: named("{p:03d}{v}", 50, 5),
    "part, and side by a word": lambda: in_one_class(named("SN{p:05d}-side{v}")),
    "side by a word before the part": lambda: words_before("left right top", 40),
    "views by words, behind digests": lambda: words_before(
        "top left right back", 10, "{digest}_{w}"
    ),
    "views by words, German": lambda: words_before("oben links rechts hinten", 10, "{digest}_{w}"),
    "twelve views of ten parts, behind digests": lambda: words_before(
        " ".join(map(str, range(12))), 10, "{digest}_view{w}"
    ),
    "parts of one design, lying alike, named": lambda: [
        s._replace(path=f"a/part{n // 2:03d}_{n % 2}.jpg", part=str(n // 2))
        for n, s in enumerate(alike(1))
    ],
    "lots, parts counted anew": lambda: in_one_class(named("lot{lot}_part{of:03d}_{v}")),
    "lots, parts counted through": lambda: in_one_class(named("lot{lot}_part{p:03d}_{v}")),
    "days as folders": dates,
    "splits and classes as folders": splits,
    "digests, and a view": lambda: [
        at(f"a/{nameless(p)}_{v}.jpg", p, v) for p in range(60) for v in range(3)
    ],
    "nothing: counted": lambda: alone(lambda n: f"IMG_{n:04d}"),
    "nothing: counted, two gaps": lambda: alone(
        lambda n: f"IMG_{n + 3 * (n > 90) + 9 * (n > 150):04d}"
    ),
    "nothing: counted by day": lambda: alone(lambda n: f"day{n // 100}_{n % 100:03d}"),
    "nothing: counted anew each day": lambda: alone(
        lambda n: f"202603{1 + n // 20:02d}_{n % 20:03d}"
    ),
    "nothing: digests": lambda: alone(nameless),
    "nothing: a line's even pace": lambda: alone(lambda n: _stamp(_START + 3 * n)),
    "nothing: an even pace, twins": lambda: [
        s._replace(path=f"a/{_stamp(_START + 3 * n)}.jpg", part=str(n))
        for n, s in enumerate(shot("x", n % 100, 0, n) for n in range(200))
    ],
    "nothing: a line with pauses": lambda: alone(
        lambda n: _stamp(_START + 3 * n + 1200 * (n // 80)), count=400
    ),
    "nothing: trays of ten": lambda: alone(
        "DSC_{:04d}".format, _START + 5.0 * np.arange(200) + 60 * (np.arange(200) // 10)
    ),
    "nothing: one design, lying alike": lambda: alike(1),
    "nothing: four designs, lying alike": lambda: alike(4),
    "nothing: a digit by chance": lambda: alone(
        lambda n: f"img{n:04d}_{random.Random(n).randrange(10)}"
    ),
    "nothing: a hand without rhythm": lambda: alone("DSC_{:04d}".format, hands(1)),
    "nothing: times by chance": lambda: alone("DSC_{:04d}".format, strolls(1)),
}

CHANGES: dict[str, Change] = {
    "re-lit": _relit,
    "moved": _moved,
    "cropped to 70-95 %": _cropped,
    "quarter turn": lambda picture, _: picture.transpose(Image.Transpose.ROTATE_90),
    "mirrored": lambda picture, _: picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    "turned by any angle": _turned,
    "cropped, flipped, re-lit": lambda picture, rng: _flipped(_cropped(picture, rng), rng),
}
FIVE = [CHANGES[what] for what in CHANGES if what not in ("moved", "cropped, flipped, re-lit")]
EXPORTS: dict[str, Change] = {
    "turned, flipped, re-lit": lambda picture, rng: _flipped(_turned(picture, rng), rng),
    "cropped, flipped, re-lit": CHANGES["cropped, flipped, re-lit"],
    "one change of five": lambda picture, rng: FIVE[rng.integers(5)](picture, rng),
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
