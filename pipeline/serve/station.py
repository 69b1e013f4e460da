"""One inspection station: a model, its queue, its inbox, and what a person does with them.

The pages and the service are two ways to call this; nothing here knows of HTTP.
"""

from __future__ import annotations

import io
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from features.cache.shards import open_cache
from features.errors import BusyError, CacheError, DataError
from features.own_files import refuse_strange_root
from pipeline.evaluation.band import REVIEW_NAME, beside
from pipeline.heatmaps.drawing import AGAINST, FOR, shares_of_full
from pipeline.heatmaps.drawing import describe as describe_heatmap
from pipeline.line.corrections import VERDICTS, Correction, Inbox, Judgement, Shown
from pipeline.line.kept_rows import RowKeeper
from pipeline.line.live_model import LiveModel, Neighbour, Predicted
from pipeline.line.verdict_log import LoggedVerdict
from pipeline.model.bundle import load_bundle
from pipeline.model.part_predictions import PartPrediction, predict_parts
from pipeline.serve.batches import JudgeQueue
from pipeline.serve.history import History
from pipeline.serve.kept_photographs import KeptPhotographs, Pictures, is_digest, read_below
from pipeline.serve.refit import clear_unfinished
from pipeline.serve.settings import ServeSettings
from pipeline.serve.versions import activate, keep_version

_HELD = 500  # parts whose heatmaps and neighbours can be asked for
_SUFFIXES = {b"\xff\xd8": ".jpg", b"\x89P": ".png", b"RI": ".webp", b"BM": ".bmp", b"II": ".tif",
             b"MM": ".tif"}  # fmt: skip


@dataclass(frozen=True)
class Inspected:
    """A part that was judged.

    Attributes:
        id: see `pipeline.serve.history.verdict_id`.
        part: the verdict on it.
        predicted: its photographs.
        model: that judged.
        logged: as it stands in the log.
    """

    id: str
    part: PartPrediction
    predicted: tuple[Predicted, ...]
    model: LiveModel
    logged: LoggedVerdict


