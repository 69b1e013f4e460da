"""pipeline.groups: which photographs show one part, found without being told."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from parts import encode, make_cache, part
from PIL import Image

import pipeline
from features.cache.cache import Cache
from features.cache.sample_table import TableRow
from features.cache.shards import open_cache
from features.cache.thumbnail_table import thumbnails_of
from features.cache.thumbnails import Thumbnail, thumbnail_of
from features.errors import OutputError
from pipeline.groups.contact_sheets import groups_csv, show_groups
from pipeline.groups.evidence import PixelEvidence
from pipeline.groups.joining import joined
from pipeline.groups.neighbours import nearest
from pipeline.groups.proposal import Link, Proposal
from pipeline.groups.proposal_cache import doubts_of_groups, proposal_path, proposed_groups
from pipeline.groups.propose import propose, propose_by_pictures
from pipeline.groups.rules import match_groups, read_groups
from pipeline.groups.similarity import similarity_of
from pipeline.output.tables import MARK, to_csv
from pipeline.training.optimism import Rounds, measure_optimism

BLIND = PixelEvidence(None, np.arange(1000))


def meaningless(names: list[str]) -> dict[str, str]:
    """Other names in no order, numbered through, in the same class folders."""
    numbers = list(range(len(names)))
    random.Random(3).shuffle(numbers)
    return {
        name: f"{name.split('/')[0]}/IMG_{number:04d}.jpg"
        for name, number in zip(names, numbers, strict=True)
    }


def hash_of(number: int) -> str:
    """Give a name that carries nothing."""
    return f"{random.Random(number).getrandbits(64):016x}"


def blotches(seed: tuple[int, ...], cells: int) -> np.ndarray:
    """Draw what a surface may look like, float32 (128, 128)."""
    bumps = np.random.default_rng(seed).standard_normal((cells, cells)).astype(np.float32)
    return np.asarray(Image.fromarray(bumps).resize((128, 128), Image.Resampling.BICUBIC))


def together(proposal: Proposal, a: str, b: str) -> bool:
    found = proposal.by_path()
    return found[a] == found[b]


# ---- near copies ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """60 parts on one background; of the first 15 there are copies. Names carry nothing."""
    photographs: dict[str, bytes] = {}
    for number in range(60):
        label = "Healthy" if number % 3 else "defects"
        photographs[f"{label}/{number}-plain"] = encode(part(number))
        if number < 15:
            photographs[f"{label}/{number}-again"] = encode(part(number), 55)
            photographs[f"{label}/{number}-dark"] = encode(part(number, light=0.7, noise=1))
            photographs[f"{label}/{number}-moved"] = encode(part(number, shift=2, noise=2))
    names = meaningless(list(photographs))
    cache = tmp_path_factory.mktemp("planted") / "features.h5"
    make_cache(cache, {names[name]: data for name, data in photographs.items()})
    return cache, names


@pytest.fixture(scope="module")
def found(planted: tuple[Path, dict[str, str]]) -> Proposal:
    """Give their groups, which lie beside the cache for the tests after this."""
    return proposed_groups(planted[0])


@pytest.mark.parametrize("change", ["again", "dark", "moved"])
def test_near_copies_are_found(
    planted: tuple[Path, dict[str, str]], found: Proposal, change: str
) -> None:
    """Encoded anew, darker, or moved by two pixels: at least 13 of 15 lie with their part."""
    names = planted[1]
    right = 0
    for number in range(15):
        label = "Healthy" if number % 3 else "defects"
        right += together(
            found, names[f"{label}/{number}-plain"], names[f"{label}/{number}-{change}"]
        )
    assert right >= 13


def test_other_parts_on_the_same_background_stay_apart(
    planted: tuple[Path, dict[str, str]], found: Proposal
) -> None:
    """All look alike to the eye; at most one group mixes parts."""
    part_of = {new: old.split("/")[1].split("-")[0] for old, new in planted[1].items()}
    mixed = 0
    for group in range(found.shared):
        members = [found.paths[i] for i in np.flatnonzero(found.groups == group)]
        mixed += len({part_of[path] for path in members}) > 1
    assert mixed <= 1
    assert found.sizes.max() <= 5


def test_without_copies_nothing_is_found(tmp_path: Path) -> None:
    """80 different parts on one background are 80 parts, or at most one pair is mistaken."""
    photographs = {
        f"a/{random.Random(n).getrandbits(64):016x}.jpg": encode(part(n)) for n in range(80)
    }
    with Cache.read(make_cache(tmp_path / "c.h5", photographs)) as cache:
        assert propose(cache).shared <= 1


def test_expected_strangers_are_what_is_counted() -> None:
    """Of vectors without any copies, links at an expectation e are no more than n e / 2."""
    rng = np.random.default_rng(0)
    links = 0
    for _ in range(5):
        vectors = rng.standard_normal((300, 40)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        links += len(similarity_of(vectors).pairs(0.1)[0])
    assert links <= 5 * 300 * 0.1 / 2


def test_likeness_is_judged_by_the_neighbourhood() -> None:
    """The same likeness is a copy among vectors that differ, and nothing in a narrow cone."""
    rng = np.random.default_rng(1)

    def pair(cone: float) -> tuple[float, float]:
        """Likeness and expected strangers of two photographs; `cone` is what all share."""
        vectors = rng.standard_normal((200, 60))
        vectors[1] = 0.97 * vectors[0] + 0.2 * vectors[1]
        if cone:
            vectors[1] = rng.standard_normal(60)
        vectors[:, 0] += cone
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        similarity = similarity_of(vectors.astype(np.float32))
        first, second = np.array([0]), np.array([1])
        alike = similarity.likeness(first, second)
        return float(alike[0]), float(similarity.tail.strangers(alike, first, second)[0])

    likeness, strangers = pair(0)
    assert strangers < 0.05
    in_cone, strangers = pair(100)
    assert in_cone > likeness
    assert strangers > 0.3


def test_nearest_is_what_sorting_all_gives() -> None:
    """Blocks make no difference, and nobody is his own neighbour."""
    vectors = np.random.default_rng(2).standard_normal((50, 6)).astype(np.float32)
    numbers, values = nearest(vectors, 7)
    all_pairs = vectors @ vectors.T
    np.fill_diagonal(all_pairs, -np.inf)
    assert np.array_equal(numbers, np.argsort(-all_pairs, axis=1)[:, :7])
    assert np.allclose(values, -np.sort(-all_pairs, axis=1)[:, :7], atol=1e-5)


# ---- joining ----------------------------------------------------------------------------


def links(pairs: Sequence[tuple[int, int]], doubt: float = 0.0) -> list[Link]:
    """Give links of one doubt; 0 is sure."""
    return [Link(a, b, "look", doubt) for a, b in pairs]


def two_chains(count: int) -> list[Link]:
    """Tie the first and the second half of so many photographs."""
    return links([(a, a + 1) for a in range(count - 1) if a != count // 2 - 1])


def test_one_wrong_link_does_not_join_two_groups() -> None:
    """Two groups of five and a single link, even a sure one, between them stay two."""
    inside = [(a, b) for start in (0, 5) for a in range(start, start + 5) for b in range(a + 1, start + 5)]  # fmt: skip  # noqa: E501
    assert joined(10, [], links([*inside, (0, 9)])).tolist() == [0] * 5 + [1] * 5


def test_a_photograph_between_two_groups_does_not_bridge_them() -> None:
    """One that is like both joins one of them, and the two stay apart."""
    groups = joined(11, two_chains(10), links([(4, 10), (5, 10), (3, 10), (6, 10)]))
    assert groups[0] == groups[4]
    assert groups[5] == groups[9]
    assert groups[0] != groups[5]


def test_a_few_links_do_not_join_two_large_groups() -> None:
    """Of two groups of twenty, five photographs each that look alike are chance."""
    groups = joined(40, two_chains(40), links([(a, a + 20) for a in range(5)]))
    assert len(set(groups.tolist())) == 2


def test_many_links_join_two_groups() -> None:
    """Half the photographs of each tied to the other are enough."""
    groups = joined(10, two_chains(10), links([(0, 5), (1, 6), (2, 7)]))
    assert set(groups.tolist()) == {0}


def test_doubtful_links_need_company() -> None:
    """One doubtful link joins no two photographs; links to two of a group do."""
    doubtful = links([(0, 2), (1, 2), (3, 4)], doubt=0.1)
    assert joined(5, links([(0, 1)]), doubtful).tolist() == [0, 0, 0, 1, 2]


# ---- the pixels as evidence -------------------------------------------------------------


@pytest.mark.parametrize("views", [False, True])
def test_photographs_of_a_group_are_more_like_one_another_or_by_chance(views: bool) -> None:
    """Those of one part always are; a group of one from each of four parts is by chance."""
    rng = np.random.default_rng(6)
    vectors = np.repeat(rng.standard_normal((30, 40)), 4, axis=0)
    vectors += 0.3 * rng.standard_normal(vectors.shape)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    pixels = PixelEvidence(similarity_of(vectors.astype(np.float32)), np.arange(120))
    parts = np.arange(120).reshape(30, 4)
    assert pixels.like_own(parts.tolist(), views=views) == pytest.approx(1)
    mixed = rng.permutation(120).reshape(30, 4)
    assert pixels.like_own(mixed.tolist(), views=views) == pytest.approx(0.5, abs=0.1)
    assert pixels.like_own(parts[:4].tolist(), views=views) is None


def test_bursts_by_capture_time(tmp_path: Path) -> None:
    """Photographs of other looks, taken within seconds, are one part."""
    names = [f"a/{random.Random(n).getrandbits(40):010x}.jpg" for n in range(60)]
    photographs = {name: encode(part(n)) for n, name in enumerate(names)}
    times = {name: (n // 3) * 120_000 + (n % 3) * 1500 for n, name in enumerate(names)}
    cache = make_cache(tmp_path / "c.h5", photographs, times=times)
    with Cache.read(cache) as opened:
        proposal = propose(opened)
    assert proposal.shared == 20
    assert together(proposal, names[0], names[2])
    assert not together(proposal, names[2], names[3])
    assert [e.kind for e in proposal.evidence if e.used and e.groups] == ["time"]


def test_a_gap_that_was_told_is_kept_in_the_cache(tmp_path: Path) -> None:
    """What `extract --group-gap` noted is what every command groups by, and is no proposal."""
    names = [f"{'ab'[n // 3 % 2]}/{hash_of(n)}.jpg" for n in range(60)]
    photographs = {name: encode(part(n)) for n, name in enumerate(names)}
    times = {name: (n // 3) * 20_000 + (n % 3) * 1500 for n, name in enumerate(names)}
    cache = make_cache(tmp_path / "c.h5", photographs, times=times)
    with Cache.read(cache) as opened:
        table_rows, fields, about = opened.table_rows, opened.fields, opened.note
    for gap, parts in (("10s", 20), ("1s", 60), ("60s", 1)):
        with Cache.write(cache, fields, 48, "float32") as writer:
            rule = {"kind": "gap", "value": gap}
            writer.replace_table(table_rows, {**about, "group_rule": rule})
            writer.commit()
        data = pipeline.load_dataset(cache, positive=["b"])
        assert len(set(data.groups.tolist())) == parts
        assert data.proposal is None
        assert asdict(data.folder.group_rule) == rule


# ---- the proposal and its use -----------------------------------------------------------


def test_exact_copies_are_one_part_and_under_two_labels_a_warning(tmp_path: Path) -> None:
    """The same bytes in both classes: one group, and a warning with the count."""
    photographs = {f"Healthy/{n * 37 % 101}q.jpg": encode(part(n)) for n in range(20)}
    photographs |= {f"defects/{n}z.jpg": encode(part(30 + n)) for n in range(10)}
    photographs["defects/copy.jpg"] = photographs["Healthy/0q.jpg"]
    data = pipeline.load_dataset(make_cache(tmp_path / "c.h5", photographs))
    assert data.proposal is not None
    assert together(data.proposal, "Healthy/0q.jpg", "defects/copy.jpg")
    assert any("1 photographs stand in two classes" in text for text in data.warnings)
    assert data.folder.group_rule.kind == "proposed"


def test_a_group_in_two_classes_is_a_warning(tmp_path: Path) -> None:
    """Different photographs of one proposed part under two labels are counted and shown."""
    photographs = {f"Healthy/part-{n // 2:03d}_{n % 2}.jpg": encode(part(n)) for n in range(40)}
    photographs |= {
        f"defects/part-{n // 2:03d}_{n % 2}.jpg": encode(part(n)) for n in range(39, 70)
    }
    data = pipeline.load_dataset(make_cache(tmp_path / "c.h5", photographs))
    assert any("more than one class: 1 (3 photographs)" in text for text in data.warnings)


def test_a_proposal_is_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second time nothing is computed; another folder is another proposal."""
    photographs = {f"a/part-{n // 2:03d}_{n % 2}.jpg": encode(part(n)) for n in range(20)}
    cache = make_cache(tmp_path / "c.h5", photographs)
    first = proposed_groups(cache)
    assert proposal_path(cache).exists()

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("computed again")

    with monkeypatch.context() as patch:
        patch.setattr("pipeline.groups.proposal_cache.propose", refuse)
        again = proposed_groups(cache)
        assert again.to_json() == first.to_json()
        with Cache.read(cache) as opened:
            table_rows, about = opened.table_rows, opened.note
        settings = opened.fields
        with Cache.write(cache, settings, 48, "float32") as writer:
            writer.replace_table(table_rows[:-1], about)
            writer.commit()
        with pytest.raises(AssertionError, match="computed again"):
            proposed_groups(cache)
    proposal_path(cache).write_text("broken")
    assert len(proposed_groups(cache).paths) == 19


