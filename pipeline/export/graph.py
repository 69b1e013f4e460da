"""A whole model as one graph: pixels of a photograph's pictures to calibrated probabilities.

pictures -> backbone -> rows of each picture -> feature spec -> head -> calibration -> probabilities
                             └─> what the photograph looks like -> strangeness
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from features.backbones.onnx_engine import PICTURES, ROWS, refuse_bfloat16
from features.backbones.onnx_graph import Graph, Shape
from features.backbones.registry import check_taps
from features.backbones.settings import BackboneSettings
from features.cache.row_parts import RowParts
from features.errors import ExportError
from features.photographs.views import FULL, View, view_named
from pipeline.cnn.cnn import Cnn
from pipeline.export.backbones import LARGE_PICTURES, LARGE_ROWS, backbone_graph
from pipeline.export.heads import probabilities, write_head
from pipeline.feature_specs.heads import HeadOnCachedRows
from pipeline.feature_specs.spec import FLAT, Average, FeatureSpec, Flat, Largest, Pooling, Taps
from pipeline.heads import is_users
from pipeline.heads.base import Head
from pipeline.heads.calibration import ABOVE_0, BELOW_1, Recalibration
from pipeline.model.bundle import Bundle
from pipeline.model.familiar import NEAREST, Familiar

PHOTOGRAPHS, PROBABILITIES, STRANGENESS = "photographs", "probabilities", "strangeness"
"""Input and outputs of what is exported."""


@dataclass(frozen=True)
class Written:
    """A model's graph.

    Attributes:
        graph: from PHOTOGRAPHS to the outputs.
        pictures: the views that it is shown of every photograph, in their order, large ones last.
        sizes: height and width of each; smaller ones stand at the top left of the largest.
        classes: how many probabilities it gives.
        strange: whether it gives the strangeness of a photograph as well.
    """

    graph: Graph
    pictures: tuple[View, ...]
    sizes: tuple[tuple[int, int], ...]
    classes: int
    strange: bool

    @property
    def shape(self) -> tuple[int, ...]:
        """Give the shape of what it is shown of a photograph: (pictures, height, width, 3)."""
        return len(self.pictures), *map(max, *self.sizes, (0, 0)), 3

    @property
    def outputs(self) -> list[str]:
        """Name what it gives."""
        return [PROBABILITIES, *([STRANGENESS] if self.strange else [])]

    def model(self, *, half: bool = False, notes: Mapping[str, str] | None = None) -> Any:  # noqa: ANN401 - objects of a library that has few types
        """Give the ONNX model; see `Graph.model`."""
        shape: Shape = ["N", *self.shape]
        shapes: dict[str, Shape] = {PROBABILITIES: ["N", self.classes], STRANGENESS: ["N"]}
        return self.graph.model(
            {PHOTOGRAPHS: ("uint8", shape)},
            {name: ("float32", shapes[name]) for name in self.outputs},
            half=half,
            notes=notes,
        )


def write_graph(bundle: Bundle, weights: str | None = None) -> Written:
    """Write a model down as a graph.

    Args:
        bundle: a loaded model.
        weights: where the backbone's weights are now, if not where they were.

    Raises:
        ExportError: something of the model has no form in the graph; the message says what has.
        WeightsError: the weights are not on this computer.
    """
    head, spec = _head_and_spec(bundle)
    settings = bundle.settings(weights, "onnx")
    refuse_bfloat16(settings.precision)
    row_parts = RowParts.of(bundle.record.fit.fingerprint).with_map  # of the graph's own rows
    stored = spec.stored_views(row_parts)
    views = [view_named(name) for name in dict.fromkeys([*stored, *spec.views])]
    pictures = tuple(sorted(views, key=lambda view: view.large))
    graph = backbone_graph(settings, large=pictures[-1].large)
    nodes, graph.nodes = graph.nodes, []  # what the backbone sees comes first
    _show(graph, settings, pictures)
    graph.nodes += nodes
    graph.scope = "head/"
    seen = _Seen(graph, settings, row_parts, pictures)
    own = write_head(graph, head, seen.of_spec(spec))
    calibrated = own if bundle.calibration is None else _calibrated(graph, own, bundle.calibration)
    graph.scope = ""
    graph.add("Identity", calibrated, name=PROBABILITIES)
    if bundle.familiar is not None:
        graph.scope = "familiar/"
        strange = _strangeness(graph, seen.vectors(stored), bundle.familiar)
        graph.scope = ""
        graph.add("Identity", strange, name=STRANGENESS)
    sizes = tuple(settings.recipe.size_of(view) for view in pictures)
    return Written(graph, pictures, sizes, head.n_classes, bundle.familiar is not None)


def _show(graph: Graph, settings: BackboneSettings, pictures: tuple[View, ...]) -> None:
    """Add what the backbone sees of PHOTOGRAPHS: PICTURES, and LARGE_PICTURES where it has them."""
    shown, own = PHOTOGRAPHS, sum(not view.large for view in pictures)
    if own < len(pictures) and settings.recipe.large is not None:
        shown = graph.slice(PHOTOGRAPHS, 0, own, axis=1)
        shown = graph.slice(shown, 0, settings.recipe.height, axis=2)
        shown = graph.slice(shown, 0, settings.recipe.width, axis=3)
        others = graph.slice(PHOTOGRAPHS, own, len(pictures), axis=1)
        size = np.array([-1, *settings.recipe.large, 3], np.int64)
        graph.add("Reshape", others, size, name=LARGE_PICTURES)
    size = np.array([-1, settings.recipe.height, settings.recipe.width, 3], np.int64)
    graph.add("Reshape", shown, size, name=PICTURES)


def _head_and_spec(bundle: Bundle) -> tuple[Head, FeatureSpec]:
    head = bundle.head
    if isinstance(head, Cnn):
        raise ExportError(
            f"{bundle.folder} is a CNN of train-cnn, which cannot be exported; expected a model of "
            "fit; make one with: onepass fit"
        )
    if isinstance(head, HeadOnCachedRows):
        return head.head, head.spec
    assert isinstance(head, Head)
    if is_users(head.name):
        raise ExportError(
            f"{bundle.folder} holds a user's own estimator, {head.name}, which cannot be exported; "
            "expected one of Onepass's heads; fit one of these, as: onepass fit --head logistic"
        )
    return head, FLAT


class _Seen:
    """Say what the backbone saw of each picture, and what is made of it."""

    def __init__(
        self,
        graph: Graph,
        settings: BackboneSettings,
        row_parts: RowParts,
        pictures: tuple[View, ...],
    ) -> None:
        self.graph, self.row_parts = graph, row_parts
        entry = settings.entry
        layers = check_taps(entry, [*settings.taps, *settings.crops.taps])
        self.places, start = {}, row_parts.map_width
        for name in layers:
            self.places[name] = start, start + int(entry.tap_widths[name])
            start = self.places[name][1]
        self.rows: dict[str, str] = {}
        self.large: dict[str, str] = {}  # of large pictures the layers alone
        for found, tensor, large in ((self.rows, ROWS, False), (self.large, LARGE_ROWS, True)):
            views = [view.name for view in pictures if view.large == large]
            width = start - row_parts.map_width if large else start
            if not views:
                continue
            rows = graph.half(tensor) if settings.precision == "float16" else tensor
            rows = graph.reshape(rows, -1, len(views) * width)
            for number, view in enumerate(views):
                found[view] = graph.slice(rows, number * width, (number + 1) * width, axis=1)

    def of_spec(self, spec: FeatureSpec) -> str:
        """Add what a head sees of a photograph; see `FeatureSpec.of`."""
        graph = self.graph
        whole = spec.stored_views(self.row_parts) == spec.views
        found = [
            self._of_view(
                spec, view, self.row_parts if whole or view == FULL else self.row_parts.of_crop
            )
            for view in spec.views
        ]
        if len(found) == 1:
            return found[0]
        total = found[0]
        for more in found[1:]:
            total = graph.add("Max" if spec.largest else "Add", total, more)
        return total if spec.largest else graph.add("Div", total, np.float32(len(found)))

    def vectors(self, views: tuple[str, ...]) -> str:
        """See `pipeline.model.familiar.familiar_vectors`."""
        means = [self._pooled("Mean", view, self.row_parts) for view in views]
        total = means[0]
        for more in means[1:]:
            total = self.graph.add("Add", total, more)
        return self._unit(self.graph.add("Div", total, np.float32(len(means))))

    def _of_view(self, spec: FeatureSpec, view: str, row_parts: RowParts) -> str:
        layers = [
            layer for pooling in spec.poolings for layer in self._layers(pooling, view, row_parts)
        ]
        if spec.root:
            layers = [self._rooted(layer) for layer in layers]
        return layers[0] if len(layers) == 1 else self.graph.add("Concat", *layers, axis=1)

    def _layers(self, pooling: Pooling, view: str, row_parts: RowParts) -> list[str]:
        """Make one tensor for each layer; see `Pooling.widths`."""
        if isinstance(pooling, Taps):
            rows, skipped = self.rows.get(view), 0
            if rows is None:
                rows, skipped = self.large[view], self.row_parts.map_width
            places = [self.places[name] for name in pooling.names(row_parts)]
            return [
                self.graph.slice(rows, start - skipped, stop - skipped, axis=1)
                for start, stop in places
            ]
        if isinstance(pooling, Flat):
            return [self.graph.slice(self.rows[view], 0, row_parts.map_width, axis=1)]
        assert isinstance(pooling, Average | Largest), pooling
        return [self._pooled("Mean" if isinstance(pooling, Average) else "Max", view, row_parts)]

    def _pooled(self, how: str, view: str, row_parts: RowParts) -> str:
        height, width, channels = row_parts.shape
        flat = self.graph.slice(self.rows[view], 0, row_parts.map_width, axis=1)
        return self.graph.reduce(how, self.graph.reshape(flat, -1, height * width, channels), 1)

    def _rooted(self, x: str) -> str:
        root = self.graph.add("Sqrt", self.graph.add("Abs", x))
        return self._unit(self.graph.add("Mul", self.graph.add("Sign", x), root))

    def _unit(self, x: str) -> str:
        """Bring rows to length 1."""
        graph = self.graph
        squares = graph.reduce("Sum", graph.add("Mul", x, x), 1, keep=True)
        length = graph.add("Max", graph.add("Sqrt", squares), np.float32(1e-12))
        return graph.add("Div", x, length)


def _calibrated(graph: Graph, own: str, calibration: Recalibration) -> str:
    """See `Recalibration.apply`; of two classes."""
    defect = graph.slice(own, 1, 2, axis=1)
    if calibration.scale == "logit":
        # As 1 - p, but without its rounding.
        other = graph.slice(own, 0, 1, axis=1)
        above = graph.add("Log", graph.add("Add", defect, np.float32(ABOVE_0)))
        below = graph.add("Log", graph.add("Add", other, np.float32(BELOW_1)))
        defect = graph.add("Sub", above, below)
    scaled = graph.add("Mul", defect, np.float32(calibration.slope))
    logits = graph.add("Add", scaled, np.float32(calibration.offset))
    return probabilities(graph, logits, 1)


def _strangeness(graph: Graph, vectors: str, familiar: Familiar) -> str:
    """See `Familiar.distances`: how far the third nearest training photograph is."""
    known = familiar.vectors.astype(np.float64)
    squares = graph.reduce("Sum", graph.add("Mul", vectors, vectors), 1, keep=True)
    sums = graph.add("Add", squares, np.float32((known**2).sum(axis=1)[None]))
    products = graph.add("MatMul", vectors, np.float32(2 * known.T))
    distances = graph.add("Sub", sums, products)
    near, _ = graph.add_many("TopK", 2, distances, np.array([NEAREST]), axis=1, largest=0)
    third = graph.reduce("Max", near, 1)
    root = graph.add("Sqrt", graph.add("Max", third, np.float32(0)))
    return graph.add("Mul", root, np.float32(1 / max(familiar.limit, 1e-12)))
