"""Training curves as a table and as a picture."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pipeline.output.tables import to_csv

if TYPE_CHECKING:
    from matplotlib.axes import Axes

History = Sequence[Mapping[str, float]]

# Okabe and Ito's blue and vermilion; the dashes say it without colour.
_SERIES = (("", "training", "#0072B2", "-"), ("val_", "validation", "#D55E00", "--"))


def curve_files(history: History | None, title: str) -> dict[str, bytes]:
    """Give a training's curves as files by name, a table and a picture; none without epochs."""
    if not history:
        return {}
    return {
        "curves.csv": curves_csv(history).encode(),
        "curves.png": curves_png(history, f"{title}: training"),
    }


def curves_csv(history: History) -> str:
    """One line per epoch, one column per score, the epoch (from 1) first."""
    columns = ["epoch", *dict.fromkeys(n for entry in history for n in entry if n != "epoch")]
    epochs = _epochs(history)
    return to_csv(
        columns, [dict(entry) | {"epoch": n} for n, entry in zip(epochs, history, strict=True)]
    )


def read_curves(text: str) -> list[dict[str, float]]:
    """Give the history in a text of `curves_csv`; what is empty is left out."""
    return [
        {name: float(value) for name, value in row.items() if value}
        for row in csv.DictReader(io.StringIO(text))
    ]


def curves_png(history: History, title: str) -> bytes:
    """Loss and accuracy per epoch, training against validation where there is one.

    Args:
        history: per epoch, any of epoch, loss, accuracy, val_loss, val_accuracy; what is missing
            or no number leaves a gap. The loss axis starts at 0, that of accuracy ends at 1.
        title: over both panels.

    Returns:
        A PNG of 1,350 by 570 pixels.
    """
    # No pyplot: it keeps figures in global state and may open a window.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.8), dpi=150, layout="constrained")
    for panel, name in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
        _draw_history(panel, name, history)
    # Text of a person's own must not be taken for mathematics.
    figure.suptitle(title.replace("$", r"\$"), fontsize=12)
    out = io.BytesIO()
    FigureCanvasAgg(figure)
    figure.savefig(out, format="png")
    return out.getvalue()


def ladder_png(panels: Sequence[tuple[str, History]], *, columns: int) -> bytes:
    """Accuracy per epoch of several trainings, side by side on one scale.

    Args:
        panels: title and history of each, row by row; histories as in `curves_png`.
        columns: panels in a row.

    Returns:
        A PNG of 480 pixels' width per column and 420 pixels' height per row.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(3.2 * columns, 2.8 * rows), dpi=150, layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    names = [prefix + "accuracy" for prefix, *_ in _SERIES]
    lowest = min((e[n] for _, h in panels for e in h for n in names if n in e), default=1.0)
    for panel, (title, history) in zip(axes, panels, strict=False):
        _draw_history(panel, "accuracy", history, lowest)
        panel.set_title(title, fontsize=9)
    out = io.BytesIO()
    FigureCanvasAgg(figure)
    figure.savefig(out, format="png")
    return out.getvalue()


def _draw_history(panel: Axes, name: str, history: History, lowest: float = 1.0) -> None:
    """One score's training and validation curves; an accuracy axis reaches down to `lowest`."""
    curves = {
        label: ([entry.get(prefix + name, math.nan) for entry in history], colour, dashes)
        for prefix, label, colour, dashes in _SERIES
    }
    _draw_panel(panel, name, _epochs(history), curves, lowest)


def _epochs(history: History) -> list[int]:
    return [int(entry.get("epoch", number)) for number, entry in enumerate(history, 1)]


def _draw_panel(
    panel: Axes,
    name: str,
    epochs: list[int],
    curves: Mapping[str, tuple[list[float], str, str]],
    lowest: float,
) -> None:
    """One score over the epochs; every curve carries its name and last value at its end."""
    from matplotlib.ticker import MaxNLocator

    known = [v for values, _, _ in curves.values() for v in values if math.isfinite(v)]
    if name == "loss":
        panel.set_ylim(0, 1.08 * max(known, default=1.0) or 1.0)
    else:
        panel.set_ylim(min(0.4, math.floor(10 * min([lowest, *known])) / 10), 1.02)
    ends = []
    for label, (values, colour, dashes) in curves.items():
        finite = [(n, v) for n, v in zip(epochs, values, strict=True) if math.isfinite(v)]
        if finite:
            # A single epoch is a point, not a line.
            panel.plot(epochs, values, dashes, color=colour, linewidth=1.8, label=label)
            panel.plot(*finite[-1], "o", color=colour, markersize=5)
            ends.append((finite[-1][1], label, colour))
    _label_ends(panel, ends)
    first, last = min(epochs, default=1), max(epochs, default=1)
    panel.set_xlim(first - 0.5 if first == last else first, last + 0.5 * (first == last))
    panel.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    panel.set(xlabel="epoch", title=name if known else f"{name}: not recorded")
    panel.grid(alpha=0.25)
    panel.spines[["top", "right"]].set_visible(False)


def _label_ends(panel: Axes, ends: list[tuple[float, str, str]]) -> None:
    """Write beside the panel which curve ends where, apart and inside its height."""
    low, high = panel.get_ylim()
    room = 0.14  # share of the panel's height that two lines of text need
    places = [(value - low) / (high - low) for value, _, _ in sorted(ends)]
    for i in range(1, len(places)):
        places[i] = max(places[i], places[i - 1] + room)
    for i in reversed(range(len(places))):
        top = places[i + 1] - room if i + 1 < len(places) else 1 - room / 2
        places[i] = min(places[i], top)
    for place, (value, label, colour) in zip(places, sorted(ends), strict=True):
        text = f"{label}\n{value:.3f}"
        where = panel.transAxes
        panel.text(1.03, place, text, color=colour, fontsize=9, va="center", transform=where)
