"""pipeline.write_up.reproduce, ladder and subset: the write-up's ladder, whole and interrupted."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from commands import Run
from models import write_parts
from PIL import Image
from report_check import check_page, plain
from toy import ToyBackbone

import pipeline
from features.backbones.registry import BACKBONES
from features.errors import DataError, OutputError, SplitError
from features.photographs.recipe import RECIPES
from pipeline.cnn.cnn import Cnn
from pipeline.cnn.photograph_batches import PhotographSet, look_at_folder
from pipeline.data.splits import holdout
from pipeline.write_up.ladder import SPLITS, TITLES, Ladder, training_verdict

PARTS = pipeline.GroupRule("regex", r"part-(\d+)")
OPTIONS = pipeline.ReproduceOptions(seeds=1, epochs=2, group_rule=PARTS, weights="random")


@pytest.fixture(scope="module")
def patched() -> Iterator[pytest.MonkeyPatch]:
    """Give the toy in the backbone's place, and small photographs."""
    with pytest.MonkeyPatch.context() as patch:
        ToyBackbone.reset()
        patch.setitem(BACKBONES, "inception_v3", "toy:ToyBackbone")
        patch.setitem(RECIPES, "docs", replace(RECIPES["docs"], height=32, width=32))
        yield patch


@pytest.fixture(scope="module")
def reproduced(
    tmp_path_factory: pytest.TempPathFactory, patched: pytest.MonkeyPatch
) -> tuple[Path, Ladder, list[str], list[tuple[int, int]]]:
    """Give a ladder that was stopped in its sixth run and then went on; which runs were kept."""
    root = tmp_path_factory.mktemp("ladder")
    write_parts(root / "data")
    ToyBackbone.reset()

    def stop(done: int, _total: int) -> None:
        if done == 72 + 5 * 2 + 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pipeline.reproduce(root / "data", root / "out", OPTIONS, progress=stop)
    kept = {p.name: p.stat().st_mtime_ns for p in (root / "out" / "runs").iterdir()}
    assert not (root / "out" / "table.csv").exists()
    calls: list[tuple[int, int]] = []
    ladder = pipeline.reproduce(
        root / "data", root / "out", OPTIONS, progress=lambda *given: calls.append(given)
    )
    assert ToyBackbone.photographs == 72  # the second start found every row in the cache
    for name, stamp in kept.items():
        assert (root / "out" / "runs" / name).stat().st_mtime_ns == stamp
    return root, ladder, sorted(kept), calls


def test_a_stopped_ladder_goes_on_where_it_was(
    reproduced: tuple[Path, Ladder, list[str], list[tuple[int, int]]],
) -> None:
    """Five runs were finished and stay as they are; only the other three are trained."""
    root, _, kept, calls = reproduced
    assert kept == [
        "augmented-random-0.json", "base-grouped-0.json", "base-random-0.json",
        "dense-random-0.json", "dropout-random-0.json",
    ]  # fmt: skip
    assert len(list((root / "out" / "runs").iterdir())) == len(SPLITS) * len(TITLES)
    assert calls[-1] == (72 + 16, 72 + 16)
    assert [done for done, _ in calls] == sorted(done for done, _ in calls)


