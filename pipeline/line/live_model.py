"""One model in memory: photographs' bytes to verdicts, without a file and without a cache.

The backbone is compiled twice: for the pictures of one photograph, which answers soonest, and for
`BATCH` photographs that arrive together. Decoding is done by the processes of
`features.photographs.decode_worker_pool`, as everywhere.
"""

from __future__ import annotations

import hashlib
import itertools
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from features.arrays import Floats, Pictures, Row, Rows
from features.backbones.drift_probe import SightCheck
from features.backbones.engines import AUTO, DEFAULT_ENGINE, TENSORFLOW
from features.backbones.registry import Backbone
from features.backbones.settings import BackboneSettings
from features.backbones.two_sizes import see
from features.cache.row_parts import RowParts
from features.cache.thumbnails import Thumbnail, thumbnail_of
from features.errors import DriftError, ImageError
from features.photographs.decode import MAX_PIXELS
from features.photographs.decode_worker_pool import look_apart
from features.photographs.file import Photograph
from pipeline.cnn.cnn import Cnn
from pipeline.heatmaps.explain import Frame, explain_rows, find_frame
from pipeline.line.corrections import model_fingerprint
from pipeline.model.bundle import Bundle
from pipeline.model.familiar import familiar_vectors
from pipeline.model.predict import Prediction, judge_alone

BATCH = 4
"""Photographs that the backbone sees at once, where so many wait."""

_NEAREST = 4


@dataclass(frozen=True)
class Decoded:
    """A photograph as the model is going to see it.

    Attributes:
        name: as it is shown; never a path.
        digest: SHA-256 (hex) of the file.
        pixels: of each picture; None where it cannot be read.
        thumbnail: a small picture and the capture time, as caches keep it.
        reason: why it cannot be read; "" where it can.
    """

    name: str
    digest: str
    pixels: Pictures | None = field(repr=False, compare=False)
    thumbnail: Thumbnail | None = field(default=None, repr=False, compare=False)
    reason: str = ""


@dataclass(frozen=True)
class Predicted:
    """Hold what the model makes of a photograph.

    Attributes:
        digest: SHA-256 (hex) of the file.
        prediction: the verdict on it alone.
        rows: float32 (views, values), as a cache keeps them; None of a CNN or an unreadable one.
        look: float32 (channels,), of `familiar_vectors`; None where not known.
        thumbnail: see `Decoded`.
    """

    digest: str
    prediction: Prediction
    rows: Rows | None = field(default=None, repr=False, compare=False)
    look: Row | None = field(default=None, repr=False, compare=False)
    thumbnail: Thumbnail | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True)
class Neighbour:
    """A training photograph that looks like one that was asked about.

    Attributes:
        digest: SHA-256 (hex) of its file.
        path: in the folder of training photographs.
        label: its class.
        distance: of directions, 0 (the same) to 2.
    """

    digest: str
    path: str
    label: str
    distance: float


