"""pipeline.groups: what names and capture times say, on made photographs of every kind."""

from __future__ import annotations

import functools
import hashlib
import random
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

import numpy as np
import pytest
from PIL import Image

from features.cache.sample_table import TableRow
from features.cache.thumbnails import SIDE, Thumbnail
from features.errors import DataError
from features.photographs.file import Photograph
from pipeline.groups import propose
from pipeline.groups.capture_times import time_line
from pipeline.groups.copies_by_name import original_names
from pipeline.groups.evidence import PixelEvidence
from pipeline.groups.file_names import Key, Names, read_names
from pipeline.groups.pictures import Pictures
from pipeline.groups.proposal import AT_LEAST, AT_MOST, Proposal
from pipeline.groups.readings import read_all
from pipeline.groups.rules import GroupRule, apply_rule, parse_gap
from pipeline.groups.timeline import Line, find_cut
from pipeline.terminal.groups import proposed as said

START = 1536138000  # 2018-09-05 09:00:00


# ---- made photographs -----------------------------------------------------------------------


class Shot:
    """One photograph: its name without folder and suffix, its part, when, and what it shows."""

    def __init__(self, name: str, part: int, grey: np.ndarray, seconds: float = -1) -> None:
        self.path = f"{'good' if part % 3 else 'bad'}/{name}.jpg"
        self.part = part
        self.thumbnail = Thumbnail(grey, round(seconds * 1000) if seconds >= 0 else -1)


@functools.cache
def _blotches(seed: tuple[int, ...], cells: int) -> np.ndarray:
    bumps = np.random.default_rng(seed).standard_normal((cells, cells)).astype(np.float32)
    return np.asarray(Image.fromarray(bumps).resize((SIDE, SIDE), Image.Resampling.BICUBIC))


def draw(part: int, view: int, noise: int, light: float = 1.0) -> np.ndarray:
    """One view of a part: views differ far more than parts do."""
    picture = 120 + 45 * _blotches((1, view), 6) + 7 * _blotches((2, part), 9)
    picture = (picture + 6 * _blotches((3, part, view), 12)) * light
    picture += np.random.default_rng((4, noise)).normal(0, 0.7, picture.shape)
    return np.clip(np.round(picture), 0, 255).astype(np.uint8)


def taken_in_bursts(parts: int = 40, views: int = 5, seed: int = 1) -> list[tuple[int, int, float]]:
    """(part, view, seconds): 2 to 8 s between views, 14 to 60 s between parts; some are missing."""
    rng = np.random.default_rng(seed)
    now, shots = 0.0, []
    for part in range(parts):
        for view in range(views - (rng.random() < 0.3)):
            now += rng.uniform(2, 8) if view else rng.uniform(14, 60)
            shots.append((part, view, START + now))
    return shots


def stamped(seconds: float, form: str) -> str:
    """Give a time as a name."""
    return datetime.fromtimestamp(int(seconds), UTC).strftime(form)


def proposed(shots: list[Shot], gap: float | None = None) -> Proposal:
    """Give the proposal for photographs in no order."""
    mixed = list(shots)
    random.Random(1).shuffle(mixed)
    table_rows = [
        TableRow(s.path, s.path.split("/")[0], "", f"{n:064x}", n, "", 1, 2, 3, 4)
        for n, s in enumerate(mixed)
    ]
    return propose.propose_by_pictures(table_rows, [shot.thumbnail for shot in mixed], gap)


def shares(shots: list[Shot], proposal: Proposal) -> tuple[float, float]:
    """Of same-part pairs how many are found, of others how many are merged."""
    part_of = {shot.path: shot.part for shot in shots}
    parts = np.array([part_of[path] for path in proposal.paths])
    same = np.triu(parts[:, None] == parts, 1)
    tied = np.triu(proposal.groups[:, None] == proposal.groups, 1)
    others = len(parts) * (len(parts) - 1) / 2 - same.sum()
    return float((tied & same).sum() / same.sum()), float((tied & ~same).sum() / others)


@pytest.fixture(scope="module", autouse=True)
def pictures_compared_once() -> Iterator[None]:
    """Compare the same pictures once: tests here differ in names and times."""

    def remembered(compare: Callable[..., object]) -> Callable[..., object]:
        known: dict[bytes, object] = {}

        def compared(source: Pictures, *_: object) -> object:
            key = hashlib.sha256(source.grey.tobytes()).digest()
            if key not in known:
                known[key] = compare(source)
            return known[key]

        return compared

    with pytest.MonkeyPatch.context() as patch:
        for name in ("similarity_of_pictures", "turned_copies", "cropped_copies"):
            patch.setattr(propose, name, remembered(getattr(propose, name)))
        yield


