"""Train one head on cached rows and judge it on photographs that it never saw.

Protocol: the photographs are split once, by part, into a training part and a holdout. Everything
that is fitted or chosen (scaling, hyper-parameters, epochs) is fitted or chosen on the training
part alone. The holdout is scored once, and the model that is saved is the one that was scored.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from pipeline.bundle import SELF_TEST_ROWS, Model, check_replaceable, save_bundle
from pipeline.classes import Classes
from pipeline.curves import curves_csv, curves_png
from pipeline.dataset import Dataset, Indices, Labelled
from pipeline.grouping.gap import Gap, Rounds, measure_gap
from pipeline.heads import make_head
from pipeline.heads.base import Floats, predict_by_blocks
from pipeline.judgements import Judgements
from pipeline.scores import score
from pipeline.splits import holdout
from pipeline.statistics.intervals import LEARNED, Intervals, intervals

DEFAULT_THRESHOLD = 0.5

EpochProgress = Callable[[int, int, Mapping[str, float]], None]


@dataclass
class Assessment:
    """Scores of one set of photographs.

    Attributes:
        count, parts: how many photographs, of how many parts.
        scores: by name; see `pipeline.scores.SCORES`.
        intervals: 95 % by name; none of the photographs learned from.
    """

    count: int
    parts: int
    scores: dict[str, float]
    intervals: Intervals

    @classmethod
    def of(
        cls,
        y: Indices,
        groups: Indices,
        probabilities: Floats,
        *,
        seed: int = 0,
        threshold: float = DEFAULT_THRESHOLD,
        learned: bool = False,
    ) -> Self:
        """Score probabilities (n, n_classes): point values and intervals that respect parts.

        Scores of photographs that the model `learned` from are no estimate of anything.
        """
        return cls(
            len(y),
            len(np.unique(groups)),
            score(y, probabilities, threshold),
            Intervals.none({}, LEARNED)
            if learned
            else intervals(y, probabilities, groups, seed=seed, threshold=threshold),
        )

    def to_json(self) -> dict[str, Any]:
        """As it stands in `model.json`."""
        return {
            "photographs": self.count,
            "parts": self.parts,
            "scores": self.scores,
            **self.intervals.to_json(),
        }


@dataclass
class Fit:
    """What `fit` made.

    Attributes:
        folder: the model.
        head: trained; of `train_cnn`, the CNN.
        classes: names and numbers.
        train, held_out: scores of the two sides.
        seconds: of training.
        sides: numbers of the photographs of the training part and of the holdout.
        judged: the holdout's photographs with what the model makes of them.
        about: what was asked for: head, features, split, settings; as it stands in `model.json`.
        gap: what the same head scores on the other kind of split; None where no two photographs
            belong together, or nobody asked.
    """

    folder: Path
    head: Model
    classes: Classes
    train: Assessment
    held_out: Assessment
    seconds: float
    sides: tuple[Indices, Indices]
    judged: Judgements
    about: Mapping[str, Any]
    gap: Gap | None = field(default=None, kw_only=True)


def fit(
    dataset: Dataset,
    out: Path,
    *,
    head: str = "dense",
    test_size: float = 0.25,
    split: str = "grouped",
    seed: int = 0,
    settings: Mapping[str, str | int | float] | None = None,
    with_gap: bool = True,
    progress: EpochProgress | None = None,
) -> Fit:
    """Train a head on the rows of a cache and save it as a model.

    Args:
        dataset: from `pipeline.dataset.load_dataset`.
        out: the model's folder; a model that is there is replaced.
        head: a name of `pipeline.heads.HEADS`.
        test_size: share of the photographs held out (0 to 1).
        split: "grouped": no part on both sides; "random": photographs at random.
        seed: of the split and the training.
        settings: of the head; what is not given is its default or chosen on the training part.
        with_gap: train the head a second time on the other kind of split, to tell how much a
            random one flatters; twice the time.
        progress: called as `progress(epoch, epochs, scores)` by heads that train in epochs.

    Raises:
        SplitError: too few photographs or parts.
        HeadError: unknown head or setting.
        OutputError: `out` is something else, or cannot be written.
    """
    check_replaceable(out)
    model = make_head(head, seed=seed, settings=settings)
    train, test = holdout(
        dataset.y,
        dataset.groups,
        test_size=test_size,
        seed=seed,
        kind=split,
        class_names=dataset.classes.names,
    )
    rows = dataset.stored_rows(train).in_memory()
    started = time.perf_counter()
    model.fit(
        rows,
        dataset.y[train],
        dataset.groups[train],
        n_classes=len(dataset.classes.names),
        progress=progress,
    )
    seconds = time.perf_counter() - started
    chances = tuple(predict_by_blocks(model, side) for side in (rows, dataset.stored_rows(test)))
    on_train, on_test = (
        Assessment.of(dataset.y[side], dataset.groups[side], P, seed=seed, learned=learned)
        for side, P, learned in zip((train, test), chances, (True, False), strict=True)
    )
    about = {
        "head": head,
        "sees": "rows",
        "features": dict(dataset.fields),
        "weights": dict(dataset.about["weights"]),
        "data": {"root": dataset.about["root"], "group_rule": dataset.about["group_rule"]},
        "split": {"kind": split, "test_size": test_size, "seed": seed},
        "settings_given": dict(settings or {}),
    }
    judged = judge_side(dataset, test, chances[1], Path(dataset.about["root"]))
    done = Fit(
        out, model, dataset.classes, on_train, on_test, seconds, (train, test), judged, about
    )
    save_fit(done, dataset, rows[:SELF_TEST_ROWS])
    if with_gap:
        done.gap = _gap(done, dataset)
    return done


def _gap(done: Fit, dataset: Dataset) -> Gap | None:
    """The head of `done` on the other kind of split; nothing of it is kept but the scores."""
    asked = done.about["split"]
    other = "random" if asked["kind"] == "grouped" else "grouped"

    def measure() -> Rounds:
        head = str(done.about["head"])
        model = make_head(head, seed=asked["seed"], settings=done.about["settings_given"])
        train, test = holdout(
            dataset.y,
            dataset.groups,
            test_size=asked["test_size"],
            seed=asked["seed"],
            kind=other,
            class_names=dataset.classes.names,
        )
        model.fit(
            dataset.stored_rows(train).in_memory(),
            dataset.y[train],
            dataset.groups[train],
            n_classes=len(dataset.classes.names),
        )
        P = predict_by_blocks(model, dataset.stored_rows(test))
        return Rounds(head, [score(dataset.y[test], P, DEFAULT_THRESHOLD)], [(train, test)])

    measured = Rounds(str(done.about["head"]), [done.held_out.scores], [done.sides])
    return measure_gap(measured, other, measure, dataset.groups)


def judge_side(data: Labelled, side: Indices, probabilities: Floats, root: Path) -> Judgements:
    """One side of a split with the probabilities (photographs, n_classes) that a model gave it."""
    return Judgements(
        classes=data.classes,
        root=root,
        samples=[data.samples[number] for number in side],
        y=data.y[side],
        groups=data.groups[side],
        probabilities=probabilities,
        threshold=DEFAULT_THRESHOLD,
    )


def save_fit(done: Fit, data: Labelled, inputs: npt.NDArray[Any]) -> None:
    """Write what was trained as a model.

    Args:
        done: of `fit` or `train_cnn`.
        data: what it was trained on.
        inputs: see `pipeline.bundle.save_bundle`.

    Raises:
        OutputError: the folder is something else, or cannot be written.
    """
    record = {
        **done.about,
        "title": done.head.title,
        "settings": dict(done.head.chosen),
        "classes": list(data.classes.names),
        "class_members": data.classes.members,
        "threshold": DEFAULT_THRESHOLD,
        "train": done.train.to_json(),
        "holdout": done.held_out.to_json(),
        "fit_seconds": done.seconds,
        "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
    entries = _split_entries(data, *done.sides)
    save_bundle(done.folder, done.head, record, entries, inputs, _curves(done.head))


def _split_entries(dataset: Labelled, train: Indices, test: Indices) -> list[dict[str, str]]:
    sides: Sequence[tuple[str, Indices]] = (("train", train), ("holdout", test))
    return [
        {
            "path": dataset.samples[i].path,
            "class": dataset.samples[i].label,
            "group": str(dataset.groups[i]),
            "digest": dataset.samples[i].digest,
            "side": side,
        }
        for side, indices in sides
        for i in indices
    ]


def _curves(head: Model) -> dict[str, bytes]:
    if not head.history:
        return {}
    return {
        "curves.csv": curves_csv(head.history).encode(),
        "curves.png": curves_png(head.history, f"{head.title}: training"),
    }
