"""The demo's photographs: repeatable, grouped, honest about where the defect is, and leak-free."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import roc_auc_score

from features.errors import DataError, OutputError
from pipeline.demo.draw_parts import DrawnPhotograph, draw_parts
from pipeline.demo.draw_photograph import photograph_surface
from pipeline.demo.draw_surface import draw_surface

SIZE = (320, 240)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[DrawnPhotograph]]:
    """Twelve parts, three photographs of each."""
    folder = tmp_path_factory.mktemp("parts")
    return folder, draw_parts(folder, parts=12, views=3, seed=11, size=SIZE)


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*.*")}


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def photograph(part: int, view: int, defect: str, size: tuple[int, int] = (640, 480)):
    """One photograph; the same part and view give the same scene whatever the defect."""
    surface = draw_surface(4, part, defect)
    image, box = photograph_surface(surface, np.random.default_rng((4, part, view)), size)
    return np.asarray(image).astype(int), box


def test_same_seed_same_bytes_and_another_seed_other_bytes(
    drawn: tuple[Path, list[DrawnPhotograph]], tmp_path: Path
) -> None:
    """A seed fixes every byte of every file; another seed changes every photograph."""
    folder, entries = drawn
    again = draw_parts(tmp_path / "again", parts=12, views=3, seed=11, size=SIZE)
    assert again == entries
    assert contents(tmp_path / "again") == contents(folder)
    draw_parts(tmp_path / "other", parts=12, views=3, seed=12, size=SIZE)
    photographs = {data for name, data in contents(folder).items() if name.endswith(".jpg")}
    assert len(photographs) == 36
    assert not photographs & set(contents(tmp_path / "other").values())


def test_what_lies_in_the_folder(drawn: tuple[Path, list[DrawnPhotograph]]) -> None:
    """JPEG photographs of the size asked for in two class folders, two tables, nothing else."""
    folder, entries = drawn
    assert set(contents(folder)) == {e.path for e in entries} | {"groups.csv", "truth.csv"}
    assert {e.path.split("/")[0] for e in entries} == {"Healthy", "defects"}
    for entry in entries:
        with Image.open(folder / entry.path) as image:
            assert (image.format, image.mode, image.size) == ("JPEG", "RGB", SIZE)


def test_one_part_one_label_and_the_tables_name_every_photograph(
    drawn: tuple[Path, list[DrawnPhotograph]],
) -> None:
    """groups.csv and the pattern of the file names agree, and no part stands in two classes."""
    folder, entries = drawn
    groups = {row["path"]: row["group"] for row in table(folder / "groups.csv")}
    assert groups == {e.path: e.group for e in entries}
    labels: dict[str, set[str]] = {}
    for entry in entries:
        found = re.search(r"part-(\d+)", entry.path)
        assert found is not None
        assert entry.group == f"part-{found.group(1)}"
        labels.setdefault(entry.group, set()).add(entry.label)
    assert sorted(len(found) for found in labels.values()) == [1] * 12
    assert sum(found == {"Healthy"} for found in labels.values()) == 7  # 55 % of 12
    truth = {row.pop("path"): tuple(row.values()) for row in table(folder / "truth.csv")}
    assert truth == {e.path: tuple(map(str, e.box)) if e.box else ("",) * 4 for e in entries}


@pytest.mark.parametrize(("parts", "healthy"), [(2, 1), (3, 2), (20, 11), (60, 33)])
def test_both_classes_are_there_in_their_share(parts: int, healthy: int) -> None:
    """55 % of the parts are healthy, and with two parts there is one of each."""
    from pipeline.demo.draw_parts import _plan

    plan = _plan(parts, 2, seed=1, lot=0)
    assert len(plan) == 2 * parts
    assert sum(e.label == "Healthy" for e in plan) == 2 * healthy
    assert {e.defect for e in plan if e.label == "Healthy"} == {""}
    kinds = {e.defect for e in plan if e.label == "defects"}
    assert kinds == ({"crack", "wrinkle"} if parts >= 20 else {"crack"})


def test_boxes_lie_inside_and_only_defects_have_one(
    drawn: tuple[Path, list[DrawnPhotograph]],
) -> None:
    """Every defective photograph has a box of some pixels within the picture; no healthy one."""
    for entry in drawn[1]:
        assert (entry.box is not None) == (entry.label == "defects") == bool(entry.defect)
        if entry.box is not None:
            x0, y0, x1, y1 = entry.box
            assert 0 <= x0 < x0 + 8 <= x1 <= SIZE[0]
            assert 0 <= y0 < y0 + 8 <= y1 <= SIZE[1]


@pytest.mark.parametrize("defect", ["crack", "wrinkle"])
def test_the_defect_is_in_its_box_and_nothing_else_differs(defect: str) -> None:
    """Against the healthy twin, the change is plain inside the box and next to none outside."""
    for part in range(5):
        healthy, none = photograph(part, 0, "")
        broken, box = photograph(part, 0, defect)
        assert none is None
        assert box is not None
        change = np.abs(broken - healthy).max(axis=2)
        x0, y0, x1, y1 = box
        inside = change[y0:y1, x0:x1]
        assert np.quantile(inside, 0.98) > 15
        assert inside.sum() > 0.85 * change.sum()
        change[y0:y1, x0:x1] = 0
        assert change.max() <= 60
        assert (change > 5).mean() < 0.01
        # The corners, where no part lies, are the same to the bit.
        assert not change[:20, :20].any()


def test_a_part_is_the_same_in_all_views() -> None:
    """The surface depends on seed and part alone; a view changes the photograph, not the part."""
    one, same, other = draw_surface(4, 1), draw_surface(4, 1), draw_surface(4, 2)
    assert np.array_equal(one.slope[0], same.slope[0])
    assert not np.array_equal(one.brightness, other.brightness)
    first, second = photograph(1, 0, "")[0], photograph(1, 1, "")[0]
    assert np.abs(first - second).mean() > 10


def test_parts_of_one_seed_are_one_design() -> None:
    """All parts of a seed, in every lot, have one outline; another seed is another product."""
    one, two, later = draw_surface(4, 1), draw_surface(4, 2), draw_surface(4, 1, lot=1)
    assert np.array_equal(one.cover, two.cover)
    assert np.array_equal(one.cover, later.cover)
    assert not np.array_equal(one.brightness, later.brightness)
    assert not np.array_equal(one.cover, draw_surface(5, 1).cover)


def test_light_and_background_do_not_give_the_label_away(tmp_path: Path) -> None:
    """What the border of a photograph shows, and its file's size, tell nothing of its class."""
    entries = draw_parts(tmp_path, parts=60, views=3, seed=21, size=(96, 72))
    y = [entry.label == "defects" for entry in entries]
    hints: dict[str, list[float]] = {"bytes": [], "mean": [], "spread": [], "red": [], "blue": []}
    for entry in entries:
        file = tmp_path / entry.path
        with Image.open(file) as image:
            pixels = np.asarray(image).astype(float)
        border = np.concatenate([pixels[:6].reshape(-1, 3), pixels[-6:].reshape(-1, 3)])
        hints["bytes"].append(file.stat().st_size)
        hints["mean"].append(border.mean())
        hints["spread"].append(border.std())
        hints["red"].append(border[:, 0].mean() / border.mean())
        hints["blue"].append(border[:, 2].mean() / border.mean())
    found = {name: roc_auc_score(y, values) for name, values in hints.items()}
    # 180 photographs: by chance alone an AUC has a standard deviation of about 0.04.
    assert {name: auc for name, auc in found.items() if abs(auc - 0.5) > 0.13} == {}