def named(paths: list[str], labels: Sequence[str] = ()) -> tuple[list[Key], list[Line]]:
    """Give the candidates for names of parts, and for counters."""
    return read_names(Names.of(paths, labels), labels)


# ---- capture times --------------------------------------------------------------------------


def test_the_camera_is_asked_before_the_name() -> None:
    """EXIF counts; where it is silent the name, moved by the hours between the two clocks."""
    names = Names.of([f"PXL_20180905_1510{n:02d}" for n in range(20)])
    capture_time = np.array([1536160212000 - 12000 + 7200000 + 1000 * n for n in range(20)])
    capture_time[7] = -1
    line = time_line(names, capture_time)
    assert line is not None
    assert np.diff(line.values) == pytest.approx(np.ones(19))
    assert time_line(names, np.full(20, 5000)) is not None  # one instant for all is no clock
    assert time_line(Names.of(["a"] * 20), np.full(20, 5000)) is None


FORMS = [
    "IMG_%Y%m%d_%H%M%S",
    "IMG%Y%m%d%H%M%S",
    "%Y-%m-%d %H.%M.%S",
    "Screenshot_%Y-%m-%d-%H-%M-%S",
    "WhatsApp Image %Y-%m-%d at %I.%M.%S %p",
]


@pytest.mark.parametrize("form", FORMS)
def test_bursts_by_times_in_names(form: str) -> None:
    """Views that differ on purpose, and look like the same views of other parts: times decide."""
    shots = [
        Shot(stamped(t, form), p, draw(p, v, n)) for n, (p, v, t) in enumerate(taken_in_bursts())
    ]
    proposal = proposed(shots)
    found, merged = shares(shots, proposal)
    assert found >= 0.95
    assert merged <= 0.01
    assert proposal.basis == "times"
    assert not proposal.bound
    assert {"time"} == {e.kind for e in proposal.evidence if e.used and e.groups}


@pytest.mark.parametrize("fraction", [True, False], ids=["thousandths", "whole seconds"])
def test_bursts_by_exif(fraction: bool) -> None:
    """A camera's counter in the names says nothing; its clock does."""
    shots = [
        Shot(f"DSC_{n:04d}", p, draw(p, v, n), t if fraction else int(t))
        for n, (p, v, t) in enumerate(taken_in_bursts(seed=2))
    ]
    found, merged = shares(shots, proposed(shots))
    assert found >= 0.95
    assert merged <= 0.01


@pytest.mark.parametrize("whole", [True, False])
def test_a_camera_that_takes_twenty_at_once(whole: bool) -> None:
    """20 shots of a part within two seconds, the next part some seconds later."""
    rng = np.random.default_rng(4)
    now, shots = float(START), []
    for part in range(15):
        for view in range(20):
            now += 0.1 if view else rng.uniform(5, 20)
            shots.append(
                Shot(
                    f"DSC{len(shots):05d}",
                    part,
                    draw(part, 0, len(shots)),
                    int(now) if whole else now,
                )
            )
    assert shares(shots, proposed(shots)) == (1.0, 0.0)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("kind", ["near", "far", "pauses", "exponential"])
def test_gaps_of_two_kinds_are_cut_between(kind: str, seed: int) -> None:
    """Jitter in both kinds, and pauses of hours: 90 % of pairs found, at most 2 % merged."""
    rng = np.random.default_rng((7, seed))
    gaps, parts = [], []
    for part in range(58):
        for view in range(int(rng.choice([3, 4, 5, 5, 5]))):
            within = 3 * np.exp(0.4 * rng.standard_normal())
            between = {"near": 18, "far": 60}.get(kind, 30) * np.exp(0.4 * rng.standard_normal())
            if kind == "pauses" and part % 9 == 0:
                between *= 100
            if kind == "exponential":
                within, between = 1 + rng.exponential(2), 18 + rng.exponential(20)
            gaps.append(within if view else between)
            parts.append(part)
    line = Line("t", np.round(np.cumsum(gaps)))
    cut = find_cut(line.walk()[1], 1.0)
    assert cut is not None
    run, part_of = line.runs(cut.gap), np.array(parts)
    same, tied = part_of[:, None] == part_of, run[:, None] == run
    assert (tied & same).sum() / same.sum() >= 0.9
    assert (tied & ~same).sum() / (~same).sum() <= 0.02


