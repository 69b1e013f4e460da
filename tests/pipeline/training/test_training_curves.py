"""Training curves: the table holds every number, and the picture shows what the table says."""

from __future__ import annotations

import csv
import io
import sys

import numpy as np
import pytest
from PIL import Image

from pipeline.training.training_curves import curves_csv, curves_png

BLUE, VERMILION = (0, 114, 178), (213, 94, 0)


def history(epochs: int, validation: bool = False) -> list[dict[str, float]]:
    """Give a training that goes well."""
    rows = []
    for n in range(1, epochs + 1):
        row = {"epoch": float(n), "loss": 0.7 / n, "accuracy": 1 - 0.4 / n}
        rows.append(row | ({"val_loss": 0.8 / n, "val_accuracy": 0.5} if validation else {}))
    return rows


def pixels(png: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(png)) as image:
        assert image.format == "PNG"
        return np.asarray(image.convert("RGB")).astype(int)


def coloured(png: bytes, colour: tuple[int, int, int]) -> np.ndarray:
    """Where the picture has this colour."""
    return np.abs(pixels(png) - np.array(colour)).max(axis=2) < 12


def test_csv_holds_every_number() -> None:
    """One line per epoch, epochs as whole numbers, values as they were."""
    rows = list(csv.DictReader(io.StringIO(curves_csv(history(3, validation=True)))))
    assert list(rows[0]) == ["epoch", "loss", "accuracy", "val_loss", "val_accuracy"]
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert [float(row["val_loss"]) for row in rows] == [0.8, 0.4, 0.8 / 3]


def test_csv_of_uneven_rows() -> None:
    """A value that an epoch lacks is empty; epochs without a number are counted; epoch is first."""
    text = curves_csv([{"loss": 1.0}, {"val_loss": 2.0, "loss": 0.5}])
    assert text == "epoch,loss,val_loss\n1,1.0,\n2,0.5,2.0\n"
    assert curves_csv([]) == "epoch\n"


def test_picture_shows_training_and_where_there_is_one_validation() -> None:
    """Training is blue on both panels; vermilion appears with validation only."""
    alone, both = curves_png(history(9), "t"), curves_png(history(9, validation=True), "t")
    assert pixels(alone).shape == (570, 1350, 3)
    for panel in (slice(0, 675), slice(675, None)):
        assert coloured(alone, BLUE)[:, panel].sum() > 500
        assert coloured(both, VERMILION)[:, panel].sum() > 300
    assert coloured(alone, VERMILION).sum() == 0


def test_curves_go_where_the_numbers_go() -> None:
    """A loss that falls is drawn falling, an accuracy that rises rising."""
    blue = coloured(curves_png(history(9), "t"), BLUE)
    for panel, falls in ((blue[:, 60:560], True), (blue[:, 735:1200], False)):
        columns = np.flatnonzero(panel.any(axis=0))
        start = np.flatnonzero(panel[:, columns[5]]).mean()
        middle = np.flatnonzero(panel[:, columns[len(columns) // 2]]).mean()
        assert (middle > start + 40) if falls else (middle < start - 40)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "rows",
    [
        [],
        history(1),
        [{"epoch": 1.0}],
        [{"loss": 0.0, "accuracy": 1.0}] * 2,
        [{"loss": float("nan")}, {"loss": 3.0, "accuracy": 0.1}, {"loss": float("inf")}],
    ],
)
def test_odd_histories_draw_without_complaint(rows: list[dict[str, float]]) -> None:
    """No epoch, one epoch, no numbers or constant ones give a picture, not a warning."""
    assert pixels(curves_png(rows, "odd $x^ title")).shape == (570, 1350, 3)


def test_no_global_state() -> None:
    """Drawing leaves no figure behind: pyplot is not even imported."""
    before = "matplotlib.pyplot" in sys.modules
    curves_png(history(2), "t")
    assert ("matplotlib.pyplot" in sys.modules) == before