def test_a_finished_ladder_trains_nothing(
    reproduced: tuple[Path, Ladder, list[str], list[tuple[int, int]]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The same command again gives the same table at once; other epochs are other runs."""
    root, ladder, *_ = reproduced
    monkeypatch.setattr(Cnn, "fit", lambda *_, **__: pytest.fail("it trained"))
    before = (root / "out" / "table.csv").read_bytes()
    again = pipeline.reproduce(root / "data", root / "out", OPTIONS)
    assert again.table() == ladder.table()
    assert (root / "out" / "table.csv").read_bytes() == before
    with pytest.raises(pytest.fail.Exception, match="it trained"):
        pipeline.reproduce(root / "data", root / "out", replace(OPTIONS, epochs=3))


def test_the_tables_say_what_the_runs_say(
    reproduced: tuple[Path, Ladder, list[str], list[tuple[int, int]]],
) -> None:
    """table.csv, .json and .md hold every rung on both splits, beside the write-up's figure."""
    root, *_ = reproduced
    out = root / "out"
    rows = list(csv.DictReader((out / "table.csv").open(encoding="utf-8-sig")))
    assert [(row["rung"], row["split"]) for row in rows] == [
        (rung, split) for rung in TITLES for split in SPLITS
    ]
    for row in rows:
        made = json.loads((out / "runs" / f"{row['rung']}-{row['split']}-0.json").read_text())
        assert float(row["train_accuracy"]) == made["train"]["accuracy"]
        assert float(row["validation_accuracy"]) == made["validation"]["accuracy"]
        right = [
            int(np.argmax(entry["probabilities"]) == entry["truth"]) for entry in made["verdicts"]
        ]
        assert made["validation"]["accuracy"] == pytest.approx(np.mean(right))
        for name in ("accuracy", "balanced_accuracy"):
            value = float(row[f"validation_{name}"])
            ends = [float(row[f"validation_{name}_{end}"]) for end in ("low", "high")]
            assert ends[0] <= value <= ends[1]
            assert ends[0] < ends[1]
        assert len(made["history"]) == 2
        assert {"accuracy", "val_accuracy"} <= set(made["history"][0])
    assert [row["write_up"] for row in rows if row["rung"] == "dense"] == ["about 88 %", ""]
    table = json.loads((out / "table.json").read_text())
    assert len(table["rows"]) == 8
    markdown = (out / "table.md").read_text()
    assert "72 photographs of 24 parts (48 Healthy, 24 defects)" in markdown
    assert "54 for training, 18 for validation" in markdown
    assert markdown.count("\n| ") == 10
    assert re.search(r"0\.\d{3} \[0\.\d{3}, [01]\.\d{3}\]", markdown)
    assert "In brackets: 95 % intervals (bootstrap over parts" in markdown
    for line in table["says"]:
        assert f"- {line}" in markdown


def test_page_and_sheet_are_made(
    reproduced: tuple[Path, Ladder, list[str], list[tuple[int, int]]],
) -> None:
    """Curves of four rungs on two splits; a sheet of photographs that the head never saw."""
    root, ladder, *_ = reproduced
    page = pipeline.reproduction_report(ladder)
    check_page(page)
    said = plain(page)
    assert page.count('role="img"') == len(TITLES) * len(SPLITS)
    assert len(re.findall(r'<path d="M[^"]+L[^"]+" fill="none" class="line style-0"', page)) == 8
    assert all(line in said for line in (ladder.describe(), *ladder.words()))
    row = ladder.rows()[0]
    low, high = ladder.intervals[row.rung, row.split]["accuracy"]
    assert f"{row.mean['validation_accuracy']:.3f} {low:.3f} to {high:.3f}" in said
    with Image.open(root / "out" / "sheet.png") as image:
        assert image.width == 1208
    found = ladder.verdicts()
    wrong = sum(p.verdict != p.truth for p in found)
    assert f"judged {len(found)} photographs and was wrong about {wrong}" in said
    _, held = holdout(ladder.photographs.y, ladder.photographs.groups, seed=0)
    assert [p.path for p in found] == [ladder.photographs.table_rows[i].path for i in held]
    assert all(p.truth == Path(p.path).parts[0] for p in found)


def made_ladder(photographs: PhotographSet, random: float, grouped: float) -> Ladder:
    """Give a ladder with these balanced validation accuracies in every rung."""
    scores = {"accuracy": 1.0, "roc_auc": 0.5, "photographs": 18}
    runs = [
        {"rung": rung, "split": split, "seed": seed, "history": [{"loss": 0.1}] * 6,
         "train": scores | {"balanced_accuracy": max(random, 0.9)},
         "validation": scores | {"balanced_accuracy": value + (seed - 0.5) / 50}}
        for rung in TITLES
        for split, value in (("random", random), ("grouped", grouped))
        for seed in (0, 1)
    ]  # fmt: skip
    return Ladder(photographs, 2, runs)


def test_words_tell_how_far_the_random_split_flatters(
    reproduced: tuple[Path, Ladder, list[str], list[tuple[int, int]]],
) -> None:
    """By how many points, that it does not, or that nobody can know without parts."""
    photographs = reproduced[1].photographs
    words = made_ladder(photographs, 0.95, 0.85).words()
    assert len(words) == 5
    assert "balanced accuracy 95.0 % on the random split, 85.0 % on parts never seen" in words[0]
    assert words[-1] == (
        "Over the 4 models that learned something, the random split flatters by 10.0 points."
    )
    constant = made_ladder(photographs, 0.5, 0.5).words()
    assert all("no better than chance" in line for line in constant[:4])
    assert not any("models that learned something" in line for line in constant)
    assert "no flattery is seen" in made_ladder(photographs, 0.8, 0.9).words()[-1]
    assert "makes no difference" in made_ladder(photographs, 0.8, 0.8).words()[-1]
    assert "lacks a class" in made_ladder(photographs, 0.8, np.nan).words()[-1]
    alone = replace(photographs, groups=np.arange(len(photographs)))
    assert "both splits are random ones" in made_ladder(alone, 1, 1).words()[0]
    row = made_ladder(photographs, 0.95, 0.85).rows()[0]
    assert row.mean["validation_balanced_accuracy"] == pytest.approx(0.95)
    assert row.spread["validation_balanced_accuracy"] == pytest.approx(0.02 / np.sqrt(2))
    assert "0.950 ± 0.014" in row.cells()


def test_words_tell_what_was_learned() -> None:
    """Nothing, too briefly, by heart, or all is well."""

    def run(train: float, new: float, losses: list[float], accuracy: float = 0.9) -> dict:
        return {
            "train": {"balanced_accuracy": train, "accuracy": accuracy},
            "validation": {"balanced_accuracy": new},
            "history": [{"loss": loss} for loss in losses],
        }

    flat, falling = [0.5] * 9, [0.9 - 0.08 * epoch for epoch in range(9)]
    assert training_verdict([run(0.9, 0.85, flat)], 0.5) == ""
    nothing = training_verdict([run(0.5, 0.5, flat), run(0.52, 0.5, flat)], 0.5)
    assert nothing.startswith("learned nothing in 2 of 2 runs: not even the training photographs")
    assert "overfits" not in nothing
    few = training_verdict([run(0.8, 0.75, falling)], 0.5)
    assert few == (
        "9 epochs were too few: the loss in training still falls, from 0.58 in the second third "
        "to 0.34 in the last; try --epochs 18"
    )
    assert training_verdict([run(0.99, 0.95, falling, accuracy=0.99)], 0.5) == ""
    heart = training_verdict([run(1.0, 0.6, flat), run(0.5, 0.5, flat)], 0.5)
    assert heart == (
        "learned nothing in 1 of 2 runs: not even the training photographs are told apart; "
        "overfits: balanced accuracy 75.0 % in training, 55.0 % on other photographs"
    )
    assert training_verdict([run(0.9, 0.85, [0.5, 0.4])], 0.5) == ""


def test_the_command_says_what_was_found(
    reproduced: tuple[Path, Ladder, list[str], list[tuple[int, int]]],
    run: Run,
) -> None:
    """`reproduce` prints the table and the words, and where the files are."""
    root, ladder, *_ = reproduced
    code, out, _ = run(
        "reproduce", str(root / "data"), "--out", str(root / "out"), "--seeds", "1",
        "--epochs", "2", "--weights", "random", "--group-regex", r"part-(\d+)",
    )  # fmt: skip
    assert code == 0
    assert all(line in out for line in (ladder.describe(), *ladder.words()))
    assert "about 88 %" in out
    assert f"{root / 'out' / 'sheet.png'}" in out
    check_page((root / "out" / "report.html").read_text("utf-8"))


def test_the_write_ups_split_is_188_and_62() -> None:
    """int(n · 0.25) for validation, every photograph on one side, another shuffle per seed."""
    from pipeline.write_up.reproduce import split_like_the_write_up

    train, held = split_like_the_write_up(250, 0)
    assert (len(train), len(held)) == (188, 62)
    assert sorted([*train, *held]) == list(range(250))
    assert held.tolist() != split_like_the_write_up(250, 1)[1].tolist()
    with pytest.raises(SplitError, match="3 photographs"):
        split_like_the_write_up(3, 0)


def test_a_subset_has_whole_parts_and_even_classes(
    tmp_path: Path, patched: pytest.MonkeyPatch
) -> None:
    """As many of each class as there are and as were asked for; the same ones for a seed."""
    from pipeline.write_up.reproduce import choose_parts, share_evenly

    assert share_evenly(np.array([952, 57]), 250).tolist() == [193, 57]
    assert share_evenly(np.array([952, 500]), 250).tolist() == [125, 125]
    assert share_evenly(np.array([5, 3]), 250).tolist() == [5, 3]
    found = look_at_folder(
        write_parts(tmp_path / "data"), RECIPES["docs"], group_rule=PARTS
    )  # fmt: skip
    chosen = choose_parts(found, 30)
    assert np.bincount(chosen.y).tolist() == [15, 15]
    for group in np.unique(chosen.groups):
        assert (chosen.groups == group).sum() == (found.groups == group).sum() == 3
    assert [s.path for s in choose_parts(found, 30).table_rows] == [
        s.path for s in chosen.table_rows
    ]
    assert [s.path for s in choose_parts(found, 30, seed=1).table_rows] != [
        s.path for s in chosen.table_rows
    ]
    with pytest.raises(DataError, match="at least two of each"):
        choose_parts(found, 3)


def test_foreign_folders_are_left_alone(tmp_path: Path, patched: pytest.MonkeyPatch) -> None:
    """`out` must be new, empty or a reproduction."""
    data = write_parts(tmp_path / "data", 6)
    with pytest.raises(OutputError, match="holds no reproduction"):
        pipeline.reproduce(data, data, OPTIONS)