class Station:
    """See the module."""

    def __init__(self, settings: ServeSettings) -> None:
        """Load the model and settle what a killed process left.

        Raises:
            OnepassError: the model cannot be used, or the folders cannot be written.
        """
        self.settings, self.started = settings, time.time()
        self.inbox = Inbox(settings.inbox)
        self.model = self._load(None)
        keep_version(settings.model, settings.versions)
        clear_unfinished(settings.versions)
        self.inbox.settle()
        self.history = History(settings.inbox / VERDICTS)
        self.queue = JudgeQueue(settings.limits.waiting)
        self.keeper = RowKeeper(settings.cache, settings.limits.rows_per_hour)
        self.kept = KeptPhotographs(settings.inbox, settings.limits.kept_bytes)
        self.pictures = Pictures(settings.limits.pixels)
        self._held: OrderedDict[str, Inspected] = OrderedDict()
        self._lock = threading.Lock()
        self._switching = threading.Lock()
        self._paths = self._training_photographs()
        self.offered: dict[str, tuple[Path, str]] = {}
        """By digest: folder and path of photographs that were found in the inbox."""

    def close(self) -> None:
        """End what runs beside, nothing lost."""
        self.queue.close()
        self.history.close()
        self.keeper.close()

    # ---- judging --------------------------------------------------------------------------

    def inspect(
        self, files: Sequence[tuple[str, bytes]], part: str | None, source: str
    ) -> list[Inspected]:
        """Judge files, and have the verdicts on the disk before they are told.

        Args:
            files: names as they are shown, and content.
            part: the name of the part that all of them show; None where each is a part of its own.
            source: "page" or "service".

        Raises:
            BusyError: the queue is full.
            OutputError: the verdicts cannot be logged.
        """
        model = self.model
        waiting = self.queue.submit(model, files)
        predicted = [one.result() for one in waiting]
        for (_, data), one in zip(files, predicted, strict=True):
            if one.prediction.error is None:
                self.kept.keep(one.digest, data)
        self.keeper.offer(model, predicted)
        groups = [tuple(predicted)] if part is not None else [(one,) for one in predicted]
        told = [self._told(model, part, these) for these in groups]
        logged = [self._logged(model, verdict, these, source) for verdict, these in told]
        names = self.history.add(logged)
        found = [
            Inspected(name, verdict, _without_rows(these), model, log)
            for name, (verdict, these), log in zip(names, told, logged, strict=True)
        ]
        with self._lock:
            self._held |= {one.id: one for one in found}
            while len(self._held) > _HELD:
                self._held.popitem(last=False)
        return found

    def _told(
        self, model: LiveModel, part: str | None, predicted: tuple[Predicted, ...]
    ) -> tuple[PartPrediction, tuple[Predicted, ...]]:
        """Give one verdict on all of these, also where each photograph would have its own."""
        name = predicted[0].prediction.path if part is None else part
        named = [replace(one.prediction, part=name or "part") for one in predicted]
        (found,) = predict_parts(model.bundle, named)
        return replace(found, part=name), predicted

    def _logged(
        self, model: LiveModel, told: PartPrediction, predicted: Sequence[Predicted], source: str
    ) -> LoggedVerdict:
        return LoggedVerdict(
            time=time.time(), source=source, part=told.part,
            digests=tuple(one.digest for one in predicted), verdict=told.verdict,
            probability=told.probability, limit=model.limit, model=model.fingerprint,
            unlike=any(one.prediction.unlike for one in predicted), error=told.error or "",
        )  # fmt: skip

    def held(self, name: str) -> Inspected:
        """Give a part that was judged since the start.

        Raises:
            DataError: it is not held any more.
        """
        with self._lock:
            found = self._held.get(name)
        if found is None:
            raise DataError("this part was judged too long ago; inspect it again")
        return found

    def said(self, told: PartPrediction, model: LiveModel) -> str:
        """Give the probability beside the limit, for a person."""
        if told.probability is None:
            return ""
        if model.bundle.classes.binary:
            return beside(told.probability, model.bundle.band)
        return f"{100 * told.probability:.0f} %"

    def neighbours(self, one: Inspected) -> list[Neighbour]:
        """Give the training photographs nearest to the photograph that decided most."""
        readable = [predicted for predicted in one.predicted if predicted.look is not None]
        if not readable:
            return []
        shown = max(readable, key=lambda predicted: predicted.prediction.probability or 0.0)
        return one.model.neighbours(shown.look)

    # ---- pictures -------------------------------------------------------------------------

    def picture(self, digest: str, side: int) -> bytes:
        """Give a JPEG of a photograph: asked about lately, corrected, or trained on.

        Raises:
            DataError: none of this digest is known here.
            ImageError: it cannot be read.
        """
        known = self.pictures.get(digest, side) if is_digest(digest) else None
        return known or self.pictures.draw(digest, self.photograph(digest), side)

    def photograph(self, digest: str) -> bytes:
        """Give the file of a photograph that is known here.

        Raises:
            DataError: none of this digest is.
        """
        data = self.kept.read(digest)
        if data is None and is_digest(digest):
            data = self._corrected(digest) or self._offered(digest) or self._trained_on(digest)
        if data is None:
            raise DataError("no photograph of this digest is kept here any more")
        return data

    def _corrected(self, digest: str) -> bytes | None:
        for one in self.inbox.corrections():
            for found, name in zip(one.digests, one.files, strict=True):
                if found == digest:
                    most = self.settings.limits.pixels
                    return read_below(self.settings.inbox, name, digest, most)
        return None

    def _offered(self, digest: str) -> bytes | None:
        folder, path = self.offered.get(digest, (None, ""))
        if folder is None:
            return None
        return read_below(folder, path, digest, self.settings.limits.pixels)

    def _trained_on(self, digest: str) -> bytes | None:
        path, folder = self._paths.get(digest), self.settings.data
        if path is None or folder is None:
            return None
        return read_below(folder, path, digest, self.settings.limits.pixels)

    def _training_photographs(self) -> dict[str, str]:
        """Find paths below the data folder by digest, of the cache, else of the model."""
        found = {entry["digest"]: entry["path"] for entry in self.model.bundle.split()}
        if self.settings.data is None or not self.settings.cache.exists():
            return found
        try:
            with open_cache(self.settings.cache) as cache:
                refuse_strange_root(
                    self.settings.cache, str(cache.note.get("root", "")), own=cache.own
                )
                return found | {s.digest: s.path for s in cache.table_rows if s.digest}
        except CacheError:
            return found

    def heatmap(self, one: Inspected, number: int, side: int) -> tuple[bytes, str] | None:
        """Give the colours of a photograph's heatmap as a PNG with transparency, and what they say.

        Returns:
            None where the model has no heatmaps, or the photograph could not be read.

        Raises:
            DataError: the part has no such photograph.
        """
        if not 0 <= number < len(one.predicted):
            raise DataError(f"the part has {len(one.predicted)} photographs; found number {number}")
        predicted, frame = one.predicted[number], one.model.frame
        cells = predicted.prediction.cells
        if frame is None or cells is None or not frame.upright:
            return None
        with Image.open(io.BytesIO(self.picture(predicted.digest, side))) as photograph:
            size = photograph.size
        values = shares_of_full(cells, frame, size)
        pixels = np.empty((*values.shape, 4), dtype=np.uint8)
        pixels[..., :3] = np.where(values[..., None] > 0, FOR, AGAINST)
        pixels[..., 3] = np.rint(255 * np.clip(np.abs(values), 0, 1))
        out = io.BytesIO()
        Image.fromarray(pixels, "RGBA").save(out, "PNG", compress_level=1)
        return out.getvalue(), describe_heatmap(values, frame)

    # ---- corrections ----------------------------------------------------------------------

    def correct(
        self, name: str, judgement: Judgement, label: str, note: str = "", by: str = ""
    ) -> Correction:
        """Keep what a person says of a verdict; on the disk when this returns.

        Args:
            name: see `pipeline.serve.history.verdict_id`.
            judgement: "right", "wrong" or "unsure".
            label: the class that holds; "" for "unsure", and for "right" unless the verdict was
                that a person has to look, or one that several classes share.
            note: what else was said.
            by: who.

        Raises:
            DataError: the verdict or its photographs are not known any more, or the class is not
                one of the model's.
            OutputError: it cannot be written; nothing is acknowledged.
        """
        told = self.history.get(name)
        is_class = told.verdict not in (None, REVIEW_NAME)
        if judgement == "right" and not label and is_class:
            meant = [one for one in self.labels if self.class_of(one) == told.verdict]
            if len(meant) != 1:
                raise DataError(
                    f"found right of {told.verdict!r} without a class; expected which of "
                    f"{', '.join(meant or self.labels)} it is"
                )
            (label,) = meant
        if judgement != "unsure" and label not in self.labels:
            raise DataError(f"found the class {label!r}; expected one of {', '.join(self.labels)}")
        agrees = self.class_of(label) == told.verdict
        if judgement == "wrong" and agrees:
            raise DataError(
                f"found wrong and {label}; the verdict was {told.verdict}, too: expected another "
                "class for wrong"
            )
        if judgement == "right" and is_class and not agrees:
            raise DataError(
                f"found right and {label}; the verdict was {told.verdict}: expected a class of "
                "that, or wrong"
            )
        shown = Shown(told.part, told.verdict, told.probability, told.model)
        return self.keep_correction(shown, told.digests, judgement, label, note=note, by=by)

    def keep_correction(
        self,
        shown: Shown,
        digests: Sequence[str],
        judgement: Judgement,
        label: str,
        *,
        note: str = "",
        by: str = "",
    ) -> Correction:
        """Keep what a person says of photographs that are known here; on the disk afterwards.

        Args:
            shown: what was told of them.
            digests: of the photographs.
            judgement: "right", "wrong" or "unsure".
            label: the class that holds.
            note: what else was said.
            by: who.

        Raises:
            DataError: a photograph is not known any more.
            OutputError: it cannot be written; nothing is acknowledged.
        """
        files = [self.photograph(digest) for digest in digests if digest]
        return self.inbox.correct(
            [(data, _SUFFIXES.get(data[:2], ".jpg")) for data in files], shown,
            judgement=judgement, label="" if judgement == "unsure" else label, note=note, by=by,
        )  # fmt: skip

    @property
    def labels(self) -> list[str]:
        """Give the classes that a correction can name: good ones first."""
        classes = self.model.bundle.classes
        named = sorted(classes.members, key=lambda name: (classes.members[name], name))
        missing = [n for i, n in enumerate(classes.names) if i not in classes.members.values()]
        return named + missing

    def class_of(self, label: str) -> str:
        """Give the model's class that a label counts as: several may be one, as all defects."""
        classes = self.model.bundle.classes
        return classes.names[classes.members[label]] if label in classes.members else label

    # ---- models ---------------------------------------------------------------------------

    def _load(self, before: LiveModel | None) -> LiveModel:
        settings = self.settings
        bundle = load_bundle(settings.model, accept_drift=settings.accept_drift)
        model = LiveModel(
            bundle, weights=settings.weights, engine=settings.engine,
            max_pixels=settings.limits.pixels, like=before,
        )  # fmt: skip
        model.warm()
        return model

    def switch(self, fingerprint: str) -> None:
        """Make a kept model the active one; what is being judged is judged by the old one.

        Raises:
            BusyError: another switch is under way.
            BundleError, DriftError, OutputError: see `pipeline.serve.versions.activate`.
        """
        if not self._switching.acquire(blocking=False):
            raise BusyError("another model is being activated; try again in a second")
        try:
            activate(fingerprint, self.settings.model, self.settings.versions)
            self.model = self._load(self.model)
        finally:
            self._switching.release()


def _without_rows(these: Sequence[Predicted]) -> tuple[Predicted, ...]:
    """Drop the rows of what is held for a while: one takes 0.3 MB and nobody asks for it."""
    return tuple(replace(one, rows=None) for one in these)
