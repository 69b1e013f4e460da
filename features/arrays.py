"""The array types that the whole program hands around: named once, so a page of their own."""

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]
"""float32 of any shape: what networks take and give."""
Pixels = npt.NDArray[np.uint8]
"""uint8 (height, width, 3) of one photograph, or (n, height, width, 3); RGB, 0 to 255."""
Pictures = Pixels | list[Pixels]
"""Several pictures of whatever size: uint8 (n, height, width, 3) where all have one size, else a
list of uint8 (height, width, 3)."""
Rows = npt.NDArray[np.float32]
"""float32 (n, width): what heads see of n photographs."""
Row = npt.NDArray[np.float32]
"""float32 (width,): what a head sees of one photograph."""
Indices = npt.NDArray[np.int64]
"""int64 (n,): class numbers, part numbers, or places in a list."""
Counts = npt.NDArray[np.int64]
"""int64 of any shape: how many."""
Floats = npt.NDArray[np.float64]
"""float64 of any shape: probabilities, scores, distances."""
Flags = npt.NDArray[np.bool_]
"""bool (n,): which of n."""
Scale = tuple[float | tuple[float, ...], float | tuple[float, ...]]
"""(factor, offset) of what a backbone sees, `uint8 * factor + offset`: numbers, or one per channel
in the order R, G, B."""
