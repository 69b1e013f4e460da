"""Train one head on cached rows and judge it on photographs that it never saw.

Protocol: the photographs are split once, by part, into a training part and a holdout. Everything
that is fitted or chosen (scaling, hyper-parameters, epochs) is fitted or chosen on the training
part alone. The holdout is scored once, and the model that is saved is the one that was scored.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from features.witness import Row
from pipeline.bundle import Model, check_replaceable, save_bundle
from pipeline.classes import Classes
from pipeline.curves import curves_csv, curves_png
from pipeline.dataset import Dataset, Indices, Labelled
from pipeline.heads import make_head
from pipeline.heads.base import Floats
from pipeline.scores import intervals, score
from pipeline.splits import holdout

DEFAULT_THRESHOLD = 0.5

EpochProgress = Callable[[int, int, Mapping[str, float]], None]


@dataclass
class Assessment:
    """Scores of one set of photographs.

    Attributes:
        count, parts: how many photographs, of how many parts.
        scores: by name; see `pipeline.scores.SCORES`.
        intervals: 95 % by name, from a bootstrap over parts.
    """

    count: int
    parts: int
    scores: dict[str, float]
    intervals: dict[str, tuple[float, float]]

    @classmethod
    def of(
        cls,
        y: Indices,
        groups: Indices,
        probabilities: Floats,
        *,
        seed: int = 0,
        threshold: float = DEFAULT_THRESHOLD,
    ) -> Self:
        """Score probabilities (n, n_classes): point values and intervals that respect parts."""
        return cls(
            len(y),
            len(np.unique(groups)),
            score(y, probabilities, threshold),
            intervals(y, probabilities, groups, seed=seed, threshold=threshold),
        )

    def to_json(self) -> dict[str, Any]:
        """As it stands in `model.json`."""
        return {
            "photographs": self.count,
            "parts": self.parts,
            "scores": self.scores,
            "intervals_95": {name: list(bounds) for name, bounds in self.intervals.items()},
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
    """

    folder: Path
    head: Model
    classes: Classes
    train: Assessment
    held_out: Assessment
    seconds: float


def fit(
    dataset: Dataset,
    out: Path,
    *,
    head: str = "dense",
    test_size: float = 0.25,
    split: str = "grouped",
    seed: int = 0,
    settings: Mapping[str, str | int | float] | None = None,
    force: bool = False,
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
        force: replace a folder that holds something else than a model.
        progress: called as `progress(epoch, epochs, scores)` by heads that train in epochs.

    Raises:
        SplitError: too few photographs or parts.
        HeadError: unknown head or setting.
        OutputError: `out` is something else, or cannot be written.
    """
    check_replaceable(out, force=force)
    model = make_head(head, seed=seed, settings=settings)
    train, test = holdout(
        dataset.y,
        dataset.groups,
        test_size=test_size,
        seed=seed,
        kind=split,
        class_names=dataset.classes.names,
    )
    rows = dataset.rows(train)
    started = time.perf_counter()
    model.fit(
        rows,
        dataset.y[train],
        dataset.groups[train],
        n_classes=len(dataset.classes.names),
        progress=progress,
    )
    seconds = time.perf_counter() - started
    on_train, on_test = (
        Assessment.of(dataset.y[side], dataset.groups[side], chances, seed=seed)
        for side, chances in (
            (train, model.predict_proba(rows)),
            (test, model.predict_proba(dataset.rows(test))),
        )
    )
    done = Fit(out, model, dataset.classes, on_train, on_test, seconds)
    about = {
        "head": head,
        "sees": "rows",
        "features": dict(dataset.fields),
        "weights": dict(dataset.about["weights"]),
        "data": {"root": dataset.about["root"], "group_rule": dataset.about["group_rule"]},
        "split": {"kind": split, "test_size": test_size, "seed": seed},
    }
    witness = dataset.witness()
    save_fit(done, dataset, (train, test), about, rows, witness=witness, force=force)
    return done


def save_fit(
    done: Fit,
    data: Labelled,
    sides: tuple[Indices, Indices],
    about: Mapping[str, Any],
    inputs: npt.NDArray[Any],
    *,
    witness: Row | None = None,
    force: bool = False,
) -> None:
    """Write what was trained as a model.

    Args:
        done: of `fit` or `train_cnn`.
        data: what it was trained on.
        sides: numbers of the photographs of the training part and of the holdout.
        about: what `model.json` says besides what `done` and `data` know.
        inputs: see `pipeline.bundle.save_bundle`, like the two below.
        witness: of the cache.
        force: replace whatever is there.

    Raises:
        OutputError: the folder is something else, or cannot be written.
    """
    record = {
        **about,
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
    entries = _split_entries(data, *sides)
    extra = _curves(done.head)
    save_bundle(
        done.folder, done.head, record, entries, inputs, extra, witness=witness, force=force
    )


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
