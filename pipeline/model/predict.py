"""Photographs to verdicts."""

from __future__ import annotations

import glob
import logging
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np

from features.arrays import Floats
from features.cache.sample_table import TableRow
from features.errors import CacheBusyError, DataError, MemoryLimitError, WeightsError
from features.extract import Progress
from features.files import address_of
from features.photographs.file import Photograph
from pipeline.cnn.cnn import Cnn
from pipeline.cnn.photograph_batches import look
from pipeline.data.classes import Classes
from pipeline.data.folder import find_pictures
from pipeline.data.walk import is_folder
from pipeline.evaluation.band import REVIEW, REVIEW_NAME, Band, beside, verdict_name
from pipeline.groups.proposal import Proposal
from pipeline.groups.proposal_cache import propose_for
from pipeline.groups.propose import propose_by_pictures
from pipeline.groups.rules import GroupRule
from pipeline.model.bundle import Bundle
from pipeline.model.familiar import UNLIKE, say_blind
from pipeline.model.folder_classes import class_above, folder_above
from pipeline.model.probabilities import Predicted, PredictOptions, predict_photographs
from pipeline.model.slim_rows import on_fewest
from pipeline.output.names import command_line

_log = logging.getLogger("onepass")


@dataclass(frozen=True)
class Prediction:
    """The verdict on one photograph.

    Attributes:
        path: as it was named.
        file: where it is.
        verdict: class name, or "review": a person has to look; None where it could not be read.
        probability: of two classes, that of the defective one; of more, of the verdict (0 to 1).
        probabilities: by class name.
        truth: class name, where the photograph lies in a folder of that class.
        error: why there is no verdict.
        trained_on: whether the model learned from these very bytes: its verdict proves nothing.
        for_person: whether the verdict is that a person has to look.
        said: the probability for a person; of two classes beside the limit that decided, such as
            "49 % ≥ 2 %".
        digest: SHA-256 (hex) of the file; "" where nobody took it.
        part: name of the part that it shows; "" for one of its own.
        group_rule: where that is known from: "proposed", or "none" where each photograph is taken
            for a part, and nobody said it; None where somebody did.
        why: why a person has to look, where that is not for the probability; "" for nothing.
        strangeness: its distance from all that was trained on, as a share of the one that 1 % of
            such parts exceed; None where that is not known.
        margin: how far it is from another verdict, see `Band.margins`; 0 is the most doubtful.
        chances: float64 (n_classes,) of the photograph, `Bundle.probabilities`, from which its
            part is judged; None where it could not be read.
        cells: its heatmap, float64 (height, width) as `pipeline.heatmaps.explain.explain` gives
            it; None where none was asked for, or it could not be read.
    """

    path: str
    file: Path
    verdict: str | None = None
    probability: float | None = None
    probabilities: dict[str, float] | None = None
    truth: str | None = None
    error: str | None = None
    trained_on: bool = False
    for_person: bool = False
    said: str = ""
    digest: str = ""
    part: str = ""
    group_rule: GroupRule | None = None
    why: str = ""
    strangeness: float | None = None
    margin: float | None = None
    chances: Floats | None = field(default=None, compare=False, repr=False)
    cells: Floats | None = field(default=None, compare=False, repr=False)

    @property
    def unlike(self) -> bool:
        """Say whether it is unlike anything that the model was trained on."""
        return self.error is None and self.strangeness is not None and self.strangeness > 1


def find_photographs(names: Sequence[str], notes: list[str] | None = None) -> list[Photograph]:
    """List files, folders (all pictures below) and patterns such as `new/*.jpg`, in this order.

    What several names mean is listed once. A name that is nothing of these stays in the list and
    becomes a prediction with an error, and so does a picture of a kind that cannot be read.

    Args:
        names: of files and folders, and patterns.
        notes: given, what was left out, in words, is put behind its end.

    Returns:
        One `Photograph` for each file, with its path as it was named.

    Raises:
        DataError: no name at all, or a folder without pictures.

    Example:
        >>> len(onepass.find_photographs(["data"]))
        72
    """
    found: dict[str, Photograph] = {}
    said = [] if notes is None else notes
    for name in names:
        for file in _expand(name, said):
            # A folder that is named twice, by other names or letter case, is judged once.
            place = file.resolve() if ".." in file.parts else file.absolute()
            found.setdefault(os.path.normcase(place), Photograph(file, address_of(file)))
    if not found:
        raise DataError("no photographs named; expected files, folders or patterns")
    return list(found.values())


def _expand(name: str, notes: list[str]) -> Iterator[Path]:
    path = Path(name)
    if is_folder(path):
        pictures, masks = find_pictures(path)
        if masks:
            notes.append(f"{masks:,} masks in folders called ground_truth in {path} are left out")
        yield from pictures
    elif path.exists() or not glob.has_magic(name):
        yield path
    else:
        matches = sorted(glob.glob(name, recursive=True))  # noqa: PTH207 - also absolute patterns
        yield from (Path(match) for match in matches if not Path(match).is_dir())
        if not matches:
            yield path


