"""Verdicts about parts: told, proposed, or of one photograph; claims that are refused."""

from __future__ import annotations

import csv
import io
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from models import load, write_parts

import pipeline
from features.errors import ThresholdError
from pipeline.evaluation.part_rules import combine
from pipeline.groups.proposal import AT_MOST
from pipeline.model.part_predictions import DISAGREE, as_proposed
from pipeline.model.prediction_tables import write_tables
from pipeline.terminal.predictions import predictions as said

TOLD = pipeline.GroupRule("regex", r"part-(\d+)")


def predicted(cache: Path, folder: Path, *, told: bool = True) -> tuple[pipeline.Bundle, list]:
    """Give a model on parts that were told, and what it says of a folder."""
    done = pipeline.fit(
        pipeline.load_dataset(cache),
        cache.parent / "model",
        pipeline.FitOptions(head="logistic", optimism=False),
    )
    bundle, names = load(done.folder), [str(folder)]
    photographs = pipeline.find_photographs(names)
    if told:
        photographs = pipeline.told_parts(TOLD, names, photographs)
    return bundle, pipeline.predict(bundle, photographs, cache)


def test_a_told_part_has_one_verdict(cache: Path, tmp_path: Path) -> None:
    """From all its photographs, by the model's rule; the second table has a line for each."""
    new = write_parts(tmp_path / "new", 6, first=900)
    bundle, found = predicted(cache, new)
    parts = pipeline.predict_parts(bundle, found)
    assert [len(part.photographs) for part in parts] == [3] * 6
    assert said(found, parts).startswith("6 parts: ")
    assert said(found[:3], parts[:1]).startswith("1 part: ")
    assert bundle.decision.part_rule == "mean"
    for part in parts:
        P = np.array([one.chances for one in part.photographs])
        expected = bundle.decision.alone(combine(P, np.zeros(3, dtype=np.int64)))[0, 1]
        assert part.probability == pytest.approx(expected)
    files = write_tables(bundle, found, parts, tmp_path / "predictions.csv")
    assert [file.name for file in files] == ["predictions.csv", "predictions.parts.csv"]
    rows = list(csv.DictReader(io.StringIO(files[1].read_text("utf-8-sig"))))
    assert {row["part"] for row in rows} == {str(number) for number in range(900, 906)}
    assert [row["class"] for row in rows] == [part.verdict for part in parts]
    assert {row["photographs"] for row in rows} == {"3"}


def test_a_part_with_one_photograph_is_that_photograph(cache: Path, tmp_path: Path) -> None:
    """Told to be apart, every photograph is judged as before, and there is no second table."""
    new = write_parts(tmp_path / "new", 3, first=900)
    bundle, found = predicted(cache, new)
    alone = [replace(one, part="") for one in found]
    parts = pipeline.predict_parts(bundle, alone)
    assert [part.verdict for part in parts] == [one.verdict for one in alone]
    assert write_tables(bundle, alone, parts, tmp_path / "p.csv") == [tmp_path / "p.csv"]


def test_a_table_of_parts_is_taken_away_only_if_it_is_ours(cache: Path, tmp_path: Path) -> None:
    """Of an earlier run it is no longer true; somebody else's is left alone, forced or not."""
    bundle, found = predicted(cache, write_parts(tmp_path / "new", 3, first=900))
    alone = [replace(one, part="") for one in found]
    beside_it = tmp_path / "p.parts.csv"
    write_tables(bundle, found, pipeline.predict_parts(bundle, found), tmp_path / "p.csv")
    assert beside_it.exists()
    write_tables(bundle, alone, pipeline.predict_parts(bundle, alone), tmp_path / "p.csv")
    assert not beside_it.exists()
    beside_it.write_text("screw,price\nM3,1\n")
    write_tables(bundle, alone, pipeline.predict_parts(bundle, alone), tmp_path / "p.csv")
    assert beside_it.read_text() == "screw,price\nM3,1\n"


def test_a_proposed_part_that_disagrees_goes_to_a_person(cache: Path, tmp_path: Path) -> None:
    """A defective photograph among good ones of a proposed part: nobody knows that it is one part.

    Told, the same photographs are judged by their mean.
    """
    bundle, found = predicted(cache, write_parts(tmp_path / "new", 3, first=900))
    rule = pipeline.GroupRule("proposed")
    sure = {"Healthy": np.array([0.9999, 0.0001]), "defects": np.array([0.2, 0.8])}
    mixed = [
        replace(one, part="p", group_rule=rule, strangeness=None, verdict=name, chances=sure[name])
        for one, name in zip(found, ["Healthy"] * 8 + ["defects"], strict=True)
    ]
    (part,) = pipeline.predict_parts(bundle, mixed)
    assert (part.verdict, part.for_person, part.note) == ("review", True, DISAGREE)
    (told,) = pipeline.predict_parts(bundle, [replace(one, group_rule=None) for one in mixed])
    assert told.verdict == "Healthy"


