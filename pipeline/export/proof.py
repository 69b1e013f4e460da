"""The proof that an exported file gives the model's verdicts: both, on the same photographs' files.

On one side the model as `predict` asks it; on the other the exported file in the target's own
runtime, with `check.py` around it, which is what goes along with the file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from features.arrays import Floats
from features.errors import ExportError, ImageError
from features.photographs.file import Photograph, read_photograph
from pipeline.evaluation.band import REVIEW, REVIEW_NAME
from pipeline.evaluation.metrics import score
from pipeline.evaluation.part_rules import part_classes
from pipeline.export import check
from pipeline.model.bundle import Bundle
from pipeline.model.probabilities import Predicted
from pipeline.model.selftest_images import IMAGES

TOLERANCE = 1e-4
"""Largest accepted difference of a probability: that of a model's own self-test."""

MOST_HELD_OUT = 200

DRAWN = {"turned": "turned.jpg", "large": "large.jpg", "clear": "clear.png"}
"""The drawn photographs of every model's self-test, and the files that they become."""

_DRAWN_PART = "\0drawn"  # no part of a folder is called so


@dataclass(frozen=True)
class Known:
    """A photograph whose file is there, with what is known of it.

    Attributes:
        photograph: its file.
        part: its part.
        label: class number; -1 where it is not known.
    """

    photograph: Photograph
    part: str
    label: int


def drawn_photographs(folder: Path) -> list[Known]:
    """Write the drawn photographs into a folder."""
    found = []
    for name, file in DRAWN.items():
        path = folder / file
        path.write_bytes(IMAGES[name])
        found.append(Known(Photograph(path, file), _DRAWN_PART, -1))
    return found


def known_photographs(bundle: Bundle, side: str, most: int, root: Path | None) -> list[Known]:
    """Find photographs that a model was made with and whose bytes are as they were.

    Args:
        bundle: the model.
        side: "holdout" or "train"; see `Bundle.split`.
        most: about how many; whole parts, spread over the folder.
        root: where the folder is now; None for where it was.

    Returns:
        Those whose files are there; none, where the folder is gone.

    Raises:
        BundleError: a stranger's model names the folder; see `Bundle.root`.
    """
    root = root or bundle.root
    entries = [entry for entry in bundle.split() if entry["side"] == side]
    parts: dict[str, list[dict[str, str]]] = {}
    for entry in entries:
        parts.setdefault(entry["group"], []).append(entry)
    order = np.random.default_rng(0).permutation(len(parts))
    found: list[Known] = []
    for number in order:
        if len(found) >= most:
            break
        part = list(parts.values())[number]
        found += [
            Known(
                Photograph(root / entry["path"], entry["path"]), entry["group"],
                int(bundle.classes.members.get(entry["class"], -1)),
            )
            for entry in part
            if _digest(root / entry["path"]) == entry["digest"]
        ]  # fmt: skip
    return found


def _digest(file: Path) -> str:
    try:
        return hashlib.sha256(read_photograph(file)).hexdigest()
    except ImageError:
        return ""


@dataclass
class Exported:
    """Hold what an exported file makes of photographs.

    Attributes:
        probabilities: float64 (n, n_classes); nan where the file's reader refuses one.
        strangeness: float64 (n,); nan where it is not known.
        refused: why, by path.
    """

    probabilities: Floats
    strangeness: Floats
    refused: dict[str, str] = field(default_factory=dict)


def run_exported(folder: Path, card: dict[str, Any], photographs: Sequence[Known]) -> Exported:
    """Judge photographs by an exported file, from their files on.

    Raises:
        ExportError: the target's runtime cannot open or compute it.
    """
    n = len(photographs)
    found = Exported(np.full((n, len(card["classes"])), np.nan), np.full(n, np.nan))
    try:
        model = check.load(folder, card)
        for number, known in enumerate(photographs):
            try:
                shown = check.read_pictures(read_photograph(known.photograph.file), card)
            except (check.Refused, ImageError) as error:
                found.refused[known.photograph.path] = str(error)
                continue
            made = model(shown[None])
            if not np.isfinite(made["probabilities"]).all():
                raise ValueError(f"of {known.photograph.path}: no numbers")  # noqa: TRY301 - the handler below says which file
            found.probabilities[number] = made["probabilities"][0]
            if "strangeness" in made:
                found.strangeness[number] = made["strangeness"][0]
    except Exception as error:  # whatever a runtime raises
        raise ExportError(
            f"{card['target']} cannot compute what was written "
            f"({' '.join(str(error).split())[:200]}); take another --to or --precision"
        ) from error
    return found