def test_gaps_of_one_kind_are_not_cut() -> None:
    """A line that takes a photograph every few seconds, a hand of no rhythm, a single instant."""
    rng = np.random.default_rng(5)
    for gaps in (
        3 + 0.1 * rng.standard_normal(300),
        12 * np.exp(0.4 * rng.standard_normal(300)),
        rng.exponential(60, 300),
        np.zeros(300),
    ):
        assert find_cut(gaps, 0.2) is None


def test_the_table_of_cuts_and_a_gap_that_is_told() -> None:
    """More parts at nearer cuts; what a person says is done, and nothing else is looked at."""
    shots = [
        Shot(stamped(t, FORMS[0]), p, draw(p, v, n))
        for n, (p, v, t) in enumerate(taken_in_bursts())
    ]
    proposal = proposed(shots)
    counts = [parts for _, parts in proposal.cuts]
    assert counts == sorted(counts, reverse=True)
    assert len(proposal.sizes) in counts
    told = proposed(shots, gap=1.0)
    assert told.shared == 0
    assert not told.bound
    assert shares(shots, proposed(shots, gap=12.0)) == (1.0, 0.0)
    with pytest.raises(DataError, match="none of 3 photographs"):
        proposed([Shot(f"x{n}", n, draw(n, 0, n)) for n in range(3)], gap=10.0)


@pytest.mark.parametrize(
    ("text", "seconds"), [("10s", 10), ("10", 10), ("0.5 s", 0.5), ("500ms", 0.5), ("2min", 120)]
)
def test_gaps_as_people_write_them(text: str, seconds: float) -> None:
    """A rule holds what was written; describing and applying it needs no photograph."""
    assert parse_gap(text) == pytest.approx(seconds)
    photographs = [Photograph(__file__, "a/x.jpg", "a")]  # type: ignore[arg-type]
    assert apply_rule(GroupRule("gap", text), photographs) == (photographs, 0, [])


@pytest.mark.parametrize(("text", "seconds"), [("300h", 1_080_000), ("0.05ms", 5e-5)])
def test_long_and_short_gaps_are_noted_as_they_can_be_read(text: str, seconds: float) -> None:
    """What a cache notes is read again: 1.08e+06s was no time span."""
    rule = GroupRule.told(None, None, text)
    assert rule is not None
    assert rule.gap == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "0", "-3", "ten", "10 parsecs", "9" * 400])
def test_gaps_that_are_none(text: str) -> None:
    """One line, with an example."""
    with pytest.raises(DataError, match="such as 10s"):
        parse_gap(text)


# ---- names ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        lambda p, v: f"part-{p:03d}_view-{v}",
        lambda p, v: f"SN{48000 + p}-{['top', 'left', 'side', 'back'][v]}",
        lambda p, v: f"piece{p}/img{v}",
        lambda p, v: f"lot{p // 10}_part{p:03d}_{v}",
        lambda p, v: f"{p:04d} ({v + 1})",
    ],
    ids=["part and view", "serial number and side", "folder", "lot, part and view", "brackets"],
)
@pytest.mark.parametrize("timed", [False, True])
def test_names_of_many_schemes(name: Callable[[int, int], str], timed: bool) -> None:
    """A part's number or folder ties its views, with and without capture times."""
    shots = [
        Shot(name(p, v), p, draw(p, v, n), t if timed else -1)
        for n, (p, v, t) in enumerate(taken_in_bursts(views=4))
    ]
    proposal = proposed(shots)
    assert shares(shots, proposal) == (1.0, 0.0)
    assert proposal.basis == "names"


def test_a_part_of_a_lot_is_no_round() -> None:
    """The word before a part's number tells what it is, not the one before its lot's."""
    shots = []
    for number, (part, view, _) in enumerate(taken_in_bursts(views=4)):
        shots.append(Shot(f"lot{part // 10}_part{part:03d}_{view}", part, draw(part, view, number)))
        shots[-1].path = f"good/{shots[-1].path.split('/')[1]}"
    assert shares(shots, proposed(shots)) == (1.0, 0.0)