@pytest.mark.parametrize("names", [("Healthy", "defects"), ("OK", "NG")])
def test_one_number_in_two_folders_of_classes_is_two_parts(
    cache: Path, tmp_path: Path, names: tuple[str, str]
) -> None:
    """new/OK/07.png and new/NG/07.png were taken for one part, judged by the mean of both."""
    pictures = sorted(write_parts(tmp_path / "drawn", 8, first=900).rglob("*.png"))
    for at, picture in enumerate(pictures[:24]):
        folder = tmp_path / "new" / names[at % 2]
        folder.mkdir(parents=True, exist_ok=True)
        picture.rename(folder / f"{at // 2:02d}.png")
    _, found = predicted(cache, tmp_path / "new", told=False)
    assert len(found) == 24
    of_parts = Counter(one.part for one in found if one.part)
    torn = {one.part for one in found if one.part and one.path.endswith("07.png")}
    assert len(torn) == len([one for one in found if one.part and one.path.endswith("07.png")])
    assert max(of_parts.values(), default=1) <= 3


def test_how_many_parts_there_are_is_said_as_surely_as_it_is_known(
    cache: Path, tmp_path: Path
) -> None:
    """Proposed ones are probably so many, or at most so many where most stand alone."""
    bundle, found = predicted(cache, write_parts(tmp_path / "new", 2, first=900))
    for value, words in (("", "probably 2 parts, "), (AT_MOST, "at most 2 parts, could be far")):
        rule = pipeline.GroupRule("proposed", value)
        guessed = [replace(one, group_rule=rule) for one in found]
        parts = pipeline.predict_parts(bundle, guessed)
        assert all(part.part_from == "proposed" for part in parts)
        assert said(guessed, parts).startswith(words)
        assert as_proposed(parts).startswith(words)
    alone = [replace(one, part="", group_rule=pipeline.GroupRule()) for one in found]
    parts = pipeline.predict_parts(bundle, alone)
    assert {part.part_from for part in parts} == {"unknown"}
    assert as_proposed(parts).startswith("at most 6 parts, could be far fewer")
    assert not as_proposed(pipeline.predict_parts(bundle, found))


def test_the_pattern_of_the_model_is_named_where_nobody_said_one(
    cache: Path, tmp_path: Path
) -> None:
    """Who told parts by a pattern for `extract` is reminded of it; it is not used unasked."""
    new, hint = write_parts(tmp_path / "new", 2, first=900), f'--group-regex "{TOLD.value}"'
    bundle, _ = predicted(cache, new)
    photographs = pipeline.find_photographs([str(new)])
    for rule, said_it in ((TOLD, False), (pipeline.GroupRule(), True)):
        notes: list[str] = []
        grouped = pipeline.told_parts(rule, [str(new)], photographs)
        pipeline.predict(bundle, grouped, cache, notes=notes)
        assert any(hint in note for note in notes) == said_it


def test_claims_about_proposed_parts_are_refused(tmp_path: Path, cache: Path) -> None:
    """Whatever the proposal is, so that no claim on wrongly proposed parts can fail."""
    pipeline.extract_folder(
        tmp_path / "data",
        cache,
        pipeline.ExtractOptions(weights="random", group_rule=pipeline.GroupRule()),
    )
    data = pipeline.load_dataset(cache)
    assert data.folder.group_rule.kind == "proposed"
    for wishes in ({"max_missed": 0.65}, {"max_false": 0.65}):
        with pytest.raises(ThresholdError, match=r"only proposed.*--group-gap"):
            pipeline.fit(
                data,
                tmp_path / "m",
                pipeline.FitOptions(head="logistic", threshold=pipeline.ThresholdRule(**wishes)),
            )


def test_models_made_before_judge_photographs(cache: Path) -> None:
    """Without a part rule in model.json every photograph has a verdict of its own."""
    record = pipeline.Decision.not_chosen().to_json()
    for name in ("part_rule", "part_calibration", "disagreement"):
        del record[name]
    again = pipeline.Decision.from_json(record)
    assert (again.part_rule, again.of_wholes) == ("any", False)
    P = np.array([[0.3, 0.7]])
    assert again.alone(P) is P


def test_photographs_that_a_table_leaves_out_are_counted(tmp_path: Path) -> None:
    """A table of one photograph in two, and of one that is not there: both are said."""
    folder = tmp_path / "new"
    folder.mkdir()
    for name in ("a.jpg", "b.jpg"):
        (folder / name).write_bytes(b"")
    table = tmp_path / "parts.csv"
    table.write_text("path,group\na.jpg,1\nc.jpg,2\n", encoding="utf-8")
    photographs, notes = pipeline.find_photographs([str(folder)]), list[str]()
    given = pipeline.told_parts(
        pipeline.GroupRule("file", str(table)), [str(folder)], photographs, notes
    )
    assert [photograph.group for photograph in given] == ["1", ""]
    assert "'c.jpg'" in notes[0]
    assert notes[1].startswith("1 of 2 photographs are given no part")


def test_what_groups_says_of_proposed_parts_is_said(cache: Path, tmp_path: Path) -> None:
    """Thirty photographs are few to tell near copies by."""
    bundle, _ = predicted(cache, write_parts(tmp_path / "few", 1, first=900), told=False)
    notes: list[str] = []
    photographs = pipeline.find_photographs([str(write_parts(tmp_path / "new", 10, first=900))])
    pipeline.predict(bundle, photographs, cache, notes=notes)
    assert any("are few to tell near copies by" in note for note in notes)