def read_each(photographs: Sequence[Known], card: dict[str, Any]) -> Iterator[Any]:
    """Give the pictures of each photograph that can be read."""
    for known in photographs:
        try:
            yield check.read_pictures(read_photograph(known.photograph.file), card)
        except (check.Refused, ImageError):
            continue


@dataclass(frozen=True)
class Proof:
    """Say how far an exported file is from its model.

    Attributes:
        drawn, held_out, parts: photographs and parts that were compared.
        difference: largest of a probability.
        held_out_difference: the same of held-out photographs alone; drawn ones are like none.
        verdicts: photographs with another verdict.
        part_difference, part_verdicts: the same of parts, judged as wholes.
        refused: photographs that the exported file's reader does not read, by path.
        scores: area under the ROC curve by part, of the model and of the file, where both classes
            were held out.
        refitted: whether the model learned from all of them, so that there are no scores.
    """

    drawn: int
    held_out: int
    parts: int
    difference: float
    held_out_difference: float
    verdicts: int
    part_difference: float
    part_verdicts: int
    refused: dict[str, str]
    scores: tuple[float, float] | None
    refitted: bool = False

    def failure(self, accepted: float) -> str:
        """Say why the file is not written; "" where it holds.

        Args:
            accepted: largest difference of a probability.
        """
        worst = max(self.difference, self.part_difference)
        changed = self.verdicts + self.part_verdicts
        if not self.drawn:
            return "no drawn photograph was read as the model reads it"
        if not worst <= accepted:
            return f"a probability differs by {worst:.2g}, more than {accepted:g}{_and(changed)}"
        if changed and accepted <= TOLERANCE:
            return f"{_and(changed)[5:]}, by differences of up to {worst:.2g}"
        return ""

    def to_json(self) -> dict[str, Any]:
        """Give the proof as it stands in the card."""
        return {
            "drawn_photographs": self.drawn,
            "held_out_photographs": self.held_out,
            **({"model_learned_from_them": True} if self.refitted else {}),
            "parts": self.parts,
            "largest_difference": self.difference,
            "largest_difference_held_out": self.held_out_difference,
            "verdicts_that_differ": self.verdicts,
            "largest_difference_by_part": self.part_difference,
            "part_verdicts_that_differ": self.part_verdicts,
            "not_read": self.refused,
            "auc_by_part": self.scores and {"model": self.scores[0], "exported": self.scores[1]},
        }


def _and(changed: int) -> str:
    return f" and {changed} verdict{'s differ' if changed != 1 else ' differs'}" if changed else ""


def compare(
    bundle: Bundle,
    card: dict[str, Any],
    photographs: Sequence[Known],
    predicted: Predicted,
    exported: Exported,
) -> Proof:
    """Hold what the file makes of photographs against what the model makes of them.

    A photograph that the model reads and the file's reader does not is no difference, but noted;
    one that only the file reads is one.
    """
    read = ~np.isnan(predicted.probabilities[:, 0])
    other = [s for s, r in zip(photographs, read, strict=True) if not r]
    alone = [one for one in other if one.photograph.path not in exported.refused]
    both = np.flatnonzero(read & ~np.isnan(exported.probabilities[:, 0]))
    chosen = [photographs[number] for number in both.tolist()]
    P, Q = predicted.probabilities[both], exported.probabilities[both]
    S, T = predicted.strangeness[both], exported.strangeness[both]
    differing = sum(
        _verdict(bundle, p, s) != check.verdict_of(card, q, None if np.isnan(t) else t)[0]
        for p, q, s, t in zip(P, Q, S, T, strict=True)
    )
    is_drawn = np.array([one.part == _DRAWN_PART for one in chosen], dtype=bool)
    drawn, gaps = int(is_drawn.sum()), np.abs(P - Q)
    by_part, refitted = _by_part(bundle, card, chosen, (P, Q), (S, T)), bundle.record.fit.refit
    return Proof(
        drawn, len(chosen) - drawn, by_part[0], float(gaps.max(initial=0.0)),
        float(gaps[~is_drawn].max(initial=0.0)),
        int(differing) + len(alone), *by_part[1:3], exported.refused,
        None if refitted else by_part[3], refitted is not None,
    )  # fmt: skip