def test_an_item_whose_photographs_stand_in_two_classes() -> None:
    """Numbers that complete one another over the class folders are one item's."""
    rng = np.random.default_rng(3)
    shots = []
    for number in range(50 * 8):
        shot = Shot(f"kos{number // 8:02d}_Part{number % 8}", number // 8, draw(number // 8, number % 8, number))  # fmt: skip  # noqa: E501
        shot.path = f"{'bad' if rng.random() < 0.13 else 'good'}/{shot.path.split('/')[1]}"
        shots.append(shot)
    assert shares(shots, proposed(shots)) == (1.0, 0.0)


def test_folders_that_are_numbered_by_themselves() -> None:
    """Names that stand in both class folders are two parts."""
    shots = []
    for number in range(2 * 30 * 4):
        part, view = number // 4, number % 4
        shot = Shot(f"{part % 30:03d}_{view}", part, draw(part, view, number))
        shot.path = f"{'good' if part < 30 else 'bad'}/{shot.path.split('/')[1]}"
        shots.append(shot)
    assert shares(shots, proposed(shots)) == (1.0, 0.0)


@pytest.mark.parametrize(
    "name",
    [
        lambda n: f"IMG_{n:04d}",
        lambda n: f"IMG_{n + 3 * (n > 150):04d}",
        lambda n: f"{random.Random(n).getrandbits(64):016x}",
        lambda n: f"day{n // 100}_{n % 100:03d}",
        lambda n: f"{random.Random(n).randrange(10**6)}",
        lambda n: f"good ({n})",
        lambda n: f"IMG-20180905-WA{n:04d}",
        lambda n: stamped(START + 3 * n, "%Y%m%d_%H%M%S"),
    ],
    ids=["counted", "gap", "letters", "by day", "random", "windows", "whatsapp", "line"],
)
def test_names_that_carry_nothing_group_nothing(name: Callable[[int], str]) -> None:
    """Photographs that are merely numbered are not one part; that there could be few is said."""
    shots = [Shot(name(n), n, draw(n, 0, n)) for n in range(200)]
    proposal = proposed(shots)
    assert proposal.sizes.max() <= 2
    assert proposal.bound == AT_MOST
    assert "could be far fewer" in proposal.describe()
    assert "--group" in proposal.question


def test_the_question_says_what_the_names_would_mean() -> None:
    """Six cameras' numbers are no parts: it is asked with what it implies, and a table offered."""
    shots = [Shot(f"exp{n % 6}_num_{7919 * n % 99991}", n, draw(n, 0, n)) for n in range(60)]
    asked = proposed(shots).question
    assert '(6 parts then: --group-regex "exp(\\d+)_num"), or others (--groups TABLE)' in asked
    many = [Shot(f"exp{n % 2}_num_{7919 * n % 99991}", n, draw(n, 0, n)) for n in range(200)]
    assert proposed(many).question == "which photographs show one part (--groups TABLE)"


def test_a_pattern_that_was_not_used_is_named() -> None:
    """The hint is a --group-regex that groups as it says."""
    shots = [Shot(f"lot{n // 20}_piece{n % 20:02d}", n, draw(n, 0, n)) for n in range(200)]
    hints = [e.hint for e in proposed(shots).evidence if e.hint]
    assert hints
    pattern = hints[0].removeprefix('--group-regex "').removesuffix('"')
    photographs = [Photograph(__file__, shot.path, "a") for shot in shots]  # type: ignore[arg-type]
    given, without, _ = apply_rule(GroupRule("regex", pattern), photographs)
    assert without == 0
    assert len({photograph.group for photograph in given}) in (10, 20)


@pytest.mark.parametrize(
    "copies",
    [
        lambda n: [f"{n:04d}_jpg.rf.{2**120 + 9 * n + k:032x}" for k in range(4)],
        lambda n: [f"img_{n:04d}_aug{k}" for k in range(4)],
        lambda n: [f"img_{n:04d}{end}" for end in ("", " - Copy", " - Copy (2)", " copy")],
        lambda n: [f"img{n:03d}{end}" for end in ("", "_flip", "_rot90", "_bright")],
        lambda n: [f"x{n:03d}{end}" for end in ("", " (1)", " (2)", "_edited")],
    ],
    ids=["roboflow", "augmented", "windows and mac", "turned", "download"],
)  # fmt: skip
def test_names_of_copies(copies: Callable[[int], list[str]]) -> None:
    """Exports and copies share their original's name, in whatever folder."""
    paths = [f"{'ab'[k % 2]}/{name}.jpg" for n in range(30) for k, name in enumerate(copies(n))]
    found = original_names(paths)
    assert all(found)
    assert len(set(found)) == 30
    assert all(len(set(found[4 * n : 4 * n + 4])) == 1 for n in range(30))


def test_names_that_are_no_copies() -> None:
    """Numbers in brackets alone, words that are part of a name, and one name for everything."""
    assert not any(original_names([f"a/good ({n}).jpg" for n in range(100)]))
    assert not any(original_names([f"a/part_{n}.jpg" for n in range(100)]))
    assert not any(original_names([f"a/image_aug{n}.jpg" for n in range(100)]))
    few = [f"a/hole ({n}).jpg" for n in range(1, 9)] + [f"a/scale_{n}.jpg" for n in range(1, 9)]
    few += [f"a/rolled-in_scale_{n}.jpg" for n in range(1, 9)]
    assert not any(original_names(few + [f"b/{n}.jpg" for n in range(100)]))


def test_a_date_is_no_part() -> None:
    """Days are not offered as the name of a part."""
    keys, _ = named([f"a/2018090{1 + n // 20}_{n:03d}.jpg" for n in range(100)])
    assert keys == []


def test_a_day_tells_parts_of_one_number_apart() -> None:
    """Where numbers start anew with each day, in its folder or after its date."""
    for form in ("a/2026-03-{d:02d}/part{p:03d}_{v}.jpg", "a/202603{d:02d}_{p:03d}_{v}.jpg"):
        places = [(d, p, v) for d in range(1, 5) for p in range(10) for v in range(3)]
        keys, _ = named([form.format(d=d, p=p, v=v) for d, p, v in places])
        first = next(key for key in keys if key.leads)
        assert first.what.startswith("date with number")
        assert first.codes.tolist() == [number // 3 for number in range(120)]


def test_numbers_start_anew_in_each_split_and_class() -> None:
    """As in MVTec AD: test/good/000.png and test/crack/000.png show two parts."""
    folders = ["train/good", "test/good", "test/crack"]
    places = [(f, p, v) for f in folders for p in range(10) for v in range(3)]
    paths = [f"{folder}/{part:03d}_{view}.png" for folder, part, view in places]
    keys, _ = named(paths, [folder.split("/")[1] for folder, _, _ in places])
    assert [key.codes.tolist() for key in keys] == [[number // 3 for number in range(90)]]


@pytest.mark.parametrize(
    "name",
    ["{:08x}", "{:016x}", "{:032x}", "x_{:024x}"],
    ids=["eight", "sixteen", "md5", "word before"],
)
def test_digits_of_a_hash_are_no_numbers(name: str) -> None:
    """Of 50 places where counters could be seen one looks like one by chance."""
    rng = random.Random(5)
    width = 4 * int(name[-4:-2])
    hashes = [name.format(rng.getrandbits(width)) for _ in range(300)]
    assert named([f"a/{one}.jpg" for one in hashes]) == ([], [])
    keys, _ = named([f"a/{hashes[n // 3]}_{n % 3}.jpg" for n in range(300)])
    codes = keys[0].codes
    assert np.mean(codes >= 0) > 0.98  # in one stands what may be a date
    assert (codes == np.where(codes < 0, -1, codes[::3].repeat(3))).all()
    assert len(set(codes.tolist()) - {-1}) == (codes >= 0).sum() / 3
    assert re.search(keys[0].pattern, f"a/{hashes[7]}_1.jpg")


# ---- rounds ---------------------------------------------------------------------------------

ROUNDS = [
    "{t}_pos{p:02d}",
    "pos{p:02d}_{t}",
    "angle{p:03d}_{t}",
    "{t}_{p:02d}",
    "r{r}_pos{p:02d}",
    "SN{p:05d}_{n:05d}",
]


@pytest.mark.parametrize("places", [12, 30])
@pytest.mark.parametrize("form", ROUNDS)
def test_a_fixture_that_goes_round(form: str, places: int) -> None:
    """The same places again and again, hours apart: what recurs is the part."""
    shots = []
    for turn in range(8):
        for place in range(places):
            now = START + 7200 * turn + 4 * place
            name = form.format(t=stamped(now, "%Y%m%d_%H%M%S"), p=place, r=turn, n=len(shots))
            shots.append(Shot(name, place, draw(place, 0, len(shots), 1 + 0.01 * turn)))
    proposal = proposed(shots)
    assert shares(shots, proposal) == (1.0, 0.0)
    assert proposal.basis == "names"


def test_a_place_in_rounds_whose_photographs_stand_in_two_classes() -> None:
    """Its number alone stands in both folders, its names do not: it is not counted anew."""
    shots = []
    for n in range(8 * 12):
        now, place = START + 7200 * (n // 12) + 4 * (n % 12), n % 12
        shots.append(Shot(f"{stamped(now, FORMS[0])}_pos{place:02d}", place, draw(place, 0, n)))
        shots[-1].path = f"{'good' if n % 5 else 'bad'}/{shots[-1].path.split('/')[1]}"
    assert shares(shots, proposed(shots)) == (1.0, 0.0)


@pytest.mark.parametrize("form", ["{t}_{v}", "{t}_view{v}", "{t}_cam{v}"])
def test_views_that_recur_are_no_parts(form: str) -> None:
    """The same field, but every part has each view once, tens of seconds apart: runs are parts."""
    shots = [
        Shot(form.format(t=stamped(t, "%Y%m%d_%H%M%S"), v=v), p, draw(p, v, n))
        for n, (p, v, t) in enumerate(taken_in_bursts())
    ]
    proposal = proposed(shots)
    found, merged = shares(shots, proposal)
    assert found >= 0.95
    assert merged <= 0.01
    assert proposal.basis == "times"
    assert any("s apart" in e.why for e in proposal.evidence if e.used)


def test_a_counter_is_not_believed_without_pixels() -> None:
    """However clear its gaps: eleven photographs are too few to say what strangers look like."""
    numbers = [1, 2, 3, 101, 102, 103, 201, 202, 203, 301, 302]
    shots = [
        Shot(f"DSC_{number:04d}", number // 100, draw(number // 100, number % 100, number))
        for number in numbers
    ]
    found = proposed(shots)
    counters = [e for e in found.evidence if "one after another" in e.what or "apart" in e.what]
    assert counters
    assert not any(evidence.used for evidence in counters)
    assert found.shared == 0


def test_names_drawn_at_random_say_nothing_and_their_folders_may() -> None:
    """Short digests and random letters have no fields; those that come twice are items' names."""
    names = [hashlib.sha256(b"%d" % n).hexdigest()[:12] for n in range(60)]
    assert named([f"good/{name}.jpg" for name in names]) == ([], [])
    keys, _ = named([f"good/kos{n // 6:02d}/{name}.jpg" for n, name in enumerate(names)])
    assert [len(np.unique(key.codes)) for key in keys] == [10]
    twice = [f"{label}/{name}.jpg" for label in ("bad", "good") for name in names]
    assert np.bincount(named(twice)[0][0].codes).tolist() == [2] * 60
    assert named([f"good/{n:08d}.jpg" for n in range(60)])[1]  # a counter is none of these


@pytest.mark.parametrize(
    "form",
    ["{lot}_{p:06d}_{v}", "SN{serial}-{v}", "{serial}_{v}", "LOT{lot}-{p:06d}_{v}"],
)
def test_serial_numbers_that_look_like_times_are_none(form: str) -> None:
    """Six digits behind a date count past 59; ten digits count on by one: parts are by them."""
    shots = [
        Shot(
            form.format(lot=20240312, serial=1_500_000_000 + p + 1000 * (p // 20), p=p, v=v),
            p,
            draw(p, v, 3 * p + v),
        )
        for p in range(80)
        for v in range(3)
    ]
    found = proposed(shots)
    assert shares(shots, found) == (1.0, 0.0)
    assert found.basis == "names"


@pytest.mark.parametrize("form", ["20240310{p:06d}_{v}", "20240310_{p:06d}_{v}"])
def test_a_minute_after_midnight_is_a_serial_number(form: str) -> None:
    """Up to 59 parts behind a date all look like seconds of the day's first minute."""
    both = [(p, v) for p in range(40) for v in range(3)]
    shots = [Shot(form.format(p=p, v=v), p, draw(p, v, 3 * p + v)) for p, v in both]
    found = proposed(shots)
    assert shares(shots, found) == (1.0, 0.0)
    assert found.basis == "names"


def test_a_view_of_all_parts_is_no_part_though_pixels_agree() -> None:
    """Five poses, behind or before digests: alike are those of one pose. It is asked about."""
    for form in ("{digest}_view{v}", "{digest}_{v}"):
        shots = [
            Shot(
                form.format(digest=hashlib.sha256(b"%d" % (5 * p + v)).hexdigest()[:16], v=v),
                p,
                draw(p, v, 5 * p + v),
            )
            for p in range(40)
            for v in range(5)
        ]
        found = proposed(shots)
        assert shares(shots, found)[1] == 0
        assert found.bound == AT_MOST
        assert "--group-regex" in found.question


def test_words_for_kinds_of_defects_are_no_parts_though_pixels_agree() -> None:
    """Kinds, each numbered from 1: so many parts are a bound."""
    kinds = ["good", "crazing", "inclusion", "patches", "scratches"]
    shots = []
    for n in range(60):
        shot = Shot(f"{kinds[n % 5]}_{n // 5 + 1}", n, draw(n % 5, n % 5, n))
        shot.path = f"{'bad' if n % 5 else 'good'}/{shot.path.split('/')[1]}"
        shots.append(shot)
    found = proposed(shots)
    assert not [e for e in found.evidence if e.used and e.kind == "name"]
    assert found.bound == AT_MOST


def test_parts_within_kinds_are_found() -> None:
    """The first number of "crack_07_2" is the part, numbered anew for each kind."""
    shots = []
    for number in range(3 * 12 * 4):
        kind, part, view = number // 48, number // 4 % 12, number % 4
        shot = Shot(f"{['ok', 'hole', 'crack'][kind]}_{part:02d}_{view}", number // 4, draw(number // 4, view, number))  # fmt: skip  # noqa: E501
        shot.path = f"{'bad' if kind else 'good'}/{shot.path.split('/')[1]}"
        shots.append(shot)
    assert shares(shots, proposed(shots)) == (1.0, 0.0)


@pytest.mark.parametrize(("hen", "bound"), [("h", AT_LEAST), ("part", "")])
def test_a_finer_number_that_pixels_hold_as_little_is_asked_about(hen: str, bound: str) -> None:
    """Three eggs of each hen on two days, "h10-2-day12", taken for ten parts, not thirty."""
    eggs = [(h, egg, day) for h in range(10) for egg in range(3) for day in (10, 11)]
    shots = [
        Shot(f"{hen}{h}-{egg}-day{day}", 3 * h + egg, draw(0, n % 7, n))
        for n, (h, egg, day) in enumerate(eggs)
    ]
    found = proposed(shots)
    assert found.bound == bound
    assert (r"h(\d+\-\d+)" in found.question) == bool(bound)


def test_a_serial_number_behind_a_kind_of_defect_is_asked_about() -> None:
    """Coils, "img_05_436786500_00012", each with four kinds of defects: they are torn."""
    shots, frames = [], np.random.default_rng(2).integers(0, 600, 160)
    for n, frame in enumerate(frames.tolist()):
        coil, kind = n // 8, (n // 2 % 4 * 2 + n // 8) % 8
        shot = Shot(
            f"img_{kind:02d}_{425000000 + 31337 * coil}_{frame:05d}", coil, draw(n // 2, kind, n)
        )
        shot.path = f"{'bad' if kind > 3 else 'good'}/{shot.path.split('/')[1]}"
        shots.append(shot)
    found = proposed(shots)
    assert shares(shots, found)[0] < 0.9
    assert found.bound == AT_MOST
    assert r'"\d+_(\d+)_\d+"' in found.question


def test_pieces_of_a_picture_are_no_parts_though_pixels_agree() -> None:
    """Rows of tiles are alike across parts."""
    shots = [Shot(f"w{n % 7}_row{256 * (n % 5)}_{n}", n, draw(n % 5, n % 5, n)) for n in range(70)]
    used = [e.what for e in proposed(shots).evidence if e.used and e.kind == "name"]
    assert not [what for what in used if what.startswith("number 2")]


def test_photographs_without_a_time_among_timed_ones_are_asked_about() -> None:
    """Each stands alone: so many parts are a bound, not what is probable."""
    shots = [
        Shot(stamped(t, FORMS[0]), p, draw(p, v, n))
        for n, (p, v, t) in enumerate(taken_in_bursts())
    ]
    assert not proposed(shots).bound
    names = (hashlib.sha256(b"%d" % n).hexdigest()[:12] for n in range(30))
    more = [Shot(name, 50 + n // 5, draw(50 + n // 5, n % 5, n)) for n, name in enumerate(names)]
    found = proposed(shots + more)
    assert found.basis == "times"
    assert found.bound == AT_MOST
    assert "30 photographs of which times say nothing" in found.question
    assert "say nothing (--groups TABLE)? look at them with: groups" in said(found)[0]


def test_a_few_named_photographs_do_not_outweigh_the_times_of_all() -> None:
    """A key must stand in a good share of the names before times are passed over for it."""
    shots = [
        Shot(stamped(t, FORMS[0]), p, draw(p, v, n))
        for n, (p, v, t) in enumerate(taken_in_bursts())
    ]
    named = [(p, v) for p in range(8) for v in range(4)]
    shots += [Shot(f"kos{p:02d}_Part{v}", 50 + p, draw(50 + p, v, v)) for p, v in named]
    found = proposed(shots)
    assert found.basis == "times"
    assert shares(shots, found)[0] > 0.85


def test_a_clock_of_thousandths_cuts_a_line_of_seconds() -> None:
    """Four shots within a second, the next part two seconds later."""
    shots = [
        Shot(f"DSC_{4 * p + v:05d}", p, draw(p, v, 4 * p + v), START + 2.6 * p + 0.2 * v)
        for p in range(30)
        for v in range(4)
    ]
    found = proposed(shots)
    assert found.basis == "times"
    assert shares(shots, found) == (1.0, 0.0)


def test_names_of_very_many_shapes_make_no_keys() -> None:
    """Eight names of one shape are no scheme among thousands: each key costs a code for each."""
    signs = "-_.+"
    paths = [
        f"a/{''.join(signs[n // 8 // 4**place % 4] for place in range(4))}p{n % 8 // 2}_{n % 2}.jpg"
        for n in range(2048)
    ]
    assert named(paths) == ([], [])
    assert named(paths[:8])[0]


def test_the_time_of_a_session_tells_parts_apart_as_a_day_does() -> None:
    """A program writes when a session of ten parts began; five views are no five places."""
    paths = [
        f"a/2024031{session}_081500_{part:03d}_{view}.jpg"
        for session in range(6)
        for part in range(10)
        for view in range(5)
    ]
    rows = [TableRow(path, "a", "", f"{n:064x}", n, "", 1, 1, 1, 1) for n, path in enumerate(paths)]
    found = read_all(rows, None, PixelEvidence(None, np.arange(len(rows))))
    used = next(f.evidence for f in found.findings if f.evidence.used)
    assert used.what.startswith("time with number")
    assert (used.groups, used.photographs) == (60, 300)


def test_one_time_for_many_photographs_is_asked_about() -> None:
    """A counter tells photographs of a session apart, and nothing its parts."""
    paths = [f"a/2024031{n // 50}_081500_{n:04d}.jpg" for n in range(300)]
    rows = [TableRow(path, "a", "", f"{n:064x}", n, "", 1, 1, 1, 1) for n, path in enumerate(paths)]
    found = read_all(rows, None, PixelEvidence(None, np.arange(len(rows))))
    assert found.basis == "times"
    assert "same time" in found.question


@pytest.mark.parametrize("views", [1, 5])
@pytest.mark.parametrize("form", ["%Y%m%d_%H%M%S", "DSC"])
def test_trays_of_parts_are_no_parts(form: str, views: int) -> None:
    """Ten photographs and a pause: of ten parts they are as like as those of two trays."""
    shots = []
    for n in range(150):
        part = n // 10 if views > 1 else n
        picture = draw(part, n % 10 // 2 if views > 1 else 0, n)
        at = START + 5 * n + 60 * (n // 10)
        name = stamped(at, form) if "%" in form else f"{form}_{n:04d}"
        shots.append(Shot(name, part, picture, -1 if "%" in form else at))
    found = proposed(shots)
    assert len(found.sizes) == 15
    assert found.bound == (AT_LEAST if views == 1 else "")
    assert ("as in trays" in found.question) == (views == 1)


def test_one_photograph_shows_one_part() -> None:
    """Not "at most 1 part, could be far fewer", and nothing is asked of it."""
    row = TableRow("a/IMG_0001.jpg", "a", "", f"{1:064x}", 0, "", 1, 1, 1, 1)
    thumbnail = Thumbnail(np.zeros((SIDE, SIDE), dtype=np.uint8), -1)
    found = propose.propose_by_pictures([row], [thumbnail])
    assert (found.how_many(), found.notes) == ("probably 1 part", [])