class LiveModel:
    """A loaded model that is ready to judge; its methods may be called from several threads."""

    def __init__(
        self,
        bundle: Bundle,
        *,
        weights: str | None = None,
        engine: str = DEFAULT_ENGINE,
        max_pixels: int = MAX_PIXELS,
        like: LiveModel | None = None,
    ) -> None:
        """Build the backbone and see that it still gives what it gave.

        Args:
            bundle: from `pipeline.model.bundle.load_bundle`.
            weights: where the backbone's weights are now, if not where they were.
            engine: one of `features.backbones.engines.ENGINES`.
            max_pixels: refuse larger photographs.
            like: another model, whose backbone is taken where it is the same.

        Raises:
            WeightsError: the model's weights are not on this computer.
            DriftError: the backbone gives other rows than when the model was made.
        """
        self.bundle, self.max_pixels = bundle, max_pixels
        self.fingerprint = model_fingerprint(bundle.folder)
        self.notes: list[str] = []
        self.frame: Frame | None = find_frame(bundle, self.notes)
        self._lock = threading.Lock()  # one pass of the backbone at a time
        self.settings: BackboneSettings | None = None
        self._backbones: dict[int, Backbone] = {}
        if not isinstance(bundle.head, Cnn):
            self.settings = bundle.settings(weights, engine)
            self._sight = SightCheck(self.settings.weights.describe(), self.settings.row_dtype)
            if like is not None and like.settings == self.settings and like.views == self.views:
                self._lock, self._backbones = like._lock, like._backbones
            self._watch(self.settings)
        self._entries = [entry for entry in bundle.split() if entry["side"] == "train"]
        self.learned = bundle.trained_on()

    @property
    def limit(self) -> float | None:
        """Give, of two classes, the probability of a defect from which on no part is passed."""
        return self.bundle.threshold if self.bundle.classes.binary else None

    @property
    def views(self) -> tuple[str, ...]:
        """Give the views that have a row of their own each."""
        return tuple(self.bundle.views.names)

    def decode(self, name: str, data: bytes) -> Decoded:
        """Decode a file in a process of its own; what cannot be read has its reason."""
        digest = hashlib.sha256(data).hexdigest()
        try:
            if isinstance(self.bundle.head, Cnn):
                found = look_apart(data, self.bundle.head.recipe, max_pixels=self.max_pixels)
                return Decoded(name, digest, found.pixels)
            assert self.settings is not None
            crops = self.settings.crops.views
            pictures = [one for view in self.views for one in (view, *crops)]
            found = look_apart(data, self.settings.recipe, pictures, max_pixels=self.max_pixels)
        except ImageError as error:
            return Decoded(name, digest, None, reason=str(error))
        return Decoded(
            name, digest, found.pixels, thumbnail_of(found.pixels[0], found.capture_time)
        )

    def predict_photographs(self, photographs: Sequence[Decoded]) -> list[Predicted]:
        """Judge photographs, each by itself; one pass of the backbone for `BATCH` of them."""
        readable = [one for one in photographs if one.pixels is not None]
        found = iter(self._judge(readable) if readable else [])
        return [_unread(one) if one.pixels is None else next(found) for one in photographs]

    def _judge(self, photographs: Sequence[Decoded]) -> list[Predicted]:
        if self.settings is None:
            pixels = np.concatenate([one.pixels for one in photographs if one.pixels is not None])
            chances = self.bundle.probabilities(pixels)
            made = self._verdicts(photographs, chances, self.bundle.strangeness(pixels))
            return [Predicted(one.digest, v) for one, v in zip(photographs, made, strict=True)]
        with self._lock:
            rows = self._rows(photographs, self.settings)
        views, columns = self.bundle.seen
        places = [self.views.index(view) for view in views]
        inputs = np.concatenate([rows[:, at, columns] for at in places], axis=1)
        chances = self.bundle.probabilities(inputs)
        made = self._verdicts(photographs, chances, self.bundle.strangeness(inputs))
        if self.frame is not None:
            cells = explain_rows(self.bundle, inputs, chances)
            made = [replace(one, cells=grid) for one, grid in zip(made, cells, strict=True)]
        seen = familiar_vectors(inputs, RowParts.of(self.bundle.record.fit.fingerprint), len(views))
        each = zip(photographs, made, rows, seen, strict=True)
        return [Predicted(one.digest, v, row, look, one.thumbnail) for one, v, row, look in each]

    def _verdicts(
        self, photographs: Sequence[Decoded], chances: Floats, strange: Floats
    ) -> list[Prediction]:
        made = [
            judge_alone(self.bundle, Photograph(Path(one.name), one.name), p, float(far))
            for one, p, far in zip(photographs, chances, strange, strict=True)
        ]
        learned = [one.digest in self.learned for one in photographs]
        # The name of a folder says nothing of an upload.
        return [
            replace(v, trained_on=known, truth=None) for v, known in zip(made, learned, strict=True)
        ]

    def neighbours(self, look: Row | None, count: int = _NEAREST) -> list[Neighbour]:
        """Find the training photographs that look most alike, each part once; nearest first."""
        familiar = self.bundle.familiar
        if look is None or familiar is None or len(familiar.vectors) != len(self._entries):
            return []  # of more than are kept it is not known which these are
        distance = 1 - familiar.vectors @ look
        found: dict[str, Neighbour] = {}
        for number in np.argsort(distance, kind="stable").tolist():
            entry = self._entries[number]
            one = Neighbour(entry["digest"], entry["path"], entry["class"], float(distance[number]))
            found.setdefault(entry["group"], one)
            if len(found) == count:
                break
        return list(found.values())

    # ---- the backbone ---------------------------------------------------------------------

    def warm(self) -> None:
        """Build the network for single photographs and for batches, before anybody waits."""
        if self.settings is not None:
            for count in (1, BATCH):
                self._backbone(count, self.settings)

    def _backbone(self, count: int, settings: BackboneSettings) -> Backbone:
        if count not in self._backbones:
            pictures = count * settings.look.images * len(self.views)
            self._backbones[count] = settings.load(pictures)
        return self._backbones[count]

    def _watch(self, settings: BackboneSettings) -> None:
        """Show the network the drawn picture that it was shown when the model was made."""
        seen = see(self._backbone(1, settings), settings.probe_pictures)
        if self.bundle.tested.drift_probe is None:
            return
        try:
            self.bundle.watch(settings.probe_row(seen))
        except DriftError:
            if settings.engine != AUTO:
                raise
            self.settings = replace(settings, engine=TENSORFLOW)  # the fastest one is not right
            self._backbones.clear()
            self._watch(self.settings)

    def _rows(self, photographs: Sequence[Decoded], settings: BackboneSettings) -> Rows:
        """Give rows as a cache of this precision gives them back: float32 (n, views, values)."""
        found = []
        step = BATCH if len(photographs) > 1 else 1
        for start in range(0, len(photographs), step):
            block = photographs[start : start + step]
            pictures = [*itertools.chain(*(one.pixels for one in block if one.pixels is not None))]
            backbone = self._backbone(step, settings)
            seen = see(backbone, pictures)
            self._sight.check(backbone.run, seen, pictures)
            found.append(settings.row_of(seen, settings.look.images))
        rows = np.concatenate(found).astype(settings.row_dtype).astype(np.float32)
        return rows.reshape(len(photographs), len(self.views), -1)


def _unread(one: Decoded) -> Predicted:
    return Predicted(one.digest, Prediction(one.name, Path(one.name), error=one.reason))
