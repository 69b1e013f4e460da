"""Heads as nodes of ONNX: from what a head sees to its own probabilities.

Each writer is the head's `_predict_proba` again, in float32 and in operations of the standard's
plain set, so that every runtime has them. A new head is one function and one line in `WRITERS`; the
contract test over `pipeline.heads.HEADS` finds what is missing, and the proof of each export finds
what differs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from features.arrays import Indices
from features.backbones.onnx_graph import INT64, Graph
from features.errors import ExportError
from pipeline.heads.base import Head
from pipeline.heads.novelty import EnsembleHead

Arrays = Mapping[str, npt.NDArray[Any]]
Writer = Callable[[Graph, Head, str], str]

_MOST_DEPTH = 400  # of a tree; every level is some nodes
_LEAST_DISTANCE, _LEAST_PROBABILITY = np.float32(1e-12), np.float32(1e-12)  # before a logarithm


def write_head(graph: Graph, head: Head, x: str) -> str:
    """Add a trained head.

    Args:
        graph: that it is added to.
        head: of `pipeline.heads.HEADS`.
        x: name of what it sees, float32 (n, input_width).

    Returns:
        Name of its own probabilities, float32 (n, n_classes).

    Raises:
        ExportError: no writer knows it.
    """
    if head.name not in WRITERS:
        raise ExportError(
            f"the head {head.name} cannot be exported, for it is code of its own; expected one of "
            f"{', '.join(WRITERS)}; fit one of these"
        )
    return WRITERS[head.name](graph, head, x)


def probabilities(graph: Graph, logits: str, columns: int) -> str:
    """Add the sigmoid of (n, 1), as two columns, or the softmax of (n, k)."""
    if columns == 1:
        zeros = graph.add("Mul", logits, np.float32(0))
        logits = graph.add("Concat", zeros, logits, axis=1)
    return graph.add("Softmax", logits, axis=1)


def _f32(values: npt.NDArray[Any] | float) -> npt.NDArray[np.float32]:
    return np.asarray(values, np.float32)


def _affine(graph: Graph, x: str, weights: npt.NDArray[Any], offset: npt.NDArray[Any]) -> str:
    return graph.add("Add", graph.add("MatMul", x, _f32(weights)), _f32(offset))


def _linear(graph: Graph, head: Head, x: str) -> str:
    arrays = head._arrays()
    logits = _affine(graph, x, arrays["coefficients"].T, arrays["intercepts"])
    return probabilities(graph, logits, len(arrays["intercepts"]))


def _dense(graph: Graph, head: Head, x: str) -> str:
    arrays = head._arrays()
    layers = list(dict.fromkeys(name.partition(".")[0] for name in arrays))
    for layer in layers[:-1]:
        kernel, bias = arrays[f"{layer}.kernel"], arrays[f"{layer}.bias"]
        x = graph.add("Relu", _affine(graph, x, kernel, bias))
    kernel, bias = (arrays[f"{layers[-1]}.{name}"] for name in ("kernel", "bias"))
    return probabilities(graph, _affine(graph, x, kernel, bias), len(bias))


def _squared_distances(graph: Graph, arrays: Arrays, x: str) -> str:
    """Add squared distances (n, anchors) in the row space; see `row_space.place_rows`."""
    centred = graph.add("Sub", x, _f32(arrays["mean"]))
    placed = graph.add("MatMul", centred, _f32(arrays["projection"]))
    anchors = np.asarray(arrays["anchors"], np.float64)
    scaled = graph.add("Mul", centred, _f32(1 / arrays["scale"]))
    whole = graph.reduce("Sum", graph.add("Mul", scaled, scaled), 1, keep=True)
    inside = graph.reduce("Sum", graph.add("Mul", placed, placed), 1, keep=True)
    # What lies outside the span of the training rows counts in full, but never less than nothing.
    squares = graph.add("Max", whole, inside)
    products = graph.add("MatMul", placed, _f32(2 * anchors.T))
    sums = graph.add("Add", squares, _f32((anchors**2).sum(axis=1)[None]))
    return graph.add("Max", graph.add("Sub", sums, products), np.float32(0))


def _rbf_svm(graph: Graph, head: Head, x: str) -> str:
    arrays = head._arrays()
    distances = _squared_distances(graph, arrays, x)
    kernel = graph.add("Exp", graph.add("Mul", distances, _f32(-arrays["gamma"])))
    logits = _affine(graph, kernel, arrays["dual"], arrays["offset"])
    return probabilities(graph, logits, len(arrays["offset"]))


def _knn(graph: Graph, head: Head, x: str) -> str:
    arrays, labels = head._arrays(), np.asarray(head._arrays()["labels"])
    k = min(int(head.chosen["k"]), len(labels))
    distances = _squared_distances(graph, arrays, x)
    near, nearest = graph.add_many("TopK", 2, distances, np.array([k], np.int64), axis=1, largest=0)
    votes = graph.add("Gather", np.eye(head.n_classes, dtype=np.float32)[labels], nearest, axis=0)
    if head.chosen["weights"] == "distance":
        # Models of earlier versions have no floor; this one keeps their division finite.
        floor = np.float32(max(float(arrays["floor"]), 1e-12))
        lengths = graph.add("Sqrt", graph.add("Max", near, floor))
        heavy = graph.add("Unsqueeze", graph.add("Reciprocal", lengths), np.array([2]))
        votes = graph.add("Mul", votes, heavy)
    return _shares(graph, graph.reduce("Sum", votes, 1))


def _shares(graph: Graph, x: str) -> str:
    return graph.add("Div", x, graph.reduce("Sum", x, 1, keep=True))


def _zeros(graph: Graph, x: str) -> str:
    """Add float32 (n, 1) of zeros for rows (n, width)."""
    return graph.add("Mul", graph.slice(x, 0, 1, axis=1), np.float32(0))


def _leaves(graph: Graph, arrays: Arrays, x: str) -> str:
    """Find where each row ends in each tree, int64 (n, trees); a level of all trees at a time."""
    left, right, starts = arrays["left"], arrays["right"], arrays["starts"]
    own, inner = np.arange(len(left)), left != -1
    # Rows are float32: the largest float32 below a threshold parts them as the threshold does.
    exact = np.asarray(arrays["threshold"], np.float64)
    threshold = exact.astype(np.float32)
    threshold = np.where(threshold > exact, np.nextafter(threshold, np.float32(-np.inf)), threshold)
    feature = graph.constant(np.where(inner, arrays["feature"], 0))
    limit = graph.constant(_f32(threshold))
    ways = [graph.constant(np.where(inner, side, own)) for side in (left, right)]
    none = graph.add("Cast", _zeros(graph, x), to=INT64)
    at = graph.add("Add", none, np.asarray(starts[:-1], np.int64)[None])
    for _ in range(_depth(left, right, starts)):
        seen = graph.add("GatherElements", x, graph.add("Gather", feature, at), axis=1)
        goes_left = graph.add("LessOrEqual", seen, graph.add("Gather", limit, at))
        at = graph.add("Where", goes_left, *(graph.add("Gather", way, at) for way in ways))
    return at


def _depth(left: Indices, right: Indices, starts: Indices) -> int:
    """Count the levels of the deepest tree.

    Raises:
        ExportError: so many that the file would be nothing but levels.
    """
    at = np.asarray(starts[:-1])
    for depth in range(_MOST_DEPTH):
        at = at[left[at] != -1]
        if not len(at):
            return depth
        at = np.concatenate([left[at], right[at]])
    raise ExportError(
        f"the head has a tree of more than {_MOST_DEPTH} levels; expected fewer; fit it with "
        "--set min_samples_leaf=5, or fit another head"
    )


def _leaf_sums(graph: Graph, arrays: Arrays, x: str, outputs: int) -> str:
    """Add up what the leaves of all trees say: (n, outputs), dealt out to them by turns."""
    values = _f32(arrays["values"])
    said = graph.add("Gather", values, _leaves(graph, arrays, x), axis=0)  # (n, trees, width)
    turns = outputs // values.shape[1]
    if turns > 1:
        said = graph.reshape(said, -1, (len(arrays["starts"]) - 1) // turns, outputs)
    return graph.reduce("Sum", said, 1)


def _spread(graph: Graph, shares: str, head: Head, present: Indices) -> str:
    """Spread probabilities of the classes seen in training over all classes."""
    places = np.eye(head.n_classes, dtype=np.float32)[present]
    return _shares(graph, graph.add("MatMul", shares, places))


def _forest(graph: Graph, head: Head, x: str) -> str:
    arrays = head._arrays()
    sums = _leaf_sums(graph, arrays, x, len(arrays["present"]))
    return _spread(graph, sums, head, arrays["present"])


def _boosting(graph: Graph, head: Head, x: str) -> str:
    arrays = head._arrays()
    initial = _f32(arrays["initial"])
    sums = graph.add("Add", _leaf_sums(graph, arrays, x, len(initial)), initial)
    return _spread(graph, probabilities(graph, sums, len(initial)), head, arrays["present"])


def _novelty(graph: Graph, head: Head, x: str) -> str:
    arrays = head._arrays()
    channels, k = arrays["projection"].shape
    columns = 1 if head.n_classes == 2 else head.n_classes
    places = graph.add("MatMul", graph.reshape(x, -1, channels), _f32(arrays["projection"]))
    positions = head.input_width // channels
    placed = graph.reshape(places, -1, positions, k)
    found = {}
    for number, mean, whitening in zip(
        arrays["present"].tolist(), arrays["mean"], arrays["whitening"], strict=True
    ):
        centred = graph.add("Transpose", graph.add("Sub", placed, _f32(mean)), perm=[1, 0, 2])
        white = graph.add("MatMul", centred, _f32(whitening.transpose(0, 2, 1)))
        total = graph.reduce("Sum", graph.add("Mul", white, white), 0, 2)
        mean_of = graph.add("Max", graph.add("Mul", total, _f32(1 / positions)), _LEAST_DISTANCE)
        distance = graph.add("Unsqueeze", graph.add("Log", mean_of), np.array([1]))
        found[number] = distance if columns == 1 else graph.add("Neg", distance)
    absent = graph.add("Sub", _zeros(graph, x), np.float32(1e3))
    near = [found.get(number, absent) for number in range(columns)]
    decisions = near[0] if columns == 1 else graph.add("Concat", *near, axis=1)
    return probabilities(
        graph, _affine(graph, decisions, arrays["slope"], arrays["offset"]), columns
    )


def _ensemble(graph: Graph, head: Head, x: str) -> str:
    assert isinstance(head, EnsembleHead)
    logs = [
        graph.add("Log", graph.add("Max", write_head(graph, member, x), _LEAST_PROBABILITY))
        for member in head._trained
    ]
    total = logs[0]
    for more in logs[1:]:
        total = graph.add("Add", total, more)
    mean = graph.add("Mul", total, _f32(1 / len(logs)))
    return graph.add("Softmax", mean, axis=1)


def _majority(graph: Graph, head: Head, x: str) -> str:
    return graph.add("Add", _zeros(graph, x), _f32(head._arrays()["shares"])[None])


WRITERS: dict[str, Writer] = {
    "dense": _dense,
    "logistic": _linear,
    "ridge": _linear,
    "linear-svm": _linear,
    "lda": _linear,
    "rbf-svm": _rbf_svm,
    "knn": _knn,
    "forest": _forest,
    "boosting": _boosting,
    "novelty": _novelty,
    "ensemble": _ensemble,
    "majority": _majority,
}
"""By the name of the head."""
