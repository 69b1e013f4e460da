"""New limits for a model that is good as it is: from new labelled parts, without any training.

The head stays to the last bit. Its limit, the calibration of its probabilities and its claims are
chosen anew on parts that it did not learn from, as `pipeline.thresholds.claims` does with parts
that are set aside; how photographs are judged together stays too, so that a claim holds: on these
parts nothing is chosen but the threshold. The old limit was not chosen on them, so what it does to
them is an honest count; what the new one does to them is not, and the old holdout says it.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from features.arrays import Floats, Indices
from features.cache.sample_table import TableRow
from features.errors import CacheError, DataError, ThresholdError
from features.extract import Progress
from features.files import whole_folder
from features.photographs.file import Photograph
from pipeline.cnn.cnn import Cnn
from pipeline.data.classes import Classes
from pipeline.evaluation.predictions import Assessment
from pipeline.groups.proposal_cache import like_known, propose_for
from pipeline.groups.rules import GroupRule, number_groups
from pipeline.heads.calibration import Recalibration
from pipeline.model.bundle import Bundle
from pipeline.model.files import MODEL_FILE, check_replaceable, digests
from pipeline.model.probabilities import PredictOptions, predict_holdout, predict_photographs
from pipeline.output.tables import to_csv
from pipeline.thresholds.bounds import parts_needed
from pipeline.thresholds.choose import OutOfFold, choose
from pipeline.thresholds.claims import require_told, why_apart
from pipeline.thresholds.decision import Decision
from pipeline.thresholds.outcome import Outcome, Reliability
from pipeline.thresholds.rule import ThresholdRule
from pipeline.thresholds.train import fold_numbers

FEWEST = 2
"""Parts of each class on which a limit is chosen."""


@dataclass(frozen=True)
class Rethreshold:
    """New limits, and what there was before.

    Attributes:
        before, after: the model's decisions.
        calibration: of the head's probabilities, as it is from now on.
        table_rows: the new photographs that were looked at, with their parts.
        y, groups: int64 (n,), their classes and the numbers of their parts.
        p: float64 (n,), calibrated probabilities of a defect, each as if it were all there is.
        old_outcome: what the old limits do to the new parts, on which they were not chosen.
        old_reliability: of the old probabilities of the new parts (photographs, where these are
            judged by themselves).
        holdout: scores of the old holdout's photographs at the new limits; None where its rows are
            not at hand.
        notes: what a person should know.
    """

    before: Decision
    after: Decision
    calibration: Recalibration | None
    table_rows: Sequence[TableRow]
    y: Indices
    groups: Indices
    p: Floats
    old_outcome: Outcome
    old_reliability: Reliability
    holdout: Assessment | None
    notes: list[str] = field(default_factory=list)


def rethreshold(
    bundle: Bundle,
    photographs: Sequence[Photograph],
    cache_path: Path,
    *,
    classes: Classes | None = None,
    groups: GroupRule | None = None,
    rule: ThresholdRule | None = None,
    options: PredictOptions | None = None,
    progress: Progress | None = None,
) -> Rethreshold:
    """Choose limits, calibration and claims of a model anew, on parts that it did not learn from.

    Args:
        bundle: a model of two classes.
        photographs: with their classes, and with their parts where somebody said them.
        cache_path: has the rows, or gets them.
        classes: the model's, with those of the folder that count as one of them; None for the
            model's own.
        groups: where the parts are known from; None to propose them.
        rule: what is wanted; None for what was wanted when the model was fitted.
        options: how rows that are missing are computed; None for `PredictOptions()`.
        progress: called as `progress(done, total)`.

    Raises:
        ThresholdError: more than two classes, too few new parts, or a claim on proposed parts.
        OnepassError: see `features.extract.extract`.

    Example:
        >>> rethreshold(bundle, photographs, Path("features.h5"))  # doctest: +SKIP
    """
    kind, classes = (groups or GroupRule()).kind, classes or bundle.classes
    wanted = _wanted(bundle, rule)
    require_told(wanted, kind)
    labelled = [p for p in photographs if classes.number(p.label) is not None]
    look = _looker(labelled, cache_path, options, progress)
    table_rows, P, notes = _new_ones(bundle, look, cache_path, groups or GroupRule(), progress)
    y = np.array([classes.number(table_row.label) for table_row in table_rows], dtype=np.int64)
    numbers = number_groups(table_rows)
    notes += _check(y, numbers, wanted, bundle)
    own = partial(_uncalibrated, bundle, look, table_rows)
    chosen, calibration, p = _choose(bundle, own, (y, P, numbers), wanted, kind)
    made = _with(bundle, decision=chosen, calibration=calibration)
    outcome, scores = _on_holdout(made, cache_path, notes, progress)
    notes += _near_copies(bundle, cache_path, table_rows, progress)
    return Rethreshold(
        before=bundle.decision, after=replace(chosen, holdout=outcome), calibration=calibration,
        table_rows=table_rows, y=y, groups=numbers, p=p,
        old_outcome=bundle.decision.outcome(y, P, numbers),
        old_reliability=_old_reliability(bundle.decision, y, P, numbers), holdout=scores,
        notes=notes,
    )  # fmt: skip


def _old_reliability(before: Decision, y: Indices, P: Floats, groups: Indices) -> Reliability:
    """Measure what the old probabilities are worth: of parts, if these are judged as wholes."""
    if not before.of_wholes:
        return Reliability.of(y, before.alone(P)[:, 1], groups)
    parts = before.parts(y, P, groups)
    return Reliability.of(parts.y, parts.P[:, 1], parts.groups)


def _near_copies(
    bundle: Bundle, cache_path: Path, table_rows: Sequence[TableRow], progress: Progress | None
) -> list[str]:
    """Say how many photographs surely show parts that the model was trained on; [] for none."""
    if isinstance(bundle.head, Cnn):
        return []
    known = sorted(bundle.trained_on())
    alike = int(like_known(cache_path, table_rows, known, progress=progress).sum())
    if not alike:
        return []
    return [
        f"{alike:,} of the photographs look so much like ones that the model was trained on that "
        "both surely show one part: the limit is flattered by them; leave them out"
    ]


Look = Callable[[Bundle], tuple[list[TableRow], Floats]]


def _looker(
    photographs: Sequence[Photograph],
    cache_path: Path,
    options: PredictOptions | None,
    progress: Progress | None,
) -> Look:
    """Make the function from photographs to what a model makes of them, calibrated or not."""

    def look(model: Bundle) -> tuple[list[TableRow], Floats]:
        """Ask one model."""
        found = predict_photographs(model, photographs, cache_path, options, progress=progress)
        return found.table_rows, found.probabilities

    return look


def _uncalibrated(bundle: Bundle, look: Look, table_rows: Sequence[TableRow]) -> Floats:
    """Give the probabilities (n,) of a defect as the head itself gives them."""
    found, raw = look(_with(bundle, calibration=None))
    places = {table_row.digest: i for i, table_row in enumerate(found)}
    return raw[[places[table_row.digest] for table_row in table_rows], 1]


def _with(bundle: Bundle, **changed: Any) -> Bundle:  # noqa: ANN401 - of fields of the record
    """Give the same model with another decision or calibration."""
    return replace(bundle, record=replace(bundle.record, **changed))


def _new_ones(
    bundle: Bundle, look: Look, cache_path: Path, groups: GroupRule, progress: Progress | None
) -> tuple[list[TableRow], Floats, list[str]]:
    """Find photographs of parts that the model knows nothing of, with their parts, and notes."""
    table_rows, P = look(bundle)
    known = {entry["digest"] for entry in bundle.split()}
    of_known = {s.group for s in table_rows if s.group and s.digest in known}
    old = [bool(s.reason) or s.digest in known or s.group in of_known for s in table_rows]
    new = np.flatnonzero(np.logical_not(old)).tolist()
    if not new:
        unread = sum(bool(table_row.reason) for table_row in table_rows)
        raise DataError(
            f"found {len(table_rows):,} labelled photographs: {unread:,} cannot be read, and "
            f"{len(table_rows) - unread:,} show parts that the model was fitted or tested on; "
            "expected photographs of new parts"
        )
    kept = [table_rows[i] for i in new]
    if groups.from_photographs and isinstance(bundle.head, Cnn):
        raise DataError(
            f"{bundle.folder} sees pixels, and parts cannot be proposed for it; say which "
            "photographs show one part: --groups or --group-regex"
        )
    if groups.from_photographs:
        found = propose_for(cache_path, kept, groups.gap, progress=progress)
        return found.applied(kept), P[new], found.notes
    return kept, P[new], []


def _wanted(bundle: Bundle, rule: ThresholdRule | None) -> ThresholdRule:
    """Give the rule, with the way in which the model judges the photographs of a part.

    Raises:
        ThresholdError: the model has no threshold, or judges parts in another way.
    """
    if not bundle.classes.binary:
        raise ThresholdError(
            f"{bundle.folder} knows {len(bundle.classes.names)} classes and has no threshold; "
            "expected a model of two; put several together when fitting: --positive"
        )
    before = bundle.decision
    wanted = rule or before.rule
    if wanted.part_rule not in (None, before.part_rule):
        raise ThresholdError(
            f"found --part-rule {wanted.part_rule}; the model judges parts by {before.part_rule}, "
            "and that stays; fit again to change it"
        )
    if rule is None and wanted.method == "fixed":  # it was a number: now it is chosen
        wanted = ThresholdRule()
    return replace(wanted, part_rule=before.part_rule)


def _check(y: Indices, groups: Indices, rule: ThresholdRule, bundle: Bundle) -> list[str]:
    """Refuse too few parts; say where the new ones are fewer than those before."""
    defective = len(np.unique(groups[y == 1]))
    good = len(np.setdiff1d(groups, groups[y == 1]))
    for what, found, share in (
        ("defective", defective, rule.max_missed),
        ("good", good, rule.max_false),
    ):
        needed = FEWEST if share is None else parts_needed(share)
        if rule.method != "fixed" and found < needed:
            raise ThresholdError(
                f"found {found} new {what} parts; expected {needed} or more to choose a limit on"
                + ("" if share is None else f" that keeps the share {share:g}")
                + "; label more, or ask for less"
            )
    unseen = bundle.decision.unseen
    before = (0, 0)
    if unseen is not None:
        before = (unseen.outcome.defective_parts.total, unseen.outcome.good_parts.total)
    fewer = [
        f"{now:,} {what} (before: {then:,})"
        for what, now, then in zip(("defective", "good"), (defective, good), before, strict=True)
        if now < then
    ]
    if not fewer:
        return []
    return [f"chosen on fewer parts than the old limit, {' and '.join(fewer)}: it is less sure"]


def _choose(
    bundle: Bundle,
    own: Callable[[], Floats],
    new: tuple[Indices, Floats, Indices],
    rule: ThresholdRule,
    kind: str,
) -> tuple[Decision, Recalibration | None, Floats]:
    """Give the decision, the calibration of photographs, and these calibrated."""
    y, P, groups = new
    if rule.method == "fixed":
        decision = Decision.not_chosen("", rule, bundle.decision.part_rule)
        decision = replace(decision, part_calibration=bundle.decision.part_calibration)
        return decision, bundle.calibration, decision.alone(P)[:, 1]
    several = bundle.decision.of_wholes and len(np.unique(groups)) < len(groups)
    # Of several photographs: these stay as they are calibrated, and parts are calibrated anew.
    p = P[:, 1] if several else own()
    started = time.perf_counter()
    fold = fold_numbers(y, groups, rule.folds, 0, bundle.classes.names)
    predicted = OutOfFold(np.arange(len(y)), y, groups, p, fold, aside=True, seconds=0.0)
    head = getattr(bundle.head, "head", bundle.head)
    made = choose(
        predicted, rule, getattr(head, "calibrate_on", None) or "logit",
        apart=why_apart(kind, y, groups),
    )  # fmt: skip
    unseen = made.decision.unseen and replace(
        made.decision.unseen, seconds=time.perf_counter() - started
    )
    calibration = bundle.calibration if several else made.calibration
    return replace(made.decision, unseen=unseen), calibration, made.p


def _on_holdout(
    made: Bundle, cache_path: Path, notes: list[str], progress: Progress | None
) -> tuple[Outcome | None, Assessment | None]:
    """Say what the new limits do to the parts that `fit` held out, where these are at hand."""
    try:
        table_rows, P, _ = predict_holdout(made, cache_path, progress)
    except (CacheError, DataError) as error:
        notes.append(f"what the new limits do to the old holdout is not known: {error}")
        return None, None
    y = np.array([made.classes.number(table_row.label) for table_row in table_rows], dtype=np.int64)
    groups = np.array([int(table_row.group) for table_row in table_rows], dtype=np.int64)
    scores = Assessment.of(y, groups, made.decision.alone(P), threshold=made.decision.band.limits)
    return made.decision.outcome(y, P, groups), scores


def save_rethreshold(
    bundle: Bundle, done: Rethreshold, out: Path, *, keep: bool = True
) -> Path | None:
    """Write the model with its new limits, whole or not at all, in the place of an older one.

    Args:
        bundle: the model as it was.
        done: what was chosen for it.
        out: the new model's folder; may be the model's own.
        keep: copy a model that is there to a folder beside it first.

    Returns:
        Where the model that stood there is kept; None where none was.

    Raises:
        OutputError: `out` is something else, or cannot be written.
    """
    check_replaceable(out)
    kept = None
    if keep and (out / MODEL_FILE).is_file():
        kept = _free_name(out, time.strftime("before-%Y%m%d-%H%M%S", time.gmtime()))
        with whole_folder(kept) as copy:
            shutil.copytree(out, copy, dirs_exist_ok=True)
    scores = {"train": bundle.record.scores.get("train")}
    if done.holdout is not None:
        scores["holdout"] = done.holdout.to_json()
    record = replace(
        bundle.record, decision=done.after, calibration=done.calibration, scores=scores
    )
    with whole_folder(out) as new:
        for name in bundle.record.files:
            (new / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(bundle.folder / name, new / name)
        (new / "split.json").write_text(json.dumps(_split(bundle, done), indent=0), "utf-8")
        if done.after.unseen is not None:
            table = _unseen_csv(done).encode(errors="backslashreplace")
            (new / "unseen.csv").write_bytes(table)
        record = record.sealed(bundle.record.versions, digests(new))
        (new / MODEL_FILE).write_bytes(record.to_bytes())
    return kept


def _free_name(folder: Path, ending: str) -> Path:
    """Give a name beside the folder that nothing has."""
    number, name = 1, folder.with_name(f"{folder.name}.{ending}")
    while name.exists():
        number += 1
        name = folder.with_name(f"{folder.name}.{ending}-{number}")
    return name


def _split(bundle: Bundle, done: Rethreshold) -> list[dict[str, str]]:
    """List the model's photographs, and new ones as those that its limits were chosen on."""
    entries = bundle.split()
    first = 1 + max((int(entry["group"]) for entry in entries), default=-1)
    if done.after.unseen is None:
        return entries
    return entries + [
        {
            "path": table_row.path,
            "class": table_row.label,
            "group": str(first + int(group)),
            "digest": table_row.digest,
            "side": "threshold",
        }
        for table_row, group in zip(done.table_rows, done.groups, strict=True)
    ]


def _unseen_csv(done: Rethreshold) -> str:
    """Write a line for each photograph that the limits were chosen on, as `fit` writes it."""
    rows: list[dict[str, Any]] = [
        {
            "path": table_row.path,
            "class": table_row.label,
            "group": str(group),
            "fold": 0,
            "probability_of_defect": float(p),
        }
        for table_row, group, p in zip(done.table_rows, done.groups, done.p, strict=True)
    ]
    return to_csv(list(rows[0]), rows)
