"""Photographs streamed from the disk as pixels, through the one decoder, in bounded memory."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from features.arrays import Indices, Pixels
from features.cache.sample_table import TableRow, blank_row
from features.cache.thumbnails import Thumbnail, thumbnail_of
from features.errors import DataError, DecoderError, ImageError, TooManyFailuresError
from features.extract import Progress
from features.files import absolute_name
from features.photographs.decode import MAX_PIXELS
from features.photographs.decode_worker_pool import decode_apart, look_apart
from features.photographs.file import Photograph, read_photograph
from features.photographs.file_header import Declared
from features.photographs.recipe import Recipe
from features.photographs.survey import Remarks, settle_depth
from features.photographs.views import FULL
from features.runtime import core_count, load_tensorflow
from pipeline.data.dataset import Labelled, label_table_rows
from pipeline.data.folder import scan_folder
from pipeline.groups.proposal import Proposal
from pipeline.groups.propose import propose_by_pictures
from pipeline.groups.rules import GroupRule, apply_rule

_MAX_FAILURES = 0.1  # share of unreadable photographs above which there is no training
_AHEAD = 16  # photographs decoded before they are asked for


class Seen(NamedTuple):
    """One photograph that was read; `pixels` None and `table_row.reason` set where it cannot be.

    `thumbnail` is there where it was asked for.
    """

    table_row: TableRow
    pixels: Pixels | None
    thumbnail: Thumbnail | None = None
    declared: Declared | None = None


def look(
    photographs: Sequence[Photograph],
    recipe: Recipe,
    *,
    max_pixels: int = MAX_PIXELS,
    thumbnail: bool = False,
    progress: Progress | None = None,
) -> Iterator[Seen]:
    """Read, hash and decode on threads, a bounded number ahead, and yield in order.

    With `thumbnail` each photograph has its `features.cache.thumbnails.Thumbnail` too.
    """
    workers = core_count()
    pending: deque[Future[Seen]] = deque()
    pool = ThreadPoolExecutor(workers, thread_name_prefix="reader")
    todo = iter(photographs)
    try:
        for done in range(1, len(photographs) + 1):
            while len(pending) < workers + _AHEAD and (photograph := next(todo, None)) is not None:
                pending.append(pool.submit(_look_at, photograph, recipe, max_pixels, thumbnail))
            yield pending.popleft().result()
            if progress is not None:
                progress(done, len(photographs))
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _look_at(photograph: Photograph, recipe: Recipe, max_pixels: int, thumbnail: bool) -> Seen:
    blank = blank_row(*photograph[1:])
    try:
        data = read_photograph(photograph.file, max_pixels=max_pixels)
    except ImageError as error:
        return Seen(blank._replace(reason=str(error)), None)
    table_row = blank._replace(digest=hashlib.sha256(data).hexdigest())
    try:
        pixels, capture_time, declared = look_apart(data, recipe, max_pixels=max_pixels)
    except ImageError as error:
        return Seen(table_row._replace(reason=str(error)), None)
    small = thumbnail_of(pixels[0], capture_time) if thumbnail else None
    return Seen(table_row, pixels[0], small, declared)


@dataclass
class PhotographSet(Labelled):
    """The labelled photographs of a folder, to be trained on as pixels.

    Attributes:
        root: the folder.
        group_rule: where groups came from; "proposed" where nobody said.
        recipe: file to pixels, with what was found out of the folder's 16-bit photographs.
        failed: the photographs that cannot be read.
        proposal: the proposed groups; None where some were given.
    """

    root: Path
    group_rule: GroupRule
    recipe: Recipe
    failed: list[TableRow]
    proposal: Proposal | None = None

    def photographs(self, indices: Indices) -> list[Photograph]:
        """Give the photographs with these numbers, to look at."""
        chosen = [self.table_rows[i] for i in indices]
        return [Photograph(self.root / s.path, s.path, s.label, s.group) for s in chosen]


def look_at_folder(
    data: Path,
    recipe: Recipe,
    *,
    classes: Sequence[str] | None = None,
    positive: Sequence[str] | None = None,
    group_rule: GroupRule | None = None,
) -> PhotographSet:
    """Read every photograph of a folder once: which can be read, its class, part and digest.

    Without a rule groups are proposed, from the pictures and their names alone: there are no rows.

    Raises:
        DataError: the folder, the classes or the groups cannot be used.
        TooManyFailuresError: more than a tenth of the photographs cannot be read.
    """
    rule = group_rule or GroupRule()
    scan = scan_folder(data, classes)
    grouped = apply_rule(rule, scan.photographs)
    photographs = grouped.photographs
    settled = settle_depth(photographs, recipe)
    recipe, remarks = settled.recipe, Remarks()
    table_rows, thumbnails = [], dict[str, Thumbnail]()
    for one in look(photographs, recipe, thumbnail=rule.from_photographs):
        table_rows.append(one.table_row)
        remarks.note(one.table_row.path, one.declared)
        if one.thumbnail is not None:
            thumbnails[one.table_row.path] = one.thumbnail
    failed = [table_row for table_row in table_rows if table_row.reason]
    if len(failed) > _MAX_FAILURES * len(table_rows):
        raise TooManyFailuresError(
            f"{len(failed)} of {len(table_rows)} photographs cannot be read, more than "
            f"{100 * _MAX_FAILURES:.0f} % ({failed[0].path}: {failed[0].reason}); mend or "
            f"remove them"
        )
    proposal = None
    if rule.from_photographs:
        readable = [table_row for table_row in table_rows if not table_row.reason]
        seen = [thumbnails[table_row.path] for table_row in readable]
        found = propose_by_pictures(readable, seen, rule.gap)
        table_rows = found.applied(table_rows)
        if rule.kind == "none":
            proposal, rule = found, found.rule
    labelled = label_table_rows(table_rows, classes=classes, positive=positive)
    labelled.warnings += [*scan.notes, *grouped.notes, *filter(None, [settled.said])]
    labelled.warnings += remarks.lines([FULL])
    labelled.classes.require_defective("training a CNN")
    return PhotographSet(
        **vars(labelled), root=Path(absolute_name(data)), group_rule=rule, recipe=recipe,
        failed=failed, proposal=proposal,
    )  # fmt: skip


class Batches:
    """Photographs and class numbers as a `tf.data.Dataset`, read anew in every epoch.

    Attributes:
        dataset: of (float32 (b, height, width, 3) as the recipe scales them, float32 (b,)).
        failure: after TensorFlow failed, which photograph could no longer be read, and why.
    """

    def __init__(
        self,
        files: Sequence[Path],
        y: Indices,
        recipe: Recipe,
        batch_size: int,
        *,
        shuffle_seed: int | None = None,
        augment: Callable[[Any], Any] | None = None,
    ) -> None:
        """Prepare the stream; nothing is read yet.

        Args:
            files: readable photographs.
            y: int64 (len(files),) class numbers.
            recipe: size and scaling of the pixels.
            batch_size: photographs per batch; the last one may be smaller.
            shuffle_seed: of the order, which is another one in every epoch; None for as given.
            augment: float32 batch to float32 batch.
        """
        tf = load_tensorflow()
        self._files, self._recipe = list(files), recipe
        self.failure: DataError | None = None
        factor, offset = recipe.scale
        shape = (recipe.height, recipe.width, 3)

        def pixels(number: Any, label: Any) -> tuple[Any, Any]:  # noqa: ANN401 - tensors
            """Load a photograph by its number."""
            loaded = tf.numpy_function(self._load, [number], tf.uint8)
            return tf.ensure_shape(loaded, shape), label

        def scaled(batch: Any, labels: Any) -> tuple[Any, Any]:  # noqa: ANN401 - tensors
            """Scale a batch, and distort it where that is wanted."""
            values = tf.cast(batch, tf.float32) * factor + offset
            return values if augment is None else augment(values), labels

        numbers = tf.data.Dataset.from_tensor_slices((np.arange(len(files)), y.astype(np.float32)))
        if shuffle_seed is not None:
            numbers = numbers.shuffle(max(len(files), 1), seed=shuffle_seed)
        read = numbers.map(pixels, num_parallel_calls=core_count(), deterministic=True)
        # One call after another: the augmentation draws from one seeded state.
        self.dataset = read.batch(batch_size).map(scaled).prefetch(1)

    def _load(self, number: int) -> Pixels:
        file = self._files[int(number)]
        try:
            return decode_apart(read_photograph(file), self._recipe)
        except (ImageError, DecoderError) as error:
            self.failure = DataError(
                f"{file} was readable at first and is no longer ({error}); expected the "
                "photographs to stay as they are while they are trained on; start again"
            )
            raise
