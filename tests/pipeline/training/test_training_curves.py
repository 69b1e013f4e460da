"""Training curves: the table holds every number, and can be read again."""

from __future__ import annotations

import csv
import io

import pytest
from rows import history

from pipeline.training.training_curves import curves_csv, mean_history, read_curves


def test_csv_holds_every_number() -> None:
    """One line per epoch, epochs as whole numbers, values as they were; read again, the same."""
    text = curves_csv(history(3, validation=True))
    rows = list(csv.DictReader(io.StringIO(text)))
    assert list(rows[0]) == ["epoch", "loss", "accuracy", "val_loss", "val_accuracy"]
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert [float(row["val_loss"]) for row in rows] == [0.8, 0.4, 0.8 / 3]
    assert read_curves(text) == history(3, validation=True)


def test_csv_of_uneven_rows() -> None:
    """A value that an epoch lacks is empty; epochs without a number are counted; epoch is first."""
    text = curves_csv([{"loss": 1.0}, {"val_loss": 2.0, "loss": 0.5}])
    assert text == "epoch,loss,val_loss\n1,1.0,\n2,0.5,2.0\n"
    assert read_curves(text)[0] == {"epoch": 1, "loss": 1}
    assert curves_csv([]) == "epoch\n"


def test_histories_are_averaged_epoch_by_epoch() -> None:
    """The mean over runs of equal length; another length is an error, not a short curve."""
    mean = mean_history([[{"loss": 1.0}, {"loss": 0.5}], [{"loss": 0.0}, {"loss": 0.25}]])
    assert mean == [{"loss": 0.5}, {"loss": 0.375}]
    with pytest.raises(ValueError, match="zip"):
        mean_history([history(1), history(2)])
