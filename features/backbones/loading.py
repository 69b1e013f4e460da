"""Load a backbone beside the decoding of the first photographs, in the engine that can have it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import replace

from features.backbones.engine_choice import engines_to_try, first_that_can
from features.backbones.engines import TENSORFLOW
from features.backbones.registry import Backbone
from features.backbones.settings import BackboneSettings


class Loading:
    """A backbone that is loaded on a thread of its own, once it is known to be needed.

    Args:
        settings: of the backbone; their engine may be "auto".
        batch_size: pictures per call.

    Attributes:
        seconds: that loading took; 0 before.
        engine: what computes it; "" before.

    Example:
        >>> loading = Loading(settings, batch_size=32)  # doctest: +SKIP
        >>> loading.begin()  # doctest: +SKIP
        >>> loading.backbone().run(pixels)  # doctest: +SKIP
    """

    def __init__(self, settings: BackboneSettings, batch_size: int) -> None:
        self._settings, self._batch_size = settings, batch_size
        self._lock = threading.Lock()
        self._begun: Future[Backbone] | None = None
        self._engines: Iterator[str] = engines_to_try(settings.engine, settings.engines)
        self.seconds, self.engine = 0.0, ""

    def begin(self) -> None:
        """Start, unless that was done; whoever asks for the backbone hears what went wrong."""
        with self._lock:
            if self._begun is not None:
                return
            self._begun = Future()
        threading.Thread(target=self._fill, args=(self._begun,), name="loader").start()

    def backbone(self) -> Backbone:
        """Give the backbone, waiting for it.

        Raises:
            WeightsError: the weights do not fit.
            EngineError, PrecisionError: the engine that was named, or TensorFlow, cannot have it.
        """
        self.begin()
        assert self._begun is not None
        return self._begun.result()

    def next_engine(self) -> bool:
        """Load anew with the next engine, where none was named and there is another.

        For a caller who found that rows moved against those that were recorded.
        """
        if self.engine in ("", TENSORFLOW) or self._settings.engine == self.engine:
            return False
        self._begun = None
        self.begin()
        return True

    def _fill(self, begun: Future[Backbone]) -> None:
        started = time.perf_counter()
        try:
            found = self._load()
        except BaseException as error:  # noqa: BLE001 - raised where it is waited for
            begun.set_exception(error)
            return
        self.seconds += time.perf_counter() - started
        begun.set_result(found)

    def _load(self) -> Backbone:
        def load(engine: str) -> Backbone:
            """Load with this engine."""
            return replace(self._settings, engine=engine).load(self._batch_size)

        self.engine, found = first_that_can(self._engines, load)
        return found
