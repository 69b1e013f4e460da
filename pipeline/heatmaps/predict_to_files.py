"""Do what `predict` does: photographs by name in, tables, sheet and heatmaps out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from features.files import write_whole
from pipeline.groups.rules import GroupRule
from pipeline.heatmaps.explain import Frame, explain, find_frame
from pipeline.heatmaps.folder import check_folder, write_heatmaps
from pipeline.heatmaps.prediction_sheet import prediction_sheet
from pipeline.model.bundle import Bundle
from pipeline.model.part_predictions import (
    PartPrediction,
    predict_parts,
    told_parts,
)
from pipeline.model.predict import Prediction, find_photographs, predict
from pipeline.model.prediction_tables import check_outputs, format_predictions, write_tables
from pipeline.model.probabilities import PredictOptions
from pipeline.output.overwrite import check_picture
from pipeline.output.tables import MARK

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class PredictWish:
    """Hold what a person asked `predict` for.

    Attributes:
        out: table of the verdicts; its suffix is the format; "-" to give them back as CSV.
        sheet: picture of photographs with their verdicts; None for none.
        heatmaps: folder for pictures of where the model looks; None for none.
        cache: that has the rows, or gets them; None to keep none.
        parts: which photographs show one part.
        options: how rows that are missing are computed.
        force: replace files that this program did not write.
    """

    out: Path
    sheet: Path | None = None
    heatmaps: Path | None = None
    cache: Path | None = None
    parts: GroupRule = field(default_factory=GroupRule)
    options: PredictOptions = field(default_factory=PredictOptions)
    force: bool = False

    @property
    def to_stdout(self) -> bool:
        """Say whether the verdicts go to standard output."""
        return str(self.out) == "-"

    def check(self, names: Sequence[str] = ()) -> None:
        """See, before hours of work, that all may be written beside the photographs of `names`.

        Raises:
            DataError, OutputError: as `check_outputs` and `check_folder` do.
        """
        if not self.to_stdout:
            check_outputs(self.out, self.sheet, names, force=self.force)
        elif self.sheet is not None:
            check_picture(self.sheet, map(Path, names), force=self.force)
        if self.heatmaps is not None:
            check_folder(self.heatmaps, names)


@dataclass(frozen=True)
class PredictedFiles:
    """Hold what `predict` found and wrote.

    Attributes:
        found: a verdict, or why there is none, for each photograph.
        parts: the same of the parts that they show.
        notes: what a person should know.
        written: files and folders.
        table: the verdicts as CSV, where they go to standard output; else "".
        rate: share of familiar parts that look strange to the model.
    """

    found: list[Prediction]
    parts: list[PartPrediction]
    notes: list[str]
    written: list[Path]
    table: str
    rate: float

    @property
    def failed(self) -> list[tuple[str, str]]:
        """Give the photographs without a verdict, with the reason."""
        return [(one.path, one.error) for one in self.found if one.error is not None]


def predict_to_files(
    bundle: Bundle, names: Sequence[str], wish: PredictWish, *, progress: Progress | None = None
) -> PredictedFiles:
    """Judge photographs and the parts that they show, and write what was asked for.

    Args:
        bundle: a loaded model.
        names: of files, folders and patterns.
        wish: what is written where.
        progress: called as `progress(done, total)`.

    Raises:
        DataError, OutputError: nothing is found by these names, or what is there would be lost.
        OnepassError: see `pipeline.model.predict.predict`.
    """
    notes: list[str] = []
    wish.check(names)
    wanted = wish.heatmaps is not None
    frame = find_frame(bundle, notes, covering=True) if wanted else None  # None: verdicts alone
    photographs = told_parts(wish.parts, names, find_photographs(names, notes), notes)
    found = predict(
        bundle, photographs, wish.cache, wish.options,
        explain=partial(explain, progress=progress) if frame else None, notes=notes,
        progress=progress,
    )  # fmt: skip
    parts = predict_parts(bundle, found)
    table = format_predictions(bundle, found, ".csv").removeprefix(MARK) if wish.to_stdout else ""
    written = [] if wish.to_stdout else write_tables(bundle, found, parts, wish.out)
    written += _pictures(bundle, found, parts, wish, frame, progress)
    rate = bundle.familiar.rate if bundle.familiar else 1.0
    return PredictedFiles(found, parts, notes, written, table, rate)


def _pictures(
    bundle: Bundle,
    found: Sequence[Prediction],
    parts: Sequence[PartPrediction],
    wish: PredictWish,
    frame: Frame | None,
    progress: Progress | None,
) -> list[Path]:
    """Draw the sheet and the heatmaps, as far as asked for, and say where they are."""
    written = []
    if wish.sheet is not None:
        sheet = prediction_sheet(bundle.classes, found, frame=frame, parts=parts)
        write_whole(wish.sheet, sheet)
        written.append(wish.sheet)
    if wish.heatmaps is not None and frame is not None:
        most = wish.options.max_pixels
        write_heatmaps(wish.heatmaps, frame, found, max_pixels=most, progress=progress)
        written.append(wish.heatmaps)
    return written
