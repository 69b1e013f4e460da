"""Training curves as a table: what a head that trains in epochs leaves in its model."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence

from pipeline.output.tables import to_csv

History = Sequence[Mapping[str, float]]
"""Per epoch, any of epoch, loss, accuracy, val_loss, val_accuracy."""

CURVES = "curves.csv"
"""Name of the table in a model's folder; its report draws it."""


def epochs_of(history: History) -> list[int]:
    """Give the epochs' numbers, from 1 where they have none.

    Example:
        >>> epochs_of([{"loss": 0.7}, {"epoch": 5.0, "loss": 0.4}])
        [1, 5]
    """
    return [int(entry.get("epoch", number)) for number, entry in enumerate(history, 1)]


def curves_csv(history: History) -> str:
    r"""Write one line per epoch, one column per score, the epoch (from 1) first.

    Example:
        >>> curves_csv([{"loss": 0.7}, {"loss": 0.4, "accuracy": 1.0}])
        'epoch,loss,accuracy\n1,0.7,\n2,0.4,1.0\n'
    """
    columns = ["epoch", *dict.fromkeys(n for entry in history for n in entry if n != "epoch")]
    epochs = epochs_of(history)
    return to_csv(
        columns, [dict(entry) | {"epoch": n} for n, entry in zip(epochs, history, strict=True)]
    )


def read_curves(text: str) -> list[dict[str, float]]:
    r"""Give the history in a text of `curves_csv`; what is empty is left out.

    Example:
        >>> read_curves("epoch,loss,accuracy\n1,0.7,\n")
        [{'epoch': 1.0, 'loss': 0.7}]
    """
    return [
        {name: float(value) for name, value in row.items() if value}
        for row in csv.DictReader(io.StringIO(text))
    ]


def mean_history(histories: Sequence[History]) -> list[dict[str, float]]:
    """Average histories of equal length, epoch by epoch.

    Example:
        >>> mean_history([[{"loss": 1.0}], [{"loss": 0.5}]])
        [{'loss': 0.75}]
    """
    return [
        {name: sum(entry[name] for entry in entries) / len(entries) for name in entries[0]}
        for entries in zip(*histories, strict=True)
    ]
