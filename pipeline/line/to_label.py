"""The table and the picture of what to label next."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from features.errors import DataError, OutputError
from features.files import write_whole
from pipeline.line.next import Candidate
from pipeline.output.overwrite import TO_LABEL, check_overwritable, check_picture
from pipeline.output.photograph_grid import SheetEntry, draw_sheet
from pipeline.output.read_table import read_table
from pipeline.output.tables import MARK, to_csv

_UNITS = {
    "told": "parts",
    "proposed": "proposed parts",
    "unknown": "photographs, for nobody said which show one part,",
}


def check_label_table(out: Path, sheet: Path, folder: Path, *, force: bool = False) -> None:
    """See, before the work, that table and picture may be written where they are to go.

    Raises:
        DataError: the table is to be no CSV.
        OutputError: a file is there that this program did not write, or a table in which somebody
            has filled in labels; with `force` both are overwritten. Or the picture is to lie in the
            folder of photographs.
    """
    if out.suffix.lower() != ".csv":
        raise DataError(f"cannot write what to label as {out.name!r}; expected a name in .csv")
    check_overwritable(out, TO_LABEL, force=force)
    check_picture(sheet, [folder], force=force)
    if force or not out.is_file() or not out.stat().st_size:
        return
    filled = sum(bool(cell.strip()) for cell in read_table(out).column("label"))
    if filled:
        raise OutputError(
            f"{out} has {filled:,} labels that somebody filled in, which would be lost; use them "
            f"(extract FOLDER --labels {out}), name another --out, or overwrite with --force"
        )


def write_label_table(
    out: Path, folder: Path, candidates: Sequence[Candidate], binary: bool
) -> None:
    """Write a table with an empty column `label`, one line for each photograph, the best first.

    Args:
        out: where it goes.
        folder: the paths in it are relative to, as `extract --labels` wants them.
        candidates: of `pipeline.line.next.next_to_label`.
        binary: whether the probability is that of a defect.

    Raises:
        OutputError: it cannot be written.
    """
    column = "probability_of_defect" if binary else "probability"
    rows = [
        {
            "path": _relative(one.file, folder),
            "label": "",
            "part": os.fsencode(candidate.part).decode("utf-8", "backslashreplace"),
            "part_from": candidate.part_from,
            "rank": rank,
            "look_first": "yes" if one is candidate.shown else "",
            "class": candidate.verdict,
            column: None if candidate.probability is None else round(candidate.probability, 6),
            "uncertainty": round(candidate.uncertainty, 4),
            "why": candidate.why,
        }
        for rank, candidate in enumerate(candidates, 1)
        for one in sorted(candidate.photographs, key=lambda p: p is not candidate.shown)
    ]
    write_whole(out, MARK + to_csv(list(rows[0]), rows))


def _relative(file: Path, folder: Path) -> str:
    name = file.relative_to(folder) if file.is_relative_to(folder) else file
    return os.fsencode(name.as_posix()).decode("utf-8", "backslashreplace")


def label_sheet(out: Path, candidates: Sequence[Candidate]) -> None:
    """Draw one photograph of each part, the best first (PNG).

    Raises:
        OutputError: it cannot be written.
    """
    entries = [
        SheetEntry(
            one.shown.file, one.verdict, said=one.said, name=f"{rank}. {one.shown.file.name}"
        )
        for rank, one in enumerate(candidates, 1)
    ]
    known = candidates[0].part_from if candidates else "told"
    title = (
        f"{len(candidates)} {_UNITS[known]} to label next, those first that would teach the model "
        "most; beside each what the model makes of it now"
    )
    write_whole(out, draw_sheet(entries, title))