Explain = Callable[
    [Bundle, Path, Sequence[TableRow], Floats, Sequence[Path], PredictOptions], Floats
]


def predict(
    bundle: Bundle,
    photographs: Sequence[Photograph],
    cache_path: Path | None,
    options: PredictOptions | None = None,
    *,
    explain: Explain | None = None,
    notes: list[str] | None = None,
    progress: Progress | None = None,
) -> list[Prediction]:
    """Judge photographs; rows that the cache has are used, others are computed and kept there.

    A model that sees pixels (`train_cnn`) needs neither cache nor weights. One that sees several
    views costs a pass of the backbone for each; some hundred of 0.15 MB are in memory at a time.

    Args:
        bundle: a loaded model.
        photographs: from `find_photographs`; where their groups are given (`told_parts`), these
            are the parts. Else parts are proposed, if the model judges parts as wholes.
        cache_path: a cache of the model's recipe and weights, made where it does not exist;
            None to keep nothing. One that another process is writing to is gone without.
        options: None for `PredictOptions()`.
        explain: `pipeline.heatmaps.explain.explain`, for `Prediction.cells`; None for none.
        notes: what a person should know of the photographs is appended.
        progress: called as `progress(done, total)`.

    Returns:
        One for each photograph, in their order; an unreadable one has an error and no verdict.

    Raises:
        FingerprintError: the cache holds rows of other settings.
        WeightsError: rows are missing and the model's weights are not on this computer.
        HeadError, BundleError: heatmaps of a model that has none.
        OnepassError: see `features.extract.extract`.

    Example:
        >>> told = onepass.predict(bundle, onepass.find_photographs(["data"]), Path("features.h5"))
        >>> told[0].verdict, 0 <= told[0].probability <= 1
        ('Healthy', True)
    """
    options, notes = options or PredictOptions(), [] if notes is None else notes
    with tempfile.TemporaryDirectory(prefix="onepass-") as folder:
        own = Path(folder) / "features.h5"
        seen = on_fewest(bundle) if cache_path is None and not explain else bundle
        if cache_path is None and (explain or options.gap or bundle.decision.of_wholes):
            cache_path = own  # the rows are looked at twice
        found, cache_path = _without_waiting(
            seen, photographs, cache_path, own, options, notes=notes, progress=progress
        )
        table_rows = found.table_rows
        files = [photograph.file for photograph in photographs]
        asked = partial(explain or _none, bundle, cache_path or own, table_rows)
        cells = _cells(partial(asked, found.probabilities, files, options), len(files), notes)
        ask = partial(_parts, notes=notes, progress=progress)
        parts, rule = ask(bundle, photographs, table_rows, cache_path, options.gap)
    notes += [say_blind(pixels=isinstance(bundle.head, Cnn))] if bundle.familiar is None else []
    return [
        replace(one, part=part, group_rule=rule, cells=None if one.error else grid)
        for one, part, grid in zip(_judged(bundle, photographs, found), parts, cells, strict=True)
    ]


def _judged(
    bundle: Bundle, photographs: Sequence[Photograph], found: Predicted
) -> list[Prediction]:
    """Give the verdict on each photograph, as if it were all there is of its part."""
    learned = bundle.trained_on()
    return [
        replace(
            judge_alone(bundle, photograph, chances, strangeness, table_row.reason),
            digest=table_row.digest,
            trained_on=table_row.digest in learned,
        )
        for photograph, table_row, chances, strangeness in zip(
            photographs, found.table_rows, found.probabilities, found.strangeness, strict=True
        )
    ]


def _without_waiting(
    bundle: Bundle,
    photographs: Sequence[Photograph],
    cache_path: Path | None,
    own: Path,
    options: PredictOptions,
    *,
    notes: list[str] | None,
    progress: Progress | None,
) -> tuple[Predicted, Path | None]:
    """Look through the cache, or, while another process writes to it, through one of our `own`."""
    look = partial(predict_photographs, bundle, photographs, notes=notes, progress=progress)
    try:
        return look(cache_path, options), cache_path
    except CacheBusyError as error:
        _log.warning("note: going on without the cache, keeping nothing: %s", error)
        return look(own, options), own


def _cells(explain: Callable[[], Floats], count: int, notes: list[str]) -> Sequence[Floats | None]:
    """Make heatmaps; verdicts are given without them where what they need is not to be had."""
    try:
        return list(explain()) or [None] * count
    except (WeightsError, MemoryLimitError) as error:
        notes.append(f"no heatmaps: {error}")
        return [None] * count


def _none(*_: object) -> Floats:
    """Make no heatmaps: nobody asked for them."""
    return np.zeros((0, 1, 1))


MOST_PROPOSED = 20_000
"""Photographs up to which parts are proposed: it takes time in their square."""


