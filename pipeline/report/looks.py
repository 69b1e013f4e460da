"""Where a model looks, for the photographs that a report shows; or why that cannot be said."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from features.errors import OnepassError
from pipeline.bundle import Bundle, load_bundle
from pipeline.cnn import Cnn
from pipeline.heads.base import Floats
from pipeline.heatmaps.explain import Frame, explain, frame_of
from pipeline.judgements import Judgements


@dataclass(frozen=True)
class Looks:
    """Heatmaps of some photographs.

    Attributes:
        cells: by number of the photograph, float64 (height, width) of `explain`.
        frame: how they are drawn and read; None where there are none.
        reason: why there are none.
    """

    cells: dict[int, Floats] = field(default_factory=dict)
    frame: Frame | None = None
    reason: str = ""


Looker = Callable[[Judgements, Sequence[int]], Looks]
"""From the judged photographs and the numbers of those that are shown to where the model looks."""


def looks_of_bundle(bundle: Bundle, cache_path: Path) -> Looker:
    """Of a loaded model, whose rows are in this cache."""

    def look(judged: Judgements, numbers: Sequence[int]) -> Looks:
        if isinstance(bundle.head, Cnn):
            return Looks(reason="this model sees pixels, and has no cells to ask")
        try:
            frame = frame_of(bundle)
            chosen = [judged.samples[number] for number in numbers]
            probabilities = judged.probabilities[list(numbers)]
            cells = explain(bundle, cache_path, chosen, probabilities)
        except OnepassError as error:
            return Looks(reason=str(error))
        return Looks(dict(zip(numbers, cells, strict=True)), frame)

    return look


def looks_of_folder(folder: Path, cache_path: Path) -> Looker:
    """Of a model that has just been saved there."""

    def look(judged: Judgements, numbers: Sequence[int]) -> Looks:
        try:
            bundle = load_bundle(folder)
        except OnepassError as error:
            return Looks(reason=str(error))
        return looks_of_bundle(bundle, cache_path)(judged, numbers)

    return look
