"""What is not said is taken from the cache: a cache of an earlier recipe stays what it is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from toy import ToyBackbone, write_folder

import pipeline
from features.backbones.registry import BACKBONES
from features.cache.cache import Cache
from features.errors import FingerprintError
from features.photographs.recipe import RECIPES
from pipeline.data import extract_folder
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
