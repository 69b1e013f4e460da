"""The write-up's picture: a grid of photographs with their verdicts."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PIL import Image

from features.photographs.decode_worker_pool import thumbnail_apart
from pipeline.data.classes import Classes
from pipeline.heatmaps.drawing import mark
from pipeline.heatmaps.explain import Frame
from pipeline.model.predict import Prediction
from pipeline.output.photograph_grid import SheetEntry, draw_sheet

SHOWN = 20


def prediction_sheet(
    classes: Classes,
    predictions: Sequence[Prediction],
    shown: int = SHOWN,
    frame: Frame | None = None,
) -> bytes:
    """A PNG of up to `shown` photographs, evenly spread over the predictions in their order.

    With the model's `frame`, each lies under its heatmap.
    """
    count = min(shown, len(predictions))
    chosen = [predictions[i * len(predictions) // count] for i in range(count)]
    # What the model learned from says nothing of how good it is.
    new = [p for p in predictions if not p.trained_on]
    known = [p for p in new if _is_right(p) is not None]
    right = sum(_is_right(p) is True for p in known)
    meaning = "probability of the verdict"
    if classes.binary:
        meaning = "probability of a defect, beside the limit that decided"
    title = f"{count} of {len(predictions)} photographs: verdict and {meaning}"
    if known:
        title += f"; {right} of the {len(known)} with known class and not trained on are right"
    if frame is not None:
        title += f"; vermilion speaks for {frame.subject}, blue against it"
    return draw_sheet([_entry(prediction, frame) for prediction in chosen], title)


def _entry(prediction: Prediction, frame: Frame | None) -> SheetEntry:
    if prediction.verdict is None:
        return SheetEntry(prediction.file, None, prediction.truth, None, prediction.error)
    truth, right = prediction.truth, _is_right(prediction)
    if prediction.trained_on and truth is not None:
        truth, right = f"{truth} (trained on it)", None
    return SheetEntry(
        prediction.file,
        prediction.verdict,
        truth,
        right,
        said=prediction.said,
        view=_view(prediction, frame),
    )


def _is_right(prediction: Prediction) -> bool | None:
    """None where it cannot be told: no verdict, no known class, or a person has to look."""
    if prediction.truth is None or prediction.verdict is None or prediction.for_person:
        return None
    return prediction.truth == prediction.verdict


def _view(prediction: Prediction, frame: Frame | None) -> Callable[[bytes, int], Image.Image]:
    cells = prediction.cells
    if frame is None or cells is None:
        return thumbnail_apart
    return lambda data, side: mark(data, cells, frame, side).heatmap
