"""A folder of heatmaps: one PNG for each photograph, and a table of the cells' numbers."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from features.errors import ImageError, OutputError
from features.files import whole_folder
from features.photographs.decode import MAX_PIXELS
from features.photographs.file import read_photograph
from pipeline.heatmaps.drawing import draw_page, mark
from pipeline.heatmaps.explain import Frame
from pipeline.model.predict import Prediction
from pipeline.output.overwrite import refuse_among
from pipeline.output.tables import MARK, printable, to_csv

TABLE = "heatmaps.csv"
_SIDE = 448  # pixels: a photograph's longer side
_LETTERS = 60  # of a photograph's name that its heatmap's name keeps


def check_folder(folder: Path, names: Sequence[str]) -> None:
    """See that heatmaps may be written there, before hours of work.

    Args:
        folder: new, empty, or holding nothing but heatmaps written earlier, which are replaced.
        names: of the photographs, folders and patterns that are about to be judged.

    Raises:
        OutputError: it is a file, holds anything else, or lies in a folder of photographs, where
            heatmaps would be taken for photographs the next time.

    Example:
        >>> onepass.check_folder(Path("heatmaps"), ["data"])
        >>> onepass.check_folder(Path("data/heatmaps"), ["data"])
        Traceback (most recent call last):
        ...
        features.errors.OutputError: ...
    """
    refuse_among(folder, map(Path, names), "--heatmaps")
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder} is a file; expected a folder; name another with --heatmaps")
    if folder.is_dir():
        strangers = {file.name for file in folder.iterdir()} - _written(folder / TABLE)
        if strangers:
            raise OutputError(
                f"{folder} holds {printable(min(strangers))}, which is no heatmap of ours; "
                "expected a new folder, or one of earlier heatmaps; name another with --heatmaps"
            )


def _written(table: Path) -> set[str]:
    """Name the files that an earlier run put beside its table."""
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            return {TABLE} | {row["heatmap"] for row in csv.DictReader(file)}
    except (OSError, ValueError, KeyError, csv.Error):
        return set()


def write_heatmaps(
    folder: Path,
    frame: Frame,
    predictions: Sequence[Prediction],
    *,
    max_pixels: int = MAX_PIXELS,
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Draw the heatmaps of predictions into a folder, whole or not at all.

    A heatmap is called after its photograph's place in `predictions`, which is the line of the
    table of verdicts, and its name. `heatmaps.csv` holds for every photograph the name of its
    heatmap and the cells' numbers, row by row (or those of views, by their names); both empty
    where it could not be read.

    Args:
        folder: checked by `check_folder`; what it held is replaced.
        frame: of the model.
        predictions: of `pipeline.model.predict.predict` with `explain` given.
        max_pixels: refuse larger photographs.
        progress: called as `progress(done, total)`.

    Returns:
        How many were drawn.

    Raises:
        OutputError: the folder cannot be written, or holds something else.

    Example:
        >>> told = onepass.predict(
        ...     bundle,
        ...     onepass.find_photographs(paths[:3]),
        ...     Path("features.h5"),
        ...     explain=onepass.explain,
        ... )
        >>> onepass.write_heatmaps(Path("heatmaps"), onepass.frame_of(bundle), told)
        3
    """
    check_folder(folder, [])
    digits = max(4, len(str(len(predictions))))
    rows: list[dict[str, object]] = []
    columns: dict[str, None] = dict.fromkeys(("path", "heatmap"))
    with whole_folder(folder) as new:
        for number, prediction in enumerate(predictions, 1):
            if progress is not None:
                progress(number - 1, len(predictions))
            path = os.fsencode(prediction.path).decode("utf-8", "backslashreplace")
            row: dict[str, object] = {"path": path, "heatmap": None}
            page = _page(prediction, frame, max_pixels)
            if page is not None and prediction.cells is not None:
                row["heatmap"] = _name(number, digits, prediction.file)
                row |= {
                    _column(frame, i, j): round(float(value), 6)
                    for (i, j), value in np.ndenumerate(prediction.cells)
                }
                (new / str(row["heatmap"])).write_bytes(page)
            columns |= dict.fromkeys(row)
            rows.append(row)
        (new / TABLE).write_text(MARK + to_csv(list(columns), rows), "utf-8")
    return sum(row["heatmap"] is not None for row in rows)


def _column(frame: Frame, row: int, column: int) -> str:
    return frame.views[column] if frame.views else f"cell_{row + 1}_{column + 1}"


def _page(prediction: Prediction, frame: Frame, max_pixels: int) -> bytes | None:
    """Draw one page; None where there is no verdict, or the photograph has gone since."""
    if prediction.cells is None or prediction.verdict is None:
        return None
    try:
        data = read_photograph(prediction.file, max_pixels=max_pixels)
        marked = mark(data, prediction.cells, frame, _SIDE, max_pixels=max_pixels)
    except ImageError:
        return None
    shape = (len(prediction.cells), len(prediction.cells.T))
    title = _title(prediction, frame)
    return draw_page(marked, frame, shape, title, prediction.file.name)


def _title(prediction: Prediction, frame: Frame) -> str:
    what = frame.subject if frame.subject == "a defect" else "it"
    return f"{prediction.verdict}: probability of {what} {prediction.said}"


def _name(number: int, digits: int, file: Path) -> str:
    """Name a page, as 0007_part-3.png: safe on every system, in the photographs' order."""
    safe = re.sub(r"[^A-Za-z0-9.-]+", "_", file.stem)[:_LETTERS].strip("._")
    return f"{number:0{digits}}_{safe}.png" if safe else f"{number:0{digits}}.png"
