"""Score a model on photographs that it never saw: its holdout, or a new labelled folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from features.cache import Cache
from features.errors import CacheError, DataError
from features.extract import Progress, extract
from features.samples import Sample
from pipeline.bundle import Bundle
from pipeline.fit import Assessment
from pipeline.groups import GroupRule, apply_rule, number_groups
from pipeline.scan import scan_folder
from pipeline.scores import intervals, score

_BLOCK = 1024  # rows in memory at once


@dataclass(frozen=True)
class Mistake:
    """A photograph whose verdict is not its class; probability as in `Prediction`."""

    path: str
    truth: str
    verdict: str
    probability: float


@dataclass
class Evaluation:
    """What a model is worth on a set of photographs.

    Attributes:
        what: the set, in words.
        assessment: scores with intervals.
        confusion: int64 (n_classes, n_classes), rows the truth, columns the verdict.
        mistakes: the most certain wrong verdict first.
        notes: what was left out, and why.
    """

    what: str
    assessment: Assessment
    confusion: npt.NDArray[np.int64]
    mistakes: list[Mistake]
    notes: list[str] = field(default_factory=list)


def evaluate_holdout(bundle: Bundle, cache_path: Path) -> Evaluation:
    """Score a model on the photographs that `fit` held out.

    Raises:
        FingerprintError: the cache holds rows of other settings than the model's.
        CacheError: rows of the holdout are not in the cache.
    """
    entries = [entry for entry in bundle.split() if entry["side"] == "holdout"]
    samples = [
        Sample(e["path"], e["class"], e["group"], e["digest"], -1, "", 0, 0, 0, 0) for e in entries
    ]
    with Cache.read(cache_path) as cache:
        cache.check_fields(bundle.about["features"])
        rows = [cache.find(sample.digest) for sample in samples]
        missing = sum(row < 0 for row in rows)
        if missing:
            raise CacheError(
                f"{cache_path} lacks {missing} of the {len(rows)} photographs that were held out; "
                "name the cache that the model was fitted on with --cache"
            )
        probabilities = _probabilities(bundle, cache, rows)
    groups = np.array([int(sample.group) for sample in samples], dtype=np.int64)
    return _evaluation(bundle, "the holdout", samples, groups, probabilities, [])


def evaluate_folder(
    bundle: Bundle,
    data: Path,
    cache_path: Path,
    *,
    group_rule: GroupRule | None = None,
    weights: str | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Score a model on a labelled folder; photographs that it was trained on are left out.

    Raises:
        DataError: no class of the model in the folder, or nothing in it that is new.
        OnepassError: see `features.extract.extract`.
    """
    scan = scan_folder(data)
    labelled = [p for p in scan.photographs if p.label in bundle.classes.members]
    if not labelled:
        raise DataError(
            f"found the classes {', '.join(scan.class_names) or 'none'} in {data}; the model knows "
            f"{', '.join(bundle.classes.members)}; expected folders of these names"
        )
    photographs, _ = apply_rule(group_rule or GroupRule(), labelled)
    extraction = extract(
        photographs, bundle.settings(weights), cache_path, max_failures=1.0, progress=progress
    )
    trained_on = {entry["digest"] for entry in bundle.split() if entry["side"] == "train"}
    samples = [s for s in extraction.samples if s.row >= 0 and s.digest not in trained_on]
    seen = sum(s.digest in trained_on for s in extraction.samples)
    if not samples:
        raise DataError(
            f"nothing in {data} is new to the model: {seen} photographs were trained on, "
            f"{len(extraction.failed)} cannot be read; expected photographs that it never saw"
        )
    left_out = (
        (seen, "that the model was trained on are left out"),
        (len(extraction.failed), "cannot be read"),
        (len(scan.photographs) - len(labelled), "are in no class of the model"),
    )
    notes = [f"{count:,} photographs {why}" for count, why in left_out if count]
    with Cache.read(cache_path) as cache:
        probabilities = _probabilities(bundle, cache, [sample.row for sample in samples])
    return _evaluation(bundle, str(data), samples, number_groups(samples), probabilities, notes)


def _probabilities(bundle: Bundle, cache: Cache, rows: Sequence[int]) -> npt.NDArray[np.float64]:
    blocks = [
        bundle.head.predict_proba(cache.take(rows[start : start + _BLOCK]))
        for start in range(0, len(rows), _BLOCK)
    ]
    return np.concatenate(blocks)


def _evaluation(
    bundle: Bundle,
    what: str,
    samples: Sequence[Sample],
    groups: npt.NDArray[np.int64],
    probabilities: npt.NDArray[np.float64],
    notes: list[str],
) -> Evaluation:
    classes = bundle.classes
    y = np.array([classes.members[sample.label] for sample in samples], dtype=np.int64)
    verdicts = bundle.decide(probabilities)
    confusion = np.zeros((len(classes.names), len(classes.names)), dtype=np.int64)
    np.add.at(confusion, (y, verdicts), 1)
    shown = probabilities[:, 1] if classes.binary else probabilities.max(axis=1)
    wrong = np.flatnonzero(y != verdicts)
    certainty = probabilities[np.arange(len(y)), verdicts]
    mistakes = [
        Mistake(samples[i].path, classes.names[y[i]], classes.names[verdicts[i]], float(shown[i]))
        for i in wrong[np.argsort(-certainty[wrong], kind="stable")]
    ]
    assessment = Assessment(
        len(y),
        len(np.unique(groups)),
        score(y, probabilities, bundle.threshold),
        intervals(y, probabilities, groups, threshold=bundle.threshold),
    )
    return Evaluation(what, assessment, confusion, mistakes, notes)
