"""One drawn photograph whose row says whether a backbone still computes what it computed.

It rides along in the first batch of every run that a caller wants watched. The cache keeps its row
in a place of its own, a model that is fitted takes the row along, and a backbone that gives
another one, because its weights, TensorFlow or processor are others, is found out.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from features.arrays import Pixels, Row, Rows
from features.errors import WeightsError

VIEW = "witness"
"""The view that its row has in caches of 0.1.0, among the rows of photographs."""

TOLERANCES = {"float32": 1e-3, "float16": 2e-3, "bfloat16": 5e-2}
"""By precision: largest accepted `difference`. Measured on the probe with trained weights, two
engines and instruction sets from AVX2 to AVX-512 with bfloat16: 5e-7 within float32, 1.3e-2
within bfloat16, 2.9e-2 to 4.5e-2 between the two, which `is_coarse` tells apart."""

_EQUAL = 1e-4
"""Largest difference of rows that are called equal, in parts of their largest value. The two drawn
pictures differ by 0.77 with trained weights, 0.09 and more with random ones, and by 3e-7 where all
layers but the first see nothing but a mean."""

Watch = Callable[[Row, Row | None], None]
"""Called as `watch(row, row in the cache or None)` before a run keeps anything; may raise."""


def probe_pixels(height: int, width: int) -> Pixels:
    """Draw uint8 (height, width, 3): waves, edges, a gradient; whole numbers, the same anywhere."""
    y, x = np.mgrid[0:height, 0:width].astype(np.int64)
    waves = (x * x + 2 * y * y) // 64 % 256
    rings = ((x - width // 2) ** 2 + (y - height // 3) ** 2) // 300 % 2 * 160 + 40
    slope = (x + y) * 255 // max(1, height + width - 2)
    return np.stack([waves, rings, slope], axis=2).astype(np.uint8)


def probe_digest(height: int, width: int) -> str:
    """Give the SHA-256 of the pixels, hex: with VIEW, the key of its row."""
    return hashlib.sha256(probe_pixels(height, width).tobytes()).hexdigest()


def moved(row: Row, expected: Row, precision: str) -> str | None:
    """Say how a backbone's row of the probe differs from the one that was recorded.

    Args:
        row: float32 (width,), just computed.
        expected: the recorded one.
        precision: of both, one of `features.backbones.settings.PRECISIONS`.

    Returns:
        What moved, for a person; None where other processors and batches would differ as much.
    """
    if row.shape != expected.shape:
        return f"rows have {row.size:,} values, and had {expected.size:,}"
    if precision == "bfloat16" and not is_coarse(row):
        return "rows are computed in float32, and not in bfloat16"
    gap, allowed = difference(row, expected), TOLERANCES[precision]
    if gap <= allowed:
        return None
    return f"rows differ by {gap:.2g} of their length; allowed {allowed:g}"


def difference(row: Row, expected: Row) -> float:
    """Measure the difference of two rows, in parts of the expected one's length.

    A sum over tens of thousands of values hardly depends on where a processor rounds, while the
    largest single difference is an outlier of that noise.
    """
    if row.shape != expected.shape:
        return float("nan")
    return _length(row.astype(np.float64) - expected) / max(_length(expected), 1e-12)


def _length(row: npt.NDArray[np.floating[Any]]) -> float:
    # Not np.linalg.norm: it wakes BLAS's threads, which then spin for 20 ms of processor time.
    return math.sqrt(np.square(row, dtype=np.float64).sum())


def is_coarse(row: Row) -> bool:
    """Say whether a row has bfloat16's 8 significant bits: the last 16 of its 32 are 0 then.

    What bfloat16 rounds away differs between processors nearly as much as it differs from float32
    (0.7 and 0.9 % for untrained weights), so no distance tells the two apart. The grid that the
    values lie on does, on every processor. Means over positions, which stand behind the map, are
    taken in float32: half of the row is enough.
    """
    first = np.ascontiguousarray(row[: max(1, row.size // 2)], np.float32)
    fine = np.count_nonzero(first.view(np.uint32) & 0xFFFF)
    return bool(fine <= 0.01 * np.count_nonzero(first))


# ---- networks that see nothing ----------------------------------------------------------------


class SightCheck:
    """Refuses rows that no cache can hold, and weights that see nothing.

    Args:
        weights: for a person.
        dtype: of the cache.
    """

    def __init__(self, weights: str, dtype: np.dtype[Any]) -> None:
        self._weights, self._dtype = weights, dtype
        self._sees = False

    def check(
        self,
        run: Callable[[Pixels], Rows],
        rows: Rows,
        pictures: Sequence[Pixels],
        drawn: int = 0,
    ) -> None:
        """Look at a batch: at its values, and of the first one whether rows tell pictures apart.

        Equal rows are a suspicion, for photographs may be equal; two drawn pictures settle it.

        Args:
            run: of the backbone.
            rows: float32 (n, values of a row), just computed.
            pictures: uint8 (height, width, 3), of which they are; rows of larger ones than the
                first are unlike its own whatever they show.
            drawn: how many of the rows, the last, are of the drift probe: it is unlike any
                photograph, and rows of photographs alone have to differ.

        Raises:
            WeightsError: values are not finite or too large for the cache, or all pictures have
                one and the same row.
        """
        low, high = float(rows.min(initial=0.0)), float(rows.max(initial=0.0))
        if not max(-low, high) <= float(np.finfo(self._dtype).max):  # nan is not, either
            raise WeightsError(
                f"the weights {self._weights} give rows with values that are not finite, or too "
                f"large for {self._dtype}; expected trained weights; name others with --weights"
            )
        if self._sees:
            return
        size = pictures[0].shape
        alike = [place for place, picture in enumerate(pictures) if picture.shape == size]
        shown = [place for place in alike if place < len(rows) - drawn]
        if _are_equal(rows[shown if len(shown) > 1 else alike]):
            probe = probe_pixels(*size[:2])
            pair = np.concatenate([run(probe[None]), run(probe[None, :, ::-1])])
            if _are_equal(pair):
                raise WeightsError(
                    f"the backbone sees nothing with the weights {self._weights}: different "
                    "pictures have the same row; expected trained weights; name others with "
                    "--weights"
                )
        self._sees = True


def _are_equal(rows: Rows) -> bool:
    """Say whether rows differ by no more than rounding; of one row, whether its values are one."""
    if len(rows) == 1:
        return float(np.ptp(rows)) == 0
    most = float(np.abs(rows).max(initial=0.0))
    return float(np.ptp(rows, axis=0).max(initial=0.0)) <= _EQUAL * most