def test_a_crack_is_dark_against_its_surroundings() -> None:
    """A person sees a crack: along it the metal is clearly darker than in the healthy twin."""
    darker = 0
    for part in range(8):
        healthy, broken = photograph(part, 0, "")[0], photograph(part, 0, "crack")[0]
        loss = (healthy - broken).mean(axis=2)
        darker += np.count_nonzero(loss > 30) > 60
    assert darker >= 7


def test_numbers_out_of_range_are_refused(tmp_path: Path) -> None:
    """One part, no view, a negative seed or a thumbnail's size is an error that names the least."""
    good = {"parts": 2, "views": 1, "seed": 0, "size": (64, 64)}
    for bad in ({"parts": 1}, {"views": 0}, {"seed": -1}, {"size": (63, 480)}):
        with pytest.raises(DataError, match="expected at least 2 parts, 1 view, 64×64"):
            draw_parts(tmp_path, **(good | bad))
    assert list(tmp_path.iterdir()) == []
    assert len(draw_parts(tmp_path, **good)) == 2


def test_photographs_of_another_drawing_are_not_mixed_in(tmp_path: Path) -> None:
    """Drawing again over the same is fine; photographs that would stay behind are an error."""
    for _ in range(2):
        draw_parts(tmp_path, parts=2, views=1, seed=0, size=(64, 64))
    (tmp_path / "defects" / "mine.jpg").write_bytes(b"precious")
    before = contents(tmp_path)
    with pytest.raises(OutputError, match=r"already holds 'defects/mine\.jpg'"):
        draw_parts(tmp_path, parts=2, views=1, seed=1, size=(64, 64))
    assert contents(tmp_path) == before
