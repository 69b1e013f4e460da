"""What is not said is taken from the cache: a cache of an earlier recipe stays what it is."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from models import shade
from PIL import Image
from toy import ToyBackbone, write_folder

import pipeline
from features.backbones.registry import BACKBONES
from features.cache.cache import Cache
from features.errors import DataError, FingerprintError
from features.photographs.recipe import RECIPES
from pipeline.data import extract_folder
from pipeline.data.label_table import LabelRule
from pipeline.groups.rules import GroupRule
from pipeline.terminal import results


@pytest.fixture
def cache(tmp_path: Path, toy: type[ToyBackbone], monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a cache as version 0.1.0 made it: of the first revision of `imagenet`."""
    monkeypatch.setitem(BACKBONES, "inception_v3", "toy:ToyBackbone")
    write_folder(tmp_path / "data", {"Healthy": 4, "defects": 4})
    path = tmp_path / "features.h5"
    with monkeypatch.context() as earlier:
        first = replace(RECIPES["imagenet"], revision=1, srgb=False)
        earlier.setitem(RECIPES, "imagenet", first)
        pipeline.extract_folder(tmp_path / "data", path, pipeline.ExtractOptions(weights="random"))
    return path


@pytest.mark.parametrize("said", [{}, {"weights": "random"}, {"recipe": "imagenet"}])
def test_a_cache_keeps_its_revision(cache: Path, said: dict[str, str]) -> None:
    """New photographs go through the recipe that the others went through, whatever else is said."""
    write_folder(cache.parent / "data", {"Healthy": 6, "defects": 4})
    done = pipeline.extract_folder(cache.parent / "data", cache, pipeline.ExtractOptions(**said))
    assert done.extraction.extracted >= 2
    with Cache.read(cache) as opened:
        assert opened.fields["recipe"]["revision"] == 1


def test_another_recipe_is_refused(cache: Path) -> None:
    """By its name another recipe is another; nothing is taken for it."""
    with pytest.raises(FingerprintError, match="recipe"):
        pipeline.extract_folder(
            cache.parent / "data", cache, pipeline.ExtractOptions(recipe="docs")
        )


@pytest.mark.parametrize("look", ["full+five:colour", "plain"])
def test_a_long_run_says_so_itself(
    tmp_path: Path,
    toy: type[ToyBackbone],
    monkeypatch: pytest.MonkeyPatch,
    look: str,
) -> None:
    """Once, and the quicker look is named where there is one."""
    monkeypatch.setattr(extract_folder, "LONG", 0)
    monkeypatch.setattr(extract_folder, "_SOON", 0)
    write_folder(tmp_path / "data", {"Healthy": 6, "defects": 6})
    said: list[str] = []
    done = pipeline.extract_folder(
        tmp_path / "data",
        tmp_path / "c.h5",
        pipeline.ExtractOptions(backbone="toy", weights="random", look=look, batch_size=2),
        warn=said.append,
    )
    assert len(said) == 1
    assert "minutes to go; what is done is kept if you stop" in said[0]
    assert ("--look plain" in said[0]) == (look != "plain")
    row = next(
        line
        for line in results.extraction(done, tmp_path / "c.h5").splitlines()
        if line.startswith("look")
    )
    assert ("6 times the time of --look plain" in row) == (look != "plain")


@pytest.mark.parametrize(("gap", "said"), [("10s", 0), ("1h", 1)])
def test_a_gap_that_makes_one_part_of_everything_is_warned_of(
    tmp_path: Path, toy: type[ToyBackbone], gap: str, said: int
) -> None:
    """By extract itself, as of a pattern, not first by the command behind it."""
    for number in range(24):
        file = (
            tmp_path / "data" / f"{'ng' if number > 11 else 'ok'}/IMG_20260302_09{number:02}00.png"
        )
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(shade(number, number > 11)).save(file)
    options = pipeline.ExtractOptions(
        backbone="toy", weights="random", look="plain", group_rule=GroupRule("gap", gap)
    )
    done = pipeline.extract_folder(tmp_path / "data", tmp_path / "c.h5", options)
    assert sum("24 of 24 photographs are in one part" in note for note in done.scan.notes) == said


def told(file: Path, table: str, lines: list[str]) -> dict[str, Any]:
    """Write a table of classes or of groups, and give the option that names it."""
    file.write_text("\n".join(["path,label" if table == "labels" else "path,group", *lines]))
    if table == "labels":
        return {"labels": LabelRule(str(file))}
    return {"group_rule": GroupRule("file", str(file))}


