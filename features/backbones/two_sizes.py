"""A backbone at two input sizes: each picture goes to the network that is compiled for its size.

A network of convolutions does not mind how large a picture is. Its last map then has more
positions, and every layer pooled over its positions as many values as ever.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from features.arrays import Pixels, Rows
from features.backbones.registry import Backbone


class TwoSizes:
    """Two backbones of the same weights, which share their work by the size of pictures.

    Args:
        own: builds the one at its own input size.
        large: builds the one at the larger size.
        at_once: build both at once, which halves the wait for networks that were kept; TensorFlow
            cannot be imported by two threads.
        batches: how many pictures each of the two takes at once.
        large_size: height and width of large pictures.
        width: values of a row: the last map and all layers.
        layers: how many of these are of layers, which stand behind the map.
    """

    def __init__(
        self,
        own: Callable[[], Backbone],
        large: Callable[[], Backbone],
        *,
        at_once: bool,
        batches: Sequence[int],
        large_size: tuple[int, int],
        width: int,
        layers: int,
    ) -> None:
        with ThreadPoolExecutor(1 + at_once, thread_name_prefix="loader") as pool:
            both = pool.submit(own), pool.submit(large)
        self._networks, self._batches = [each.result() for each in both], batches
        self._large_size, self._width, self._layers = large_size, width, layers

    def run(self, pixels: Pixels) -> Rows:
        """Compute rows of pictures that all have one size; see `run_each`."""
        return self.run_each(list(pixels))

    def run_each(self, pictures: Sequence[Pixels]) -> Rows:
        """Compute rows of pictures of both sizes.

        Args:
            pictures: uint8 (height, width, 3) each, as many as there are.

        Returns:
            float32 (n, values of a row) in their order. Of a large picture the layers alone are
            kept: zeros stand in the place of its map.
        """
        large = np.array([picture.shape[:2] == self._large_size for picture in pictures])
        rows = np.zeros((len(pictures), self._width), np.float32)
        for which, (network, batch) in enumerate(zip(self._networks, self._batches, strict=True)):
            places = np.flatnonzero(large == bool(which))
            for start in range(0, len(places), batch):
                some = places[start : start + batch]
                seen = network.run(np.stack([pictures[place] for place in some]))
                kept = self._layers if which else self._width
                rows[some, self._width - kept :] = seen[:, -kept:]
        return rows


def see(backbone: Backbone, pictures: Sequence[Pixels]) -> Rows:
    """Run pictures through a backbone that has a network for the size of each.

    Args:
        backbone: from `BackboneSettings.load`.
        pictures: uint8 (height, width, 3) each.

    Returns:
        float32 (n, values of a row), in their order.
    """
    if isinstance(backbone, TwoSizes):
        return backbone.run_each(pictures)
    return backbone.run(np.stack(pictures))
