"""The whole audit of a cache: shortcuts, labels, outliers, unusable photographs, torn copies."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from features.arrays import Floats
from features.cluster.parallel import each, is_elsewhere
from features.errors import OutputError
from features.files import refuse_place, whole_folder, write_whole
from features.photographs.file import Photograph
from features.photographs.metadata import FileFacts
from features.photographs.survey import read_facts
from features.runtime import memory_room
from pipeline.audit.background import background_shortcut, rounds_by_part
from pipeline.audit.columns import Testable, collect
from pipeline.audit.labels import HEAD, WEAK, out_of_fold, suspect_labels, tells_classes
from pipeline.audit.metadata_facts import FACTS
from pipeline.audit.outliers import SEEN, find_outliers, neighbour_distances, sampled_distances
from pipeline.audit.permutation_test import interval
from pipeline.audit.result import (
    Audit,
    BackgroundFinding,
    CopyFinding,
    LabelFinding,
    LabelFindings,
    PhotographFinding,
)
from pipeline.audit.shortcuts import describe_facts, find_shortcuts
from pipeline.audit.unusable import find_torn_copies, find_unusable
from pipeline.data.dataset import Dataset
from pipeline.data.splits import Fold
from pipeline.evaluation.metrics import auc_error, score
from pipeline.feature_specs.rows import rows_in
from pipeline.feature_specs.spec import FeatureSpec
from pipeline.heads import load_head_class
from pipeline.heads.gram import GramSide, gram
from pipeline.heads.sides import Side, smaller_side, taken_by_products, with_room
from pipeline.output.overwrite import refuse_among
from pipeline.output.photograph_grid import SheetEntry, draw_sheet
from pipeline.output.tables import MARK

MOST_ROWS = 10_000
"""With more photographs, labels and outliers are judged by averages: whole rows take n×n."""

_REPEATS, _SHUFFLES = 3, 499
_A_CALL = 64  # photographs that a worker of a cluster looks at in one call

Progress = Callable[[int, int], None]


def audit_dataset(
    data: Dataset,
    out: Path | None = None,
    *,
    seed: int = 0,
    shuffles: int = _SHUFFLES,
    progress: Progress | None = None,
) -> Audit:
    """Ask what is wrong with photographs and labels before a model is trusted.

    Args:
        data: from `pipeline.data.dataset.load_dataset`.
        out: folder for audit.json, audit.csv, photographs.csv and the sheets; None for none.
        seed: of folds and shuffles.
        shuffles: of the classes, for the test against chance.
        progress: called as `progress(photographs looked at, photographs in all)`.

    Raises:
        CacheError: rows of the cache cannot be read.
        OutputError: `out` holds something else, or cannot be written.

    Example:
        >>> audit = onepass.audit_dataset(dataset, shuffles=19)
        >>> audit.photographs, audit.parts, audit.unusable
        (72, 24, [])
    """
    started = time.perf_counter()
    if out is not None:
        _check_replaceable(out)
        refuse_among(out, [_root(data)], "--out")
    facts, notes = _read_files(data, progress)
    rounds = _rounds(data, seed, notes)
    testable = collect(data.table_rows, facts, data.y, data.groups, least_parts=2 if rounds else 1)
    shortcuts = (
        find_shortcuts(data, testable, rounds, shuffles=shuffles, seed=seed)
        if rounds
        else describe_facts(data, testable)
    )
    labels, outliers = _predict_rows(data, testable, rounds, seed, notes)
    background = _background(data, facts, seed, notes, progress)
    audit = Audit(
        root=_root(data),
        photographs=len(data),
        parts=len(np.unique(data.groups)),
        classes={
            name: int((data.y == number).sum()) for number, name in enumerate(data.classes.names)
        },
        notes=notes,
        shortcuts=shortcuts,
        labels=labels,
        outliers=outliers,
        unusable=_unusable(data, facts),
        copies=_copies(data),
        seconds=time.perf_counter() - started,
        content=data.content,
        background=background,
    )
    if out is not None:
        save_audit(audit, out)
    return audit


def _background(
    data: Dataset,
    facts: Sequence[FileFacts | None],
    seed: int,
    notes: list[str],
    progress: Progress | None,
) -> BackgroundFinding | None:
    """Look at the background where the files are there; else note why not."""
    if not any(facts) or len(data.classes.names) < 2 or data.classes.only_good:
        return None
    found = background_shortcut(data, _root(data), seed=seed, progress=progress)
    if isinstance(found, BackgroundFinding):
        return found
    notes.append(found)
    return None


def save_audit(audit: Audit, out: Path) -> None:
    """Write audit.json, audit.csv, photographs.csv and the sheets, all or nothing.

    Args:
        audit: of `audit_dataset`.
        out: new, empty, or a folder of an earlier audit, which is replaced.

    Raises:
        OutputError: `out` holds something else, or cannot be written.

    Example:
        >>> onepass.save_audit(onepass.audit_dataset(dataset, shuffles=19), Path("audit"))
    """
    _check_replaceable(out)
    with whole_folder(out) as folder:
        write_whole(folder / "audit.json", audit.to_json())
        write_whole(folder / "audit.csv", MARK + audit.facts_csv())
        write_whole(folder / "photographs.csv", MARK + audit.photographs_csv())
        for name, png in audit_sheets(audit).items():
            write_whole(folder / name, png)


def _check_replaceable(out: Path) -> None:
    """Raise OutputError unless `out` is free, empty, or holds an audit."""
    refuse_place(out)
    free = not out.exists() or (out.is_dir() and not any(out.iterdir()))
    if not free and not (out / "audit.json").is_file():
        raise OutputError(
            f"{out} exists and holds no audit; expected a new folder; name another with --out"
        )


def _root(data: Dataset) -> Path:
    return Path(os.fsdecode(data.folder.root))


def _read_files(
    data: Dataset, progress: Progress | None
) -> tuple[list[FileFacts | None], list[str]]:
    """Collect the facts of files that extract saw as they are, and a note of the others."""
    root = _root(data)
    photographs = [
        Photograph(root / table_row.path, table_row.path) for table_row in data.table_rows
    ]
    digests = [table_row.digest for table_row in data.table_rows]
    bits = data.fields["recipe"].get("bits", 0)
    found = [
        None if one.reason or one.digest != table_row.digest else one
        for one, table_row in zip(
            _facts(photographs, digests, bits, progress),
            data.table_rows,
            strict=True,
        )
    ]
    missing = [s.path for s, one in zip(data.table_rows, found, strict=True) if one is None]
    if not missing:
        return found, []
    return found, [
        f"{len(missing):,} of {len(found):,} photographs are gone from {root} or were changed "
        f"since extract, such as {missing[0]}; what needs the files is judged on the others"
    ]


def _facts(
    photographs: Sequence[Photograph],
    digests: Sequence[str],
    bits: int | None,
    progress: Progress | None,
) -> list[FileFacts]:
    """Look at the files, on a cluster or here, where what a worker cannot read is read again."""
    if not is_elsewhere():
        return read_facts(photographs, digests, bits=bits, progress=progress)
    starts = range(0, len(photographs), _A_CALL)
    calls = [(photographs[at : at + _A_CALL], digests[at : at + _A_CALL]) for at in starts]
    found: list[FileFacts] = []
    for some in each(_facts_there, calls, bits):
        found += some
        if progress is not None:
            progress(len(found), len(photographs))
    again = [number for number, one in enumerate(found) if one.reason]
    looked = read_facts([photographs[i] for i in again], [digests[i] for i in again], bits=bits)
    for number, one in zip(again, looked, strict=True):
        found[number] = one
    return found


def _facts_there(
    call: tuple[Sequence[Photograph], Sequence[str]], bits: int | None
) -> list[FileFacts]:
    return read_facts(*call, bits=bits)


def _rounds(data: Dataset, seed: int, notes: list[str]) -> list[Fold]:
    """Make repeated grouped folds, as many as the classes have parts for; none, noted, below 2."""
    if data.classes.only_good:
        notes.append(
            f"shortcuts and labels are not judged: all photographs are of one class, "
            f"{data.classes.names[0]}; what tells classes apart is known once there are two"
        )
        return []
    found = rounds_by_part(data.y, data.groups, data.classes.names, repeats=_REPEATS, seed=seed)
    if not isinstance(found, str):
        return found
    notes.append(f"facts are described and not judged, labels are not judged: {found}")
    return []


def _predict_rows(
    data: Dataset, testable: Testable, rounds: Sequence[Fold], seed: int, notes: list[str]
) -> tuple[LabelFindings | None, list[PhotographFinding]]:
    """Find what the rows themselves say: suspect labels and outliers."""
    side, distances = _side_and_distances(data, seed, notes)
    first = [fold for fold in rounds if fold.repeat == 0]
    labels = _labels(data, side, first, seed) if first else None
    columns = {
        column.name: column
        for column in testable.columns
        if column.ordered and FACTS[column.name].in_pixels
    }
    outliers = [
        PhotographFinding(
            *_named(data, one.row),
            "outlier",
            f"{one.times:.1f} × as far as usual",
            one.reason,
            one.score,
        )
        for one in find_outliers(distances, columns)
    ]
    return labels, outliers


def _side_and_distances(data: Dataset, seed: int, notes: list[str]) -> tuple[Side, Floats]:
    """Describe the rows for heads, and how far each is from others; of many, by their averages.

    Many are more than `MOST_ROWS`, or than the memory holds the products of. Slim rows have no
    more than their averages.
    """
    stored, heads = rows_in(data, FeatureSpec.parse("avg")), [load_head_class(HEAD)]
    rows = stored if data.row_parts.pooled else data.stored_rows()
    n = len(rows)
    if n <= MOST_ROWS and sum(taken_by_products(n, heads)) <= memory_room():
        K = gram(rows)
        return GramSide(K, rows.shape[1]), neighbour_distances(K, data.groups)
    (averages,) = with_room([stored], heads)
    most = f"more than {MOST_ROWS:,}" if n > MOST_ROWS else "more than the memory limit holds"
    notes.append(
        f"labels and outliers of {n:,} photographs, {most}, are judged by the averages of their "
        f"maps, outliers by their distance to {min(SEEN, n):,} of the photographs"
    )
    return smaller_side(averages, heads), sampled_distances(averages, data.groups, seed)


def _labels(data: Dataset, side: Side, rounds: Sequence[Fold], seed: int) -> LabelFindings:
    names = data.classes.names
    P = out_of_fold(side, data.y, data.groups, rounds, seed=seed)
    found = suspect_labels(data.y, P)
    auc = score(data.y, P)["roc_auc"]
    parts = [len(np.unique(data.groups[data.y == number])) for number in range(len(names))]
    sides = (min(parts), sum(parts) - min(parts))
    low, high = interval(auc, auc_error(auc, *sides), sides)
    if not tells_classes(auc, low):  # then it says nothing of labels
        found = replace(found, ranked=[], estimated=0)
    own = dict(zip(names, found.thresholds.tolist(), strict=True))
    return LabelFindings(
        suspects=[
            LabelFinding(
                path=data.table_rows[one.row].path,
                given=names[one.given],
                suggested=names[one.suggested],
                p_given=one.p_given,
                p_suggested=one.p_suggested,
            )
            for one in found.ranked
        ],
        estimated=found.estimated,
        head=HEAD,
        folds=len(rounds),
        roc_auc=auc,
        own_probability=own,
        weak=[name for name, probability in own.items() if probability < WEAK],
        low=low,
        high=high,
    )


def _named(data: Dataset, row: int) -> tuple[str, str]:
    return data.table_rows[row].path, data.classes.names[data.y[row]]


def _unusable(data: Dataset, facts: Sequence[FileFacts | None]) -> list[PhotographFinding]:
    return [
        PhotographFinding(*_named(data, one.row), one.problem, one.problem, one.reason)
        for one in find_unusable(facts)
    ]


def _copies(data: Dataset) -> list[CopyFinding]:
    return [
        CopyFinding(torn.digest, dict(_named(data, row) for row in torn.rows))
        for torn in find_torn_copies(data.table_rows, data.y)
    ]


SHOWN = 20


def audit_sheets(audit: Audit) -> dict[str, bytes]:
    """Draw sheets as PNG by file name; one without a photograph to show is not drawn."""
    sheets = {}
    if audit.labels is not None and audit.labels.suspects:
        sheets["labels.png"] = _label_sheet(audit)
    for name, found, what in (
        ("outliers.png", audit.outliers, "unlike all others"),
        ("unusable.png", audit.unusable, "hardly usable"),
    ):
        if found:
            sheets[name] = _photograph_sheet(audit, found, what)
    return sheets


def _label_sheet(audit: Audit) -> bytes:
    assert audit.labels is not None
    suspects = audit.labels.suspects
    title = (
        f"{min(SHOWN, len(suspects))} of {len(suspects)} labels to check, the most suspect first: "
        "what a model that never saw the part says, and the class that the photograph is given"
    )
    entries = [
        SheetEntry(
            audit.root / one.path, f"{one.suggested}? {100 * one.p_suggested:.0f} %", one.given
        )
        for one in suspects[:SHOWN]
    ]
    return draw_sheet(entries, title)


def _photograph_sheet(audit: Audit, found: Sequence[PhotographFinding], what: str) -> bytes:
    title = f"{min(SHOWN, len(found))} of {len(found)} photographs that are {what}"
    entries = [SheetEntry(audit.root / one.path, one.caption, one.label) for one in found[:SHOWN]]
    return draw_sheet(entries, title)
