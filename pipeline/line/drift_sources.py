"""Find new photographs, and write what shows that they changed, in files to be opened."""

from __future__ import annotations

import hashlib
import math
import re
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from features.cache.sample_table import TableRow, blank_row
from features.cache.shards import open_cache
from features.cache.thumbnail_table import thumbnails_of
from features.errors import BundleError, DataError, ImageError
from features.extract import Progress
from features.files import write_whole
from features.photographs.decode_worker_pool import facts_apart
from features.photographs.file import read_photograph
from pipeline.groups.capture_times import time_line
from pipeline.groups.file_names import Names
from pipeline.groups.proposal_cache import propose_for
from pipeline.groups.rules import GroupRule
from pipeline.line.drift import Arrival, Drift, arrivals_of, text_of_time
from pipeline.line.drift_sides import Sharpness
from pipeline.line.part_vectors import check_sees_rows
from pipeline.line.verdict_log import read_verdicts
from pipeline.model.bundle import Bundle
from pipeline.model.part_predictions import told_parts
from pipeline.model.predict import MOST_PROPOSED, find_photographs
from pipeline.model.probabilities import PredictOptions, predict_photographs
from pipeline.output.overwrite import DRIFT, check_overwritable, check_picture
from pipeline.output.photograph_grid import SheetEntry, draw_sheet
from pipeline.output.tables import MARK, to_csv

