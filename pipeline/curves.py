"""Training curves as a table and as a picture."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

from pipeline.tables import to_csv

History = Sequence[Mapping[str, float]]


def curves_csv(history: History) -> str:
    """One line per epoch, one column per score."""
    columns = list(dict.fromkeys(name for entry in history for name in entry))
    return to_csv(columns, [dict(entry) for entry in history])


def curves_png(history: History, title: str) -> bytes:
    """Loss and accuracy per epoch, training against validation where there is one, as PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    epochs = [entry.get("epoch", i + 1) for i, entry in enumerate(history)]
    for panel, name in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
        for column, label, style in ((name, "training", "-"), (f"val_{name}", "validation", "--")):
            values = [entry.get(column, float("nan")) for entry in history]
            if any(value == value for value in values):
                panel.plot(epochs, values, style, label=label, linewidth=1.8)
                panel.annotate(f" {values[-1]:.3f}", (epochs[-1], values[-1]), fontsize=8)
        panel.set_xlabel("epoch")
        panel.set_ylabel(name)
        panel.grid(alpha=0.3)
        panel.legend(frameon=False)
    figure.suptitle(title)
    out = io.BytesIO()
    FigureCanvasAgg(figure).print_png(out)
    return out.getvalue()
