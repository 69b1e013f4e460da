"""Is a photograph like anything that the model was trained on?

A head gives a probability to whatever it is shown: a grey frame, noise, a shoe, another product. So
a model keeps what its training photographs look like to the backbone: the mean of the last map over
all positions and views, brought to length 1. A photograph's distance is that to its third nearest
training photograph. How far photographs of parts lie that were not trained on is measured by part,
each against the photographs of all other parts; the limit is the order statistic above which one
part in a hundred lies, as conformal prediction has it (Vovk et al., "Algorithmic learning in a
random world", 2005). Where parts are too few for that, the limit is above all of them.

Measured on the shared tiles (150 of 224 parts known, three draws; 74 parts asked for): 0 % of the
new parts are called unlike; of photographs of two other products 92 % and 99.7 %, and all of nine
that show nothing (black, grey, white, noise, gradients, a drawing, a landscape, a flower).
Standardised values and square roots measured worse (4 to 88 % of one of the products).
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import numpy as np

from features.arrays import Floats, Indices, Row, Rows
from features.cache.row_parts import RowParts
from features.untrusted_files import read_arrays
from pipeline.data.dataset import Dataset
from pipeline.feature_specs.rows import WholeRows
from pipeline.feature_specs.spec import FeatureSpec

FILE = "familiar.npz"
"""In a model's folder."""

RATE = 0.01
"""Share of parts like those trained on that are called unlike, where there are parts enough."""

UNLIKE = "unlike anything that the model was trained on"

NEAREST = 3
_MOST = 2000  # training photographs that are kept
_BLOCK = 128  # photographs whose rows are in memory at once
_FEW_SPREADS = 3.0  # where parts are too few: standard deviations above the mean


def familiar_vectors(inputs: Rows, row_parts: RowParts, views: int) -> Rows:
    """Compute what photographs look like to the backbone.

    Args:
        inputs: float32 (n, values), what a model takes of them: rows of its views side by side.
        row_parts: of the rows.
        views: how many.

    Returns:
        float32 (n, channels), of length 1.
    """
    each = np.split(inputs, views, axis=1)
    mean = np.mean([row_parts.pool(rows, "avg") for rows in each], axis=0, dtype=np.float32)
    length = np.linalg.norm(mean, axis=1, keepdims=True)
    return np.asarray(mean / np.maximum(length, 1e-12), dtype=np.float32)


@dataclass(frozen=True)
class Familiar:
    """Hold what training photographs look like, and how far others of such parts lie from them.

    Attributes:
        vectors: float32 (m, channels), of `familiar_vectors`.
        limit: distance above which a photograph is unlike them.
        rate: share of parts like those trained on that have a photograph above it, at most.
    """

    vectors: Rows
    limit: float
    rate: float

    @classmethod
    def of(cls, vectors: Rows, groups: Indices, *, seed: int = 0) -> Self | None:
        """Learn from what the training photographs look like.

        Args:
            vectors: float32 (n, channels), of `familiar_vectors`.
            groups: int64 (n,), the same number for photographs of one part.
            seed: of the draw of those that are kept, where they are many.

        Returns:
            None where there are fewer than five parts.
        """
        numbers = np.unique(groups)
        if len(numbers) < NEAREST + 2:
            return None
        kept = np.arange(len(vectors))
        if len(kept) > _MOST:
            kept = np.sort(np.random.default_rng((seed, 3)).choice(kept, _MOST, replace=False))
        found = _distances(vectors, vectors[kept], lambda rows: groups[rows, None] == groups[kept])
        farthest = np.sort([found[groups == number].max() for number in numbers])
        place = math.ceil((len(farthest) + 1) * (1 - RATE))
        if place <= len(farthest):
            return cls(vectors[kept], float(farthest[place - 1]), RATE)
        limit = max(farthest[-1], farthest.mean() + _FEW_SPREADS * farthest.std())
        return cls(vectors[kept], float(limit), 1 / (len(farthest) + 1))

    def distances(self, vectors: Rows) -> Floats:
        """Measure how far photographs (n, channels) lie, as shares of the limit: unlike above 1."""
        return _distances(vectors, self.vectors) / max(self.limit, 1e-12)

    def to_bytes(self) -> bytes:
        """Give what was learned as it stands in a model's folder: arrays, no pickle."""
        out = io.BytesIO()
        np.savez(out, vectors=self.vectors, limit=np.array([self.limit, self.rate]))
        return out.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> Self:
        """Read what `to_bytes` wrote.

        Raises:
            UnsafeFileError, ValueError, KeyError, zipfile.BadZipFile: it wrote something else.
        """
        arrays = read_arrays(content)
        vectors, numbers = arrays["vectors"], arrays["limit"]
        sound = vectors.ndim == 2 and vectors.dtype == np.float32 and len(vectors) >= NEAREST
        finite = np.isfinite(vectors).all() and np.isfinite(numbers).all()
        # Otherwise nothing would be unlike, and nobody would hear of it.
        if not sound or numbers.shape != (2,) or not finite or not 0 <= numbers[1] <= 1:
            raise ValueError(f"vectors of shape {vectors.shape}, limits {numbers!r}")
        return cls(vectors, float(numbers[0]), float(numbers[1]))


