"""The write-up's picture: a grid of photographs with their verdicts."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PIL import Image

from features.photographs.decode_worker_pool import thumbnail_apart
from pipeline.data.classes import Classes
from pipeline.groups.proposal import say_parts
from pipeline.heatmaps.drawing import mark
from pipeline.heatmaps.explain import Frame
from pipeline.model.part_predictions import PartPrediction
from pipeline.model.predict import Prediction
from pipeline.output.photograph_grid import SheetEntry, draw_sheet

SHOWN = 20
_OF_PART = 3  # photographs of a part at most, where all of all parts have no room

Verdict = Prediction | PartPrediction
"""What has a verdict: a photograph, or a part with its photographs."""


def prediction_sheet(
    classes: Classes,
    predictions: Sequence[Prediction],
    shown: int = SHOWN,
    frame: Frame | None = None,
    parts: Sequence[PartPrediction] | None = None,
) -> bytes:
    """Give a PNG of up to `shown` photographs: what a person should look at comes first.

    First what is known to be wrong, then what is unlike all that was trained on, what is for a
    person, what cannot be read, the other new ones with the most doubtful first, and what the model
    was trained on last. The photographs of a part stand together, under the verdict on the part;
    where not all have room, those that speak most for a defect (of more classes, those that are
    surest), so that more parts are seen.

    Args:
        classes: of the model.
        predictions: photographs that were judged.
        shown: photographs at most.
        frame: of the model, to show each photograph under its heatmap.
        parts: of these photographs; None where each is judged by itself.

    Returns:
        The bytes of a PNG.

    Example:
        >>> told = onepass.predict(bundle, onepass.find_photographs(["data"]), Path("features.h5"))
        >>> size = Path("sheet.png").write_bytes(onepass.prediction_sheet(bundle.classes, told))
    """
    units: Sequence[Verdict] = predictions if parts is None else parts
    chosen: list[SheetEntry] = []
    most = _most_of_each([len(_photographs(unit)) for unit in units], shown)
    for unit in sorted(units, key=_rank):
        chosen += [_entry(one, frame, unit) for one in _loudest(_photographs(unit), most)]
    count = min(shown, len(chosen))
    # What the model learned from says nothing of how good it is.
    known = [
        right for unit in units if not unit.trained_on and (right := _is_right(unit)) is not None
    ]
    meaning = "probability of the verdict"
    if classes.binary:
        meaning = "probability of a defect, beside the limit that decided"
    what = f"{len(predictions)} photographs"
    if parts is not None and len(parts) < len(predictions):
        many = say_parts(len(parts), parts[0].photographs[0].group_rule)
        what += f" of {many}, with one verdict each"
        cut = any(len(part.photographs) > most for part in parts)
        what += f" (at most {most} of each)" if cut else ""
    title = f"{count} of {what}: verdict and {meaning}; mistakes and doubtful ones first"
    if known:
        title += f"; {sum(known)} of the {len(known)} with known class and not trained on are right"
    if frame is not None:
        title += f"; vermilion speaks for {frame.subject}, blue against it"
    return draw_sheet(chosen[:count], title)


def _photographs(unit: Verdict) -> tuple[Prediction, ...]:
    return (unit,) if isinstance(unit, Prediction) else unit.photographs


def _most_of_each(sizes: Sequence[int], shown: int) -> int:
    """Say how many photographs of each part fit: at least `_OF_PART`, more where there is room."""
    largest = max(sizes, default=_OF_PART)
    enough = (m for m in range(_OF_PART, largest) if sum(min(n, m) for n in sizes) >= shown)
    return next(enough, max(largest, _OF_PART))


def _loudest(photographs: Sequence[Prediction], most: int) -> list[Prediction]:
    """Keep what could not be read, and what speaks most for a defect, in the order that it has."""

    def loud(one: Prediction) -> float:
        return float("inf") if one.probability is None else one.probability

    kept = sorted(range(len(photographs)), key=lambda at: -loud(photographs[at]))[:most]
    return [photographs[at] for at in sorted(kept)]


def _rank(unit: Verdict) -> tuple[bool, int, float]:
    """Rank by what a person should see first: the smallest."""
    photographs = _photographs(unit)
    if _is_right(unit) is False:
        kind = 0
    elif any(one.unlike for one in photographs):
        kind = 1
    elif unit.for_person:
        kind = 2
    else:
        kind = 3 if unit.error is not None else 4
    return unit.trained_on, kind, 0.0 if unit.margin is None else unit.margin


def _entry(prediction: Prediction, frame: Frame | None, unit: Verdict | None = None) -> SheetEntry:
    unit = unit or prediction
    if prediction.verdict is None:
        return SheetEntry(prediction.file, None, prediction.truth, None, prediction.error)
    truth, right = unit.truth, _is_right(unit)
    if unit.trained_on and truth is not None:
        truth, right = f"{truth} (trained on it)", None
    return SheetEntry(
        prediction.file,
        unit.verdict,
        truth,
        right,
        said=unit.said or prediction.said,  # of what the verdict is about: the part
        view=_view(prediction, frame),
    )


def _is_right(unit: Verdict) -> bool | None:
    """Say whether a verdict is right; None without one or a known class, or if a person looks."""
    if unit.truth is None or unit.verdict is None or unit.for_person:
        return None
    return unit.truth == unit.verdict


def _view(prediction: Prediction, frame: Frame | None) -> Callable[[bytes, int], Image.Image]:
    cells = prediction.cells
    if frame is None or cells is None:
        return thumbnail_apart
    return lambda data, side: mark(data, cells, frame, side).heatmap
