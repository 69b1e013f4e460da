"""A model's self-test: what it gave when it was made, replayed stage by stage.

pixels     three drawn photographs (`selftest_images`) through the decoder, at every load
head       some rows (pixels, if it sees pixels) through the head, at every load
backbone   the drift probe (`drift_probe`) through the backbone, whenever that runs anyway

Each stage is given what was recorded, so that the one that moved is named and no other.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from features.arrays import Floats, Row
from features.backbones.drift_probe import moved
from features.photographs.decode import decode
from features.photographs.recipe import Recipe
from features.untrusted_files import UnsafeFileError, read_arrays
from pipeline.model.selftest_images import IMAGES

PROBABILITY_TOLERANCE = 1e-4
"""Largest accepted difference of a probability."""

PIXEL_TOLERANCE = 4
"""Largest accepted difference of a pixel, of 255: room for other rounding, not measured."""

MEAN_PIXEL_TOLERANCE = 0.5
"""Largest accepted mean difference of a photograph's pixels, of 255."""

MOST_ROWS = 8


class Predictor(Protocol):
    """A head, or a CNN."""

    def predict_proba(self, X: npt.NDArray[Any], /) -> Floats:
        """Predict probabilities (n, n_classes) of n rows or n photographs' pixels."""
        ...


@dataclass(frozen=True)
class SelfTest:
    """Hold what was recorded.

    Attributes:
        rows: some float32 rows or uint8 pixels.
        probabilities: float64 (len(rows), n_classes) that they gave.
        pixels: by name of a drawn photograph; empty in models made before there were any.
        drift_probe: its row of the backbone, float32, taps included; None where the cache had
            none, or where the model sees pixels.
        map_alone: whether it is the last map alone that rows of the drift probe begin with.
    """

    rows: npt.NDArray[Any]
    probabilities: Floats
    pixels: dict[str, npt.NDArray[Any]]
    drift_probe: Row | None
    map_alone: bool = False

    def moved_at_load(self, head: Predictor, recipe: Recipe | None) -> str | None:
        """Say which stage moved, and how far; None where the result is what it was.

        A recipe that is not known (None) leaves the pixels stage out.
        """
        for name, expected in self.pixels.items() if recipe else ():
            assert recipe is not None
            found = decode(IMAGES[name], recipe)
            if found.shape != expected.shape:
                return f"the pixels stage moved: photograph {name!r} has the shape {found.shape}"
            # uint8 would wrap: 3 - 5 is 254 there.
            gap = np.abs(found.astype(np.int16) - expected)
            if gap.max() > PIXEL_TOLERANCE or gap.mean() > MEAN_PIXEL_TOLERANCE:
                return (
                    f"the pixels stage moved: photograph {name!r} decodes to pixels up to "
                    f"{gap.max()} of 255 away, {gap.mean():.2g} on average; allowed "
                    f"{PIXEL_TOLERANCE} and {MEAN_PIXEL_TOLERANCE:g}"
                )
        given = head.predict_proba(self.rows)
        most = float(np.abs(given - self.probabilities).max(initial=0.0))
        # Not `most > …`: nan, from weights that were changed, is no small difference.
        if not most <= PROBABILITY_TOLERANCE:
            return (
                f"the head stage moved: it no longer gives the probabilities that it gave, the "
                f"largest difference is {most:.2g}; allowed {PROBABILITY_TOLERANCE:g}"
            )
        return None

    def moved_backbone(self, row: Row, precision: str) -> str | None:
        """Say how the backbone's row of the drift probe differs; None where it does not."""
        if self.drift_probe is None:
            return None
        row = row[: len(self.drift_probe)] if self.map_alone else row
        text = moved(row, self.drift_probe, precision)
        return None if text is None else f"the backbone stage moved: {text}"


def write(
    head: Predictor, inputs: npt.NDArray[Any], recipe: Recipe | None, drift_probe: Row | None
) -> bytes:
    """Give a self-test as the bytes of a .npz file.

    Args:
        head: trained.
        inputs: some float32 rows or uint8 pixels, the first of which are kept.
        recipe: of the model; None for one that this version does not know.
        drift_probe: the backbone's row of the drift probe, where it is known.
    """
    rows = np.ascontiguousarray(inputs[:MOST_ROWS])
    arrays: dict[str, npt.NDArray[Any]] = {}
    if drift_probe is not None:
        # As each of the views of a model that sees several; taps stand behind what is flat.
        views = max(1, rows.shape[1] // len(drift_probe))
        rows = np.concatenate([rows, np.tile(drift_probe, views)[None, : rows.shape[1]]])
        arrays["witness"] = drift_probe
    if recipe is not None:
        arrays |= {f"pixels_{name}": decode(image, recipe) for name, image in IMAGES.items()}
    out = io.BytesIO()
    np.savez(out, allow_pickle=False, rows=rows, probabilities=head.predict_proba(rows), **arrays)
    return out.getvalue()


def read(content: bytes) -> SelfTest:
    """Read what `write` wrote, or an older version.

    Raises:
        UnsafeFileError: an array claims more than it holds, is missing, or of another type.
        ValueError, zipfile.BadZipFile: it is no .npz file.
    """
    arrays = read_arrays(content)
    if not {"rows", "probabilities"} <= set(arrays) or any(
        array.dtype.kind not in "fu" for array in arrays.values()
    ):
        raise UnsafeFileError(f"it holds {', '.join(arrays) or 'nothing'}")
    pixels = {name: arrays[f"pixels_{name}"] for name in IMAGES if f"pixels_{name}" in arrays}
    return SelfTest(arrays["rows"], arrays["probabilities"], pixels, arrays.get("witness"))