def test_a_proposal_of_an_older_algorithm_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is remembered says which revision made it; of another one it is not served."""
    photographs = {f"a/part-{n // 2:03d}_{n % 2}.jpg": encode(part(n)) for n in range(20)}
    cache = make_cache(tmp_path / "c.h5", photographs)
    with monkeypatch.context() as patch:
        patch.setattr("pipeline.groups.proposal_cache.REVISION", 1)
        patch.setattr(
            "pipeline.groups.proposal_cache.propose",
            lambda cache, **_: Proposal([s.path for s in cache.table_rows], np.arange(20)),
        )
        assert proposed_groups(cache).shared == 0
    assert proposed_groups(cache).shared == 10


def test_pictures_alone_find_copies(planted: tuple[Path, dict[str, str]]) -> None:
    """Of photographs without rows: at least 13 of 15 darker copies lie with their part."""
    with Cache.read(planted[0]) as cache:
        table_rows = cache.table_rows
        seen = thumbnails_of(cache, [table_row.row for table_row in table_rows])
    each = [Thumbnail(grey, int(capture_time)) for grey, capture_time in zip(*seen, strict=True)]
    proposal = propose_by_pictures(table_rows, each)
    names = planted[1]
    labels = ["Healthy" if number % 3 else "defects" for number in range(15)]
    pairs = [(names[f"{c}/{n}-plain"], names[f"{c}/{n}-dark"]) for n, c in enumerate(labels)]
    assert sum(together(proposal, *pair) for pair in pairs) >= 13
    assert propose_by_pictures([], []).paths == []


def test_given_groups_are_not_second_guessed(tmp_path: Path) -> None:
    """Where somebody said which belong together, nothing is proposed."""
    photographs = {f"{'ab'[n % 2]}/{n}.jpg": encode(part(n)) for n in range(12)}
    cache = make_cache(tmp_path / "c.h5", photographs)
    with Cache.read(cache) as opened:
        given = [s._replace(group=str(i // 4)) for i, s in enumerate(opened.table_rows)]
        fields, about = opened.fields, opened.note
    with Cache.write(cache, fields, 48, "float32") as writer:
        writer.replace_table(given, about)
        writer.commit()
    data = pipeline.load_dataset(cache, positive=["b"])
    assert data.proposal is None
    assert len(set(data.groups.tolist())) == 3


def test_groups_that_were_told_are_doubted(
    planted: tuple[Path, dict[str, str]], tmp_path: Path
) -> None:
    """A table that separates near copies is warned of, with counts."""
    with Cache.read(planted[0]) as opened:
        table_rows, fields, about = opened.table_rows, opened.fields, opened.note
    names = {new: old for old, new in planted[1].items()}
    cache = tmp_path / "c.h5"
    shutil.copyfile(planted[0], cache)

    def told(group: Callable[[str], str]) -> list[str]:
        with Cache.write(cache, fields, 48, "float32") as writer:
            given = [s._replace(group=group(names[s.path])) for s in table_rows]
            writer.replace_table(given, about)
            writer.commit()
        return doubts_of_groups(cache)

    part_of = lambda name: name.split("/")[1].split("-")[0]  # noqa: E731
    assert told(part_of) == []
    alone = told(lambda name: name)
    assert len(alone) == 1
    assert "pairs of photographs that look nearly the same" in alone[0]
    assert pipeline.load_dataset(cache).warnings == alone  # by fit and in reports, too
    torn = told(lambda name: part_of(name) + ("x" if name.endswith("-dark") else ""))
    assert len(torn) == 1
    assert told(lambda name: "one") == []
    assert "are in one part" in " ".join(pipeline.load_dataset(cache).warnings)


def test_turned_and_mirrored_copies_are_found() -> None:
    """Round parts, turned by any angle, and copies turned by quarters or mirrored."""
    y, x = np.indices((128, 128)) - 63.5
    pictures = []
    for number in range(150):
        rng = np.random.default_rng((11, number))
        picture = 60 + 90 * (np.hypot(x, y) < 58) - 50 * (np.hypot(x, y) < 20)
        for _ in range(6):
            r, t, size = rng.uniform(22, 52), rng.uniform(0, 2 * np.pi), rng.uniform(4, 9)
            spot = np.exp(-((x - r * np.cos(t)) ** 2 + (y - r * np.sin(t)) ** 2) / size**2)
            picture = picture + rng.choice([-60, 60]) * spot
        pictures.append(Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8)))
    turns = [pictures[n].rotate(37 + 9 * n, Image.Resampling.BICUBIC, fillcolor=60)
             for n in range(20)]  # fmt: skip
    turns += [pictures[n].transpose(Image.Transpose.ROTATE_90) for n in range(20, 30)]
    turns += [pictures[n].transpose(Image.Transpose.FLIP_LEFT_RIGHT) for n in range(30, 40)]
    seen = [thumbnail_of(np.asarray(p.convert("RGB")), -1) for p in [*pictures, *turns]]
    table_rows = [
        TableRow(f"a/{hash_of(n)}.jpg", "a", "", f"{n:064x}", n, "", *[1] * 4)
        for n in range(len(seen))
    ]  # fmt: skip
    proposal = propose_by_pictures(table_rows, seen)
    found = sum(proposal.groups[n] == proposal.groups[150 + n] for n in range(40))
    assert found >= 36
    assert proposal.sizes.max() <= 4


def test_moved_and_grown_copies_are_found() -> None:
    """Ten of 70, moved by up to 3 of 128 pixels and grown by up to 6 %."""
    rng, seen, design = np.random.default_rng(3), [], blotches((0,), 6)
    for number in range(80):
        values = np.clip(120 + 45 * design + 12 * blotches((1, number % 70), 9), 0, 255)
        right, down, growth = rng.uniform(-3, 3, 3) * (number >= 70)
        size = 1 + abs(growth) / 50
        moved = Image.fromarray(values.astype(np.uint8)).transform(
            (128, 128), Image.Transform.AFFINE, (1 / size, 0, right, 0, 1 / size, down)
        )
        seen.append(thumbnail_of(np.asarray(moved.convert("RGB")), -1))
    table_rows = [
        TableRow(f"a/{hash_of(n)}.jpg", "a", "", f"{n:064x}", n, "", *[1] * 4) for n in range(80)
    ]
    proposal = propose_by_pictures(table_rows, seen)
    assert sum(proposal.groups[n] == proposal.groups[70 + n] for n in range(10)) >= 9
    assert proposal.sizes.max() <= 2


def test_parts_that_were_turned_alike_by_an_export_stay_apart() -> None:
    """Twelve versions of each part of one design, whose black corners look nearly the same."""
    seen, design = [], blotches((0,), 6)
    for number in range(72):
        values = np.clip(120 + 45 * design + 9 * blotches((1, number // 12), 9), 0, 255)
        whole, angle = Image.fromarray(values.astype(np.uint8)), 25 + 25 * (number % 12)
        version = whole.rotate(angle, Image.Resampling.BICUBIC)
        seen.append(thumbnail_of(np.asarray(version.convert("RGB")), -1))
    table_rows = [
        TableRow(f"a/{hash_of(n)}.jpg", "a", "", f"{n:064x}", n, "", *[1] * 4) for n in range(72)
    ]
    proposal = propose_by_pictures(table_rows, seen)
    assert proposal.groups.tolist() == [n // 12 for n in range(72)]


def test_few_turned_versions_of_each_part_stay_with_it() -> None:
    """Eight of ten parts, each turned by an angle of its own: no part is merged with another."""
    rng, seen = np.random.default_rng(7), []
    for number in range(80):
        own = 9 * blotches((1, number // 8), 9) + 8 * blotches((2, number // 8), 14)
        values = np.clip(120 + 45 * blotches((0,), 6) + own, 0, 255).astype(np.uint8)
        angle = float(rng.uniform(5, 355)) if number % 8 else 0.0
        version = Image.fromarray(values).rotate(angle, Image.Resampling.BICUBIC)
        seen.append(thumbnail_of(np.asarray(version.convert("RGB")), -1))
    table_rows = [
        TableRow(f"a/{hash_of(n)}.jpg", "a", "", f"{n:064x}", n, "", *[1] * 4) for n in range(80)
    ]
    proposal = propose_by_pictures(table_rows, seen)
    assert proposal.groups.tolist() == [n // 8 for n in range(80)]


def test_the_table_can_be_fed_back(tmp_path: Path) -> None:
    """groups.csv names every photograph, also odd names, and reading it gives the same groups."""
    odd = ["=a/x.jpg", 'a/ü, "q".jpg', "a/b\udcff.jpg", "'a/y.jpg", "-b/z.jpg"]
    proposal = Proposal(odd, np.array([0, 0, 1, 2, 1]))
    table = tmp_path / "groups.csv"
    content = groups_csv(proposal).encode("utf-8", "surrogateescape")
    table.write_bytes(content)
    assert match_groups(read_groups(table, odd), odd)[0] == proposal.by_path()
    table.write_bytes(MARK.encode() + content)  # with its mark it is UTF-8 without more ado
    assert match_groups(read_groups(table), odd)[0] == proposal.by_path()
    assert to_csv(["path"], [{"path": "=1+1"}]).endswith("'=1+1\n")


def test_sheets_without_the_photographs(
    planted: tuple[Path, dict[str, str]], tmp_path: Path
) -> None:
    """The cache alone is enough: sheets show its small pictures; old sheets go."""
    out = tmp_path / "groups"
    out.mkdir()
    (out / "groups-9.png").write_bytes(b"old")
    shown = show_groups(planted[0], out, sheets=1)
    assert {"groups.csv", "groups-1.png"} <= {file.name for file in shown.files}
    assert not (out / "groups-9.png").exists()
    assert (out / "groups-1.png").read_bytes().startswith(b"\x89PNG")
    assert shown.given is None


def test_sheets_are_not_laid_among_the_photographs(planted: tuple[Path, dict[str, str]]) -> None:
    """The next extract would take them for some."""
    with open_cache(planted[0]) as cache:
        root = Path(cache.note["root"])
    with pytest.raises(OutputError, match="would be taken for photographs"):
        show_groups(planted[0], root / "groups")
    assert not (root / "groups").exists()


def test_an_edited_table_is_never_lost(
    planted: tuple[Path, dict[str, str]], tmp_path: Path
) -> None:
    """The same proposal may be written again; a table that was edited only with force."""
    table = show_groups(planted[0], tmp_path, sheets=0).files[0]
    proposed = table.read_bytes()
    show_groups(planted[0], tmp_path, sheets=0)
    table.write_bytes(proposed + b"mine.jpg,part-9999\n")
    with pytest.raises(OutputError, match="may have been edited"):
        show_groups(planted[0], tmp_path, sheets=0)
    assert table.read_bytes() == proposed + b"mine.jpg,part-9999\n"
    show_groups(planted[0], tmp_path, sheets=0, force=True)
    assert table.read_bytes() == proposed


@pytest.mark.parametrize("count", [0, 1, 3, 11, 13])
def test_few_photographs(tmp_path: Path, count: int) -> None:
    """Fewer than anything can be told of: everyone on their own, and no crash."""
    photographs = {f"a/{n}.jpg": encode(part(n)) for n in range(count)}
    with Cache.read(make_cache(tmp_path / "c.h5", photographs)) as cache:
        proposal = propose(cache)
    assert len(proposal.paths) == count
    assert proposal.shared == 0


def test_photographs_that_are_all_the_same(tmp_path: Path) -> None:
    """Grey pictures without any content: not one part, and no division by nothing."""
    photographs = {f"a/{n}.jpg": encode(np.full((40, 40), 99 + n, np.uint8)) for n in range(30)}
    with Cache.read(make_cache(tmp_path / "c.h5", photographs)) as cache:
        proposal = propose(cache)
    assert proposal.sizes.max() <= 3


# ---- the gap ----------------------------------------------------------------------------


def test_optimism_says_what_random_hides() -> None:
    """Both scores side by side, the share that was torn, and nothing where no parts are."""
    groups = np.repeat(np.arange(200), 4)
    rows, y = np.arange(800), groups % 2
    by_part = (rows[400:], rows[:400])
    at_random = (rows[rows % 4 > 0], rows[rows % 4 == 0])
    low = dict.fromkeys(("roc_auc", "average_precision", "balanced_accuracy"), 0.8)
    high = dict.fromkeys(low, 0.95)
    optimism = measure_optimism(
        Rounds("x", [low], [by_part]), "random", lambda: Rounds("x", [high], [at_random]), groups, y
    )
    assert optimism is not None
    assert optimism.difference() == pytest.approx(0.15)
    assert optimism.torn == 1
    assert "looks 0.150 better than it is" in optimism.sentence()
    hidden = replace(optimism, random=optimism.random | {"roc_auc": optimism.grouped["roc_auc"]})
    assert "hardly shows it here, but the average precision looks 0.150 better" in hidden.sentence()
    worse = replace(hidden, random=optimism.random | {"roc_auc": (0.7, 0.0)})
    assert "the ROC AUC came out no better" in worse.sentence()
    assert "made no difference" in replace(optimism, random=optimism.grouped).sentence()
    alone = measure_optimism(Rounds("x", [low], [by_part]), "random", pytest.fail, rows, y)  # type: ignore[arg-type]
    assert alone is None


def test_a_difference_on_few_parts_is_not_called_flattery() -> None:
    """Ten tested parts, or folds that disagree: it may be chance, and the sentence says so."""
    groups = np.repeat(np.arange(40), 4)
    rows, y = np.arange(160), groups % 2
    test = np.isin(groups, np.arange(10))
    scores = dict.fromkeys(("roc_auc", "average_precision", "balanced_accuracy"), 0.85)
    by_part = Rounds("x", [scores], [(rows[~test], rows[test])])
    torn = rows[rows % 4 > 0], rows[::4]  # of every part one photograph is tested
    higher = Rounds("x", [scores | {"roc_auc": 0.906}], [torn])
    one = measure_optimism(by_part, "random", lambda: higher, groups, y)
    assert one is not None
    assert "came out 0.056 higher, which may be chance: 10 parts were tested" in one.sentence()
    folds = [(rows[~test], rows[test])] * 5
    scattered = [scores | {"roc_auc": value} for value in (0.7, 0.8, 0.9, 0.95, 1.0)]
    steady = [scores | {"roc_auc": 0.95 + 0.001 * k} for k in range(5)]
    several = measure_optimism(
        Rounds("x", scattered, folds), "random", lambda: Rounds("x", steady, [torn] * 5), groups, y
    )
    assert several is not None
    assert "which may be chance" in several.sentence()
    even = measure_optimism(
        Rounds("x", [scores] * 5, folds),
        "random",
        lambda: Rounds("x", steady, [torn] * 5),
        groups,
        y,
    )
    assert even is not None
    assert "looks 0.102 better than it is" in even.sentence()
