"""The colours of heatmaps: nothing where a cell says nothing, vermilion for, blue against.

Opacity grows in proportion to the number, so equal steps look equal (in CIELAB over grey, within a
quarter), and 0 leaves the photograph as it is. People who confuse red and green tell the two
colours apart: they lie on the axis between yellow and blue (after Okabe and Ito, "Color universal
design", 2008).
"""

from __future__ import annotations

import numpy as np

from features.images import Pixels
from pipeline.heads.base import Floats

FOR, AGAINST = (213, 94, 0), (0, 90, 200)
OPACITY = 0.75  # of full colour: the part stays visible below it


def colour(pixels: Pixels, values: Floats) -> Pixels:
    """Lay colours over a photograph.

    Args:
        pixels: uint8 (height, width, 3).
        values: float64 (height, width); 1 and above is full colour for, -1 and below against.

    Returns:
        uint8 (height, width, 3).
    """
    opacity = OPACITY * np.clip(np.abs(values), 0, 1)[:, :, None]
    inks = np.where(values[:, :, None] > 0, FOR, AGAINST)
    return np.asarray(np.rint(pixels * (1 - opacity) + inks * opacity), dtype=np.uint8)