@pytest.mark.parametrize("table", ["labels", "groups"])
def test_a_table_of_one_folder_is_not_read_for_another(
    tmp_path: Path, toy: type[ToyBackbone], table: str
) -> None:
    """IMG_0000 of the other folder is another photograph: it got the class, or part, of the first.

    A folder that was moved is the same one, and who names the table again is believed, in a line
    where the folders say the opposite.
    """
    kept, root = tmp_path / "c.h5", tmp_path / "first"
    for folder, files in (("first", "{0}.png"), ("other", "OK/{0}.png"), ("third", "{0}.png")):
        for number in range(4):
            file = tmp_path / folder / files.format(f"IMG_{number:04}")
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(shade(number + 10 * ord(folder[0]), number > 1)).save(file)
    lines = [f"IMG_{number:04}.png,{'nok' if number > 1 else 'ok'}" for number in range(4)]
    rule = told(tmp_path / "told.csv", table, lines)
    plain = {"backbone": "toy", "weights": "random", "look": "plain"}
    pipeline.extract_folder(root, kept, pipeline.ExtractOptions(**plain, **rule))
    for other in ("other", "third"):
        with pytest.raises(
            DataError, match=rf"filled from .*first, with .*told.csv.*--{table} FILE"
        ):
            pipeline.extract_folder(tmp_path / other, kept)
    root.rename(tmp_path / "moved")
    done = pipeline.extract_folder(tmp_path / "moved", kept)
    assert done.extraction.extracted == 0
    done = pipeline.extract_folder(tmp_path / "other", kept, pipeline.ExtractOptions(**rule))
    opposite = "the folders say the opposite of 2 photographs, such as 'OK/IMG_0002.png'"
    assert any(opposite in note for note in done.scan.notes) == (table == "labels")


@pytest.mark.parametrize("table", ["labels", "groups"])
def test_a_table_is_not_read_for_the_next_export_into_the_same_folder(
    tmp_path: Path, toy: type[ToyBackbone], table: str
) -> None:
    """Bitmaps of one size, one of twelve as it was: refused; some edited, added, copied: read."""
    kept, root, copy = tmp_path / "c.h5", tmp_path / "data", tmp_path / "copy"
    root.mkdir()

    def export(numbers: range, day: int) -> None:
        for number in numbers:
            Image.fromarray(shade(number + 50 * day, number % 2 > 0)).save(
                root / f"img{number}.bmp"
            )

    export(range(12), 0)
    lines = [f"img{number}.bmp,{'nok' if number % 2 else 'ok'}" for number in range(12)]
    rule = told(tmp_path / "told.csv", table, lines)
    plain = {"backbone": "toy", "weights": "random", "look": "plain"}
    pipeline.extract_folder(root, kept, pipeline.ExtractOptions(**plain, **rule))
    export(range(3), 1)
    export(range(12, 14), 1)
    assert pipeline.extract_folder(root, kept).extraction.extracted == 5
    copy.mkdir()
    for one in root.iterdir():
        shutil.copyfile(one, copy / one.name)  # other times
    root.rename(tmp_path / "before")
    copy.rename(root)
    assert pipeline.extract_folder(root, kept).extraction.extracted == 0
    export(range(11), 2)
    said = rf"c.h5 was filled from .*told.csv, and of its 12 .*say --{table} FILE or --"
    with pytest.raises(DataError, match=said):
        pipeline.extract_folder(root, kept)
    assert pipeline.extract_folder(root, kept, pipeline.ExtractOptions(**rule)).scan.photographs


def test_names_of_classes_that_are_not_read_are_not_said_to_be_missing(
    tmp_path: Path, toy: type[ToyBackbone]
) -> None:
    """`--classes`: the table's other lines fit none of those that are read; they are there."""
    root, file = write_folder(tmp_path / "data", {"Healthy": 6, "defects": 6}), tmp_path / "g.csv"
    names = [one.relative_to(root).as_posix() for one in sorted(root.rglob("*.*"))]
    file.write_text(
        "\n".join(["path,group", *(f"{name},p{i // 2}" for i, name in enumerate(names))])
    )
    options = pipeline.ExtractOptions(
        backbone="toy", weights="random", classes=["Healthy"],
        group_rule=GroupRule("file", str(file)),
    )  # fmt: skip
    notes = pipeline.extract_folder(root, tmp_path / "c.h5", options).scan.notes
    assert f"6 names in {file} fit none of the photographs that are read" in " ".join(notes)