def _parts(
    bundle: Bundle,
    photographs: Sequence[Photograph],
    table_rows: Sequence[TableRow],
    cache_path: Path | None,
    gap: float | None,
    *,
    notes: list[str],
    progress: Progress | None,
) -> tuple[list[str], GroupRule | None]:
    """Name the part of each photograph ("" for one of its own), and say how far it is proposed."""
    told = [photograph.group for photograph in photographs]
    few = len(photographs) <= MOST_PROPOSED
    wanted = gap is not None or (bundle.decision.of_wholes and few)
    blind = isinstance(bundle.head, Cnn)  # it has no rows to propose by, but photographs have times
    if any(told) or len(told) < 2:
        return told, None
    if not wanted or (gap is None if blind else cache_path is None):
        return told, GroupRule()
    pairs = [(p.file, row) for p, row in zip(photographs, table_rows, strict=True)]
    files = [file for file, row in pairs if not row.reason]
    readable = [
        row._replace(label=folder_above(bundle, file)) for file, row in pairs if not row.reason
    ]
    found, rule = dict[str, str](), None
    if readable:
        proposal = proposed_parts(bundle, cache_path, readable, files, gap, progress=progress)
        found = proposal.by_path()
        rule = proposal.rule if gap is None else None
        notes += [*proposal.notes, *([] if rule is None else _as_it_was_told(bundle))]
    names = [found.get(table_row.path, "") for table_row in table_rows]
    counts = Counter(names)
    return [name if counts[name] > 1 else "" for name in names], rule


def _as_it_was_told(bundle: Bundle) -> list[str]:
    """Say which pattern or gap told the parts that the model was made of, where one did."""
    told = bundle.record.fit.folder.group_rule
    option = {"regex": "--group-regex", "gap": "--group-gap"}.get(told.kind)
    if option is None:
        return []
    said = command_line([option, told.value])
    return [
        f"the parts that the model was made of were told by {said}: say it here, too, if it fits"
    ]


def proposed_parts(
    bundle: Bundle,
    cache_path: Path | None,
    table_rows: Sequence[TableRow],
    files: Sequence[Path],
    gap: float | None,
    *,
    progress: Progress | None = None,
) -> Proposal:
    """Propose parts: by rows, or by pictures for a model that sees pixels, which has no rows.

    Args:
        bundle: the model.
        cache_path: that has the rows; None for a model that sees pixels.
        table_rows: of readable photographs.
        files: of these.
        gap: seconds, where a person said that a longer one begins a new part.
        progress: called as `progress(done, total)`.
    """
    if not isinstance(bundle.head, Cnn) and cache_path is not None:
        return propose_for(cache_path, table_rows, gap, progress=progress)
    assert isinstance(bundle.head, Cnn)
    photographs = [Photograph(f, row.path) for f, row in zip(files, table_rows, strict=True)]
    seen = look(photographs, bundle.head.recipe, thumbnail=True)
    both = [(row, one.thumbnail) for row, one in zip(table_rows, seen, strict=True)]
    known = [(row, thumbnail) for row, thumbnail in both if thumbnail]
    return propose_by_pictures([row for row, _ in known], [small for _, small in known], gap)


def judge_alone(
    bundle: Bundle, photograph: Photograph, chances: Floats, strangeness: float, reason: str = ""
) -> Prediction:
    """Give the verdict on one photograph, as if it were all there is of its part.

    Args:
        bundle: the model.
        photograph: its name, and where it is.
        chances: float64 (n_classes,), of `Bundle.probabilities`; nan where it could not be read.
        strangeness: of `Bundle.strangeness`; nan where it is not known.
        reason: why it could not be read; "" where it could.
    """
    truth = class_above(bundle, photograph.file)
    if reason:
        return Prediction(photograph.path, photograph.file, truth=truth, error=reason)
    alone = bundle.decision.alone(chances[None])[0]
    made = verdict(bundle.classes, alone, bundle.band, photograph.path, photograph.file, truth)
    far = None if np.isnan(strangeness) else float(strangeness)
    made = replace(made, chances=chances, strangeness=far)
    if not made.unlike:
        return made
    return replace(made, verdict=REVIEW_NAME, for_person=True, why=UNLIKE)


def verdict(
    classes: Classes,
    chances: Floats,
    band: Band,
    path: str,
    file: Path,
    truth: str | None = None,
) -> Prediction:
    """Give the verdict on a photograph with these probabilities (n_classes,)."""
    number = int(band.decide(chances[None])[0])
    told = float(chances[1] if classes.binary else chances[number])
    return Prediction(
        path,
        file,
        verdict_name(classes.names, number),
        told,
        {name: float(chance) for name, chance in zip(classes.names, chances, strict=True)},
        truth,
        for_person=number == REVIEW,
        margin=float(band.margins(chances[None])[0]),
        said=beside(told, band) if classes.binary else f"{100 * told:.0f} %",
    )