def _verdict(bundle: Bundle, p: Floats, strangeness: float) -> str:
    """Give what `predict` says of a photograph."""
    if strangeness > 1:
        return REVIEW_NAME
    number = int(bundle.decide(bundle.decision.alone(p[None]))[0])
    return REVIEW_NAME if number == REVIEW else bundle.classes.names[number]


def vectors(bundle: Bundle) -> list[dict[str, Any]]:
    """Give probabilities of photographs of a part, and what the model makes of it: plain numbers.

    For programs in any language: parts of one to three photographs, near the limits and far.
    """
    classes, decision = len(bundle.classes.names), bundle.decision
    draw = np.random.default_rng(0)
    ends = [0.0, 1.0, *bundle.band.limits, *(limit - 1e-9 for limit in bundle.band.limits)]
    certain = np.array([p for p in ends if 0 <= p <= 1])
    parts = [np.column_stack([1 - certain, certain])[[n]] for n in range(len(certain))]
    if classes > 2:
        parts = []
    parts += [draw.dirichlet(np.full(classes, 0.7), size) for size in (1, 1, 2, 2, 3, 3) * 4]
    found = []
    for number, P in enumerate(parts):
        strange = np.full(len(P), 0.5)
        if number % 4 == 3:
            strange[-1] = 1.5
        whole = decision.parts(np.zeros(len(P), np.int64), P, np.zeros(len(P), np.int64)).P
        verdict = int(bundle.decide(whole)[0])
        told = whole[0, 1] if classes == 2 else whole[0].max()
        name = REVIEW_NAME if verdict == REVIEW else bundle.classes.names[verdict]
        found.append({
            "probabilities": P.tolist(),
            "strangeness": strange.tolist(),
            "verdict": REVIEW_NAME if (strange > 1).any() else name,
            "probability": float(told),
        })  # fmt: skip
    return found


def _by_part(
    bundle: Bundle,
    card: dict[str, Any],
    chosen: Sequence[Known],
    P: tuple[Floats, Floats],
    S: tuple[Floats, Floats],
) -> tuple[int, float, int, tuple[float, float] | None]:
    """Compare by part: how many, the largest difference, differing verdicts, and the scores."""
    names = sorted({one.part for one in chosen})
    groups = np.array([names.index(one.part) for one in chosen], dtype=np.int64)
    y = np.array([one.label for one in chosen], dtype=np.int64)
    ours, theirs = (bundle.decision.parts(np.maximum(y, 0), p, groups).P for p in P)
    verdicts = bundle.decide(ours)
    differing = 0
    for number, verdict in enumerate(verdicts.tolist()):
        own = groups == number
        name = REVIEW_NAME if verdict == REVIEW else bundle.classes.names[verdict]
        if (S[0][own] > 1).any():
            name = REVIEW_NAME
        strange = None if np.isnan(S[1][own]).all() else S[1][own]
        differing += name != check.verdict_of_part(card, P[1][own], strange)[0]
    worst = float(np.abs(ours - theirs).max(initial=0.0))
    known = [number for number, name in enumerate(names) if name != _DRAWN_PART]
    if not known or (y[np.isin(groups, known)] < 0).any():
        return len(known), worst, differing, None
    classes = part_classes(np.maximum(y, 0), groups, len(bundle.classes.names))[known]
    if len(np.unique(classes)) < len(bundle.classes.names):
        return len(known), worst, differing, None
    scores = tuple(float(score(classes, of[known])["roc_auc"]) for of in (ours, theirs))
    return len(known), worst, differing, (scores[0], scores[1])