_UNITS = {"m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_MOST_MEASURED = 400  # files whose sharpness is measured, on each side


def time_of(text: str) -> float:
    """Read a day, a time, or a span before now ("7d", "12h", "30m") as seconds since 1970.

    Raises:
        DataError: it is none of these.
    """
    span = re.fullmatch(r"\s*(\d+)\s*([mhdw])\s*", text, re.ASCII)
    if span:
        return time.time() - int(span[1]) * _UNITS[span[2]]
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        raise DataError(
            f"--since {text!r} is no time; expected a day or a time such as 2026-11-20 or "
            "2026-11-20T08:00, or a span before now: 7d, 12h, 30m"
        ) from None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def find_arrivals(
    bundle: Bundle,
    names: Sequence[str],
    cache_path: Path,
    log: Path,
    rule: GroupRule,
    notes: list[str],
    *,
    options: PredictOptions | None = None,
    progress: Progress | None = None,
) -> list[Arrival]:
    """Find new photographs: those named, else those of a log of verdicts, else of the cache.

    Args:
        bundle: the model.
        names: of files and folders; their rows are computed where the cache has none.
        cache_path: of rows.
        log: see `pipeline.line.verdict_log`.
        rule: which photographs show one part; of kind "none" to propose it.
        notes: what a person should know is put behind its end.
        options: how rows that are missing are computed; None for `PredictOptions()`.
        progress: called as `progress(done, total)`.

    Raises:
        DataError: there are none, or the model sees pixels.
        OnepassError: see `features.extract.extract`.
    """
    check_sees_rows(bundle)
    if names:
        photographs = told_parts(rule, names, find_photographs(names, notes), notes)
        table_rows = predict_photographs(
            bundle, photographs, cache_path, options, notes=notes, progress=progress
        ).table_rows
        files = {one.path: one.file for one in photographs}
        readable = [table_row for table_row in table_rows if not table_row.reason]
        if len(readable) < len(table_rows):
            notes.append(f"{len(table_rows) - len(readable):,} photographs cannot be read")
        found = _of_table_rows(cache_path, readable, rule, notes)
        return [replace(one, file=files[one.path]) for one in found]
    verdicts = read_verdicts(log)
    if verdicts:
        notes.append(f"the photographs of {log}")
        return arrivals_of(verdicts)
    known = {entry["digest"] for entry in bundle.split()}
    with open_cache(cache_path) as cache:
        paths = {table_row.digest: table_row.path for table_row in cache.table_rows}
        digests = [d.decode() for d in cache.entries["row_digest"].tolist()]
    new = [digest for digest in dict.fromkeys(digests) if digest not in known]
    if not new:
        raise DataError(
            f"{cache_path} has no photographs but those that {bundle.folder} was made from, and "
            f"there is no log at {log}; expected new ones: name them, as drift MODEL FOLDER"
        )
    notes.append(f"the photographs of {cache_path} that the model was not made from")
    asked = [blank_row(paths.get(d, d[:12]))._replace(digest=d) for d in new]
    return _of_table_rows(cache_path, asked, rule, notes)


def _of_table_rows(
    cache_path: Path, table_rows: Sequence[TableRow], rule: GroupRule, notes: list[str]
) -> list[Arrival]:
    """Read rows with the times of camera or name, else of their files, and their parts."""
    if rule.from_photographs and 0 < len(table_rows) <= MOST_PROPOSED:
        found = propose_for(cache_path, table_rows, rule.gap)
        table_rows = found.applied(table_rows)
        notes += found.notes
        if rule.gap is None:
            notes.append(
                "which photographs show one part is only proposed; say it with --groups, "
                "--group-regex or --group-gap: photographs of one part, taken for several, look "
                "like a change"
            )
    with open_cache(cache_path) as cache:
        by_camera = thumbnails_of(cache, cache.rows_of([s.digest for s in table_rows])).capture_time
    line = time_line(Names.of([table_row.path for table_row in table_rows]), by_camera, least=0.0)
    times = line.values if line is not None else np.full(len(table_rows), math.nan)
    return [
        Arrival(
            table_row.digest,
            # A clock without a date is one of 1970-01-01.
            at if at >= 86_400 else table_row.mtime_ns / 1e9 or math.nan,
            table_row.group,
            table_row.path,
        )
        for table_row, at in zip(table_rows, times.tolist(), strict=True)
    ]


def sharpness_of(
    bundle: Bundle, arrivals: Sequence[Arrival], notes: list[str] | None = None
) -> Sharpness | None:
    """Choose how sharpness is measured: from files, where these are at hand on both sides.

    A stranger's model does not choose where photographs are read; see `Bundle.root`. Then sharpness
    is left out, with a line in `notes`.

    Returns:
        None where no new photograph has a file, or the folder that the model was fitted on is gone.
    """
    try:
        root = bundle.root
    except BundleError as error:
        if notes is not None:
            notes.append(f"sharpness is left out: {error}")
        return None
    files = {one.digest: one.file for one in arrivals if one.file is not None}
    if not files or not root.is_dir():
        return None
    own = {entry["digest"]: root / entry["path"] for entry in bundle.split()}
    left = {True: _MOST_MEASURED, False: _MOST_MEASURED}

    def measure(digest: str) -> float:
        """Measure one photograph; nan where its file is gone, changed, or one too many."""
        file = files.get(digest) or own.get(digest)
        if file is None or left[digest in files] <= 0:
            return math.nan
        left[digest in files] -= 1
        try:
            data = read_photograph(file)
            if hashlib.sha256(data).hexdigest() != digest:
                return math.nan
            return float(facts_apart(data)["sharpness"])
        except ImageError:
            return math.nan

    return measure


def check_drift_outputs(
    out: Path | None, sheet: Path | None, names: Sequence[str] = (), *, force: bool = False
) -> None:
    """See, before the work, that table and picture may be written where they are to go.

    Raises:
        DataError: the table is to be no CSV.
        OutputError: a file is there that this program did not write, and `force` is not given; or
            `sheet` is no PNG, or lies in a folder of `names`.
    """
    if out is not None:
        if out.suffix.lower() != ".csv":
            raise DataError(f"cannot write a table as {out.name!r}; expected a name in .csv")
        check_overwritable(out, DRIFT, force=force)
    if sheet is not None:
        check_picture(sheet, map(Path, names), force=force)


def write_examples(found: Drift, out: Path | None, sheet: Path | None) -> list[Path]:
    """Write the photographs that show a change, the most telling first; says what was written.

    Raises:
        OutputError: a file cannot be written.
    """
    written = []
    if out is not None:
        rows = [
            {
                "part": one.part.partition("\0")[0] or None,
                "time": text_of_time(one.time) if math.isfinite(one.time) else None,
                "path": one.path or None,
                "digest": one.digest,
            }
            for one in found.examples
        ]
        write_whole(out, MARK + to_csv(["part", "time", "path", "digest"], rows))
        written.append(out)
    shown = [one for one in found.examples if one.file is not None]
    if sheet is not None and shown:
        entries = [
            SheetEntry(one.file, text_of_time(one.time))
            for one in shown
            if one.file is not None and math.isfinite(one.time)
        ]
        write_whole(sheet, draw_sheet(entries, f"{len(entries)} photographs that show the change"))
        written.append(sheet)
    return written