def familiar_file(
    dataset: Dataset, spec: FeatureSpec, learned: Indices, seed: int
) -> dict[str, bytes]:
    """Keep what was trained on looks like, as a file by its name; none where parts are few.

    Args:
        dataset: that has the rows.
        spec: what the model sees.
        learned: int64, numbers of the photographs that it learned from.
        seed: as in `Familiar.of`.
    """
    views = 1 if spec.is_flat else len(spec.stored_views(dataset.row_parts))
    rows = WholeRows(spec, dataset, learned)
    blocks = [
        familiar_vectors(rows[at : at + _BLOCK], dataset.row_parts, views)
        for at in range(0, len(learned), _BLOCK)
    ]
    found = Familiar.of(np.concatenate(blocks), dataset.groups[learned], seed=seed)
    return {} if found is None else {FILE: found.to_bytes()}


def too_many(unlike: int, parts: int, rate: float) -> bool:
    """Say whether more parts are unlike than chance explains (one time in a thousand).

    Example:
        >>> too_many(2, 100, 0.01), too_many(9, 100, 0.01)
        (False, True)
    """
    if unlike < 3:
        return False
    from scipy.special import bdtrc

    return bool(bdtrc(unlike - 1, parts, rate) < 1e-3)


def say_unlike(unlike: int, parts: int, rate: float) -> str:
    """Say how many parts are unlike all that was trained on, and whether that is too many.

    Args:
        unlike: parts with a photograph above the limit.
        parts: how many there are.
        rate: share of parts like those trained on that are above it.

    Returns:
        "" for none; "note: …" for what chance explains, else "warning: …".
    """
    if not unlike:
        return ""
    text = f"{unlike:,} of {parts:,} new parts are {UNLIKE}: a person has to look"
    if not too_many(unlike, parts, rate):
        return f"note: {text} (of parts like those trained on, {100 * rate:.1f} % are)"
    return (
        f"warning: {text}; {100 * rate:.1f} % would be by chance. Did light, camera, distance "
        f"or product "
        "change? Then rely on no verdict: look at them, and fit again with such photographs"
    )


def say_blind(*, pixels: bool) -> str:
    """Say that a model without `Familiar` cannot tell what is unlike, and why.

    Args:
        pixels: whether the model sees pixels, not rows.
    """
    why = (
        "it sees pixels and keeps nothing of the photographs that it was trained on"
        if pixels
        else "an earlier version made it, or from fewer than five parts; fit it again"
    )
    return (
        f"note: this model cannot tell photographs that are unlike what it was trained on ({why}): "
        "it judges whatever it is shown, a shoe or a grey frame as well"
    )


def _distances(asked: Rows, known: Rows, hide: Callable[[Indices], object] | None = None) -> Floats:
    """Measure to the third nearest known one, float64 (n,); `hide` says which to pass over."""
    found = np.empty(len(asked))
    squares = (known.astype(np.float64) ** 2).sum(axis=1)
    for start in range(0, len(asked), _BLOCK):
        rows = np.arange(start, min(start + _BLOCK, len(asked)))
        block: Row = asked[rows]
        square = (block.astype(np.float64) ** 2).sum(axis=1)[:, None] + squares
        square -= 2 * (block @ known.T)
        if hide is not None:
            square[hide(rows)] = np.inf
        nearest = np.partition(square, NEAREST - 1, axis=1)[:, NEAREST - 1]
        found[rows] = np.sqrt(np.maximum(nearest, 0))
    return found
