"""Predictions to the write-up's picture: which photographs it shows, and what it says of them."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.classes import Classes
from pipeline.predict import Prediction
from pipeline.sheet import SheetEntry, draw_sheet

SHOWN = 20


def prediction_sheet(
    classes: Classes, predictions: Sequence[Prediction], shown: int = SHOWN
) -> bytes:
    """A PNG of up to `shown` photographs, evenly spread over the predictions in their order."""
    count = min(shown, len(predictions))
    chosen = [predictions[i * len(predictions) // count] for i in range(count)]
    # What the model learned from says nothing of how good it is.
    new = [p for p in predictions if not p.trained_on]
    known = [p for p in new if _is_right(p) is not None]
    right = sum(_is_right(p) is True for p in known)
    meaning = "probability of a defect" if classes.binary else "probability of the verdict"
    title = f"{count} of {len(predictions)} photographs: verdict and {meaning}"
    if known:
        title += f"; {right} of the {len(known)} with known class and not trained on are right"
    return draw_sheet([_entry(prediction) for prediction in chosen], title)


def _entry(prediction: Prediction) -> SheetEntry:
    if prediction.verdict is None or prediction.probability is None:
        return SheetEntry(prediction.file, None, prediction.truth, None, prediction.error)
    return SheetEntry(
        prediction.file,
        f"{prediction.verdict}  {prediction.probability:.0%}",
        prediction.truth,
        _is_right(prediction),
    )


def _is_right(prediction: Prediction) -> bool | None:
    """None where it cannot be told: no verdict, no known class, or a person has to look."""
    if prediction.truth is None or prediction.verdict is None or prediction.for_person:
        return None
    return prediction.truth == prediction.verdict
