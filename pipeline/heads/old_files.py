"""Heads as versions before 0.3 wrote them, read as the plain arrays that they are kept as now.

These versions kept estimators as skops files: a description of objects (schema.json) and their
arrays. Nothing here builds an object of it: arrays are taken out by their names, and go through the
same checks as those of today. What is not found is a model to be fitted again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from features.backbones.weight_files import read_layers, read_network
from features.errors import BundleError
from features.untrusted_files import open_archive, read_array, read_bytes, read_json
from pipeline.heads.files import Arrays

Found = dict[str, npt.NDArray[Any]]

_NETWORK = "head.keras"
_ESTIMATOR = "head.skops"
_ESTIMATORS = {
    **dict.fromkeys(("logistic", "ridge", "linear-svm", "lda"), "LogisticRegression"),
    "knn": "KNeighborsClassifier",
    "forest": "RandomForestClassifier",
    "boosting": "GradientBoostingClassifier",
    "majority": "DummyClassifier",
}


def load_old_arrays(folder: Path, head: str, record: Mapping[str, Any]) -> Arrays:
    """Read a head of an earlier version.

    Args:
        folder: where it is.
        head: its name in the registry.
        record: its settings.json.

    Raises:
        BundleError: a file is missing or damaged, or holds something that no head wrote.
    """
    try:
        return Arrays(_found(folder, head, record), folder)
    except (
        OSError, ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError,
        OverflowError, BadZipFile,
    ) as error:  # fmt: skip
        raise BundleError(
            f"{folder} cannot be read as a head {head!r} of an earlier version ({error!r}); fit "
            "the model again"
        ) from error


def read_weights(path: Path, allowed: frozenset[str]) -> dict[str, list[Any]]:
    """Give the weights in a .keras file, layer by layer; Keras itself never opens it.

    Its HDF5 part is parsed in a process of its own; see `read_layers`. The file's own description
    is run nowhere. It must still name no other Keras layers than `allowed`, or the file is not one
    of ours.

    Raises:
        BundleError: it is missing or damaged, names other layers, or claims more than it holds.
    """
    try:
        content = read_bytes(path)
        with open_archive(content) as archive:
            description = json.loads(archive.read("config.json"))
        layers = description["config"]["layers"]
        kinds = [(str(layer["class_name"]), str(layer["module"])) for layer in layers]
        found = read_layers(read_network(content))
    except (OSError, ValueError, KeyError, TypeError, RecursionError, BadZipFile) as error:
        raise BundleError(
            f"{path} cannot be read ({error!r}); expected a Keras model; train it again"
        ) from error
    for kind, module in kinds:
        if kind not in allowed or module != "keras.layers":
            raise BundleError(
                f"{path} has a layer {module}.{kind}; such a network has only "
                f"{', '.join(sorted(allowed))}; do not use this model"
            )
    return found


def _found(folder: Path, head: str, record: Mapping[str, Any]) -> Found:
    if head == "ensemble":
        found: Found = {}
        for member in ("rbf-svm", "novelty"):
            own = _found(folder / member, member, read_json(folder / member / "settings.json"))
            found |= {f"{member}.{name}": array for name, array in own.items()}
        return found
    if head == "dense":
        layers = read_weights(folder / _NETWORK, frozenset({"InputLayer", "Dense", "Dropout"}))
        return {
            f"{layer}.{name}": np.asarray(array)
            for layer, arrays in layers.items()
            for name, array in zip(("kernel", "bias"), arrays, strict=False)
        }
    found = {path.stem: read_array(read_bytes(path)) for path in sorted(folder.glob("*.npy"))}
    if head in _ESTIMATORS:
        estimator = _read_skops(folder / _ESTIMATOR, _ESTIMATORS[head])
        made: Callable[[dict[str, Any]], Found] = {
            "knn": _neighbours, "forest": _forest, "boosting": _boosting, "majority": _majority,
        }.get(head, _linear)  # fmt: skip
        found |= made(estimator | {"n_classes": int(record["n_classes"])})
    more = record["more"]
    if "scale" in more:
        found["scale"] = np.array(float(more["scale"]))
    if head == "rbf-svm":
        found["gamma"] = np.array(float(record["chosen"]["gamma"]))
    if head == "knn":
        found["floor"] = np.array(0.0)
    if head == "novelty":
        found["present"] = np.flatnonzero([flag == "1" for flag in more["present"]])
    return found


def _linear(estimator: dict[str, Any]) -> Found:
    return {"coefficients": estimator["coef_"], "intercepts": estimator["intercept_"]}


def _neighbours(estimator: dict[str, Any]) -> Found:
    # The last coordinate is 0: it stood for a new row's distance from the span of these.
    labels = estimator["classes_"].astype(np.int64)[estimator["_y"].astype(np.int64)]
    return {"anchors": estimator["_fit_X"][:, :-1], "labels": labels}


def _majority(estimator: dict[str, Any]) -> Found:
    shares = np.zeros(estimator["n_classes"])
    shares[estimator["classes_"]] = estimator["class_prior_"]
    return {"shares": shares}


def _forest(estimator: dict[str, Any]) -> Found:
    return _trees(estimator["estimators_"]) | {"present": estimator["classes_"]}


def _boosting(estimator: dict[str, Any]) -> Found:
    rows = [row if isinstance(row, list) else [row] for row in estimator["estimators_"]]
    trees = _trees([tree for row in rows for tree in row])
    trees["values"] = trees["values"] * float(estimator["learning_rate"])
    initial = log_odds(estimator["init_"]["class_prior_"])
    return trees | {"present": estimator["classes_"], "initial": initial}


def log_odds(shares: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Compute where boosting starts: log-odds (1,) of two classes, or centred logarithms (k,)."""
    least = float(np.finfo(np.float32).eps)
    clipped = np.clip(shares.astype(np.float64), least, 1 - least)
    if len(clipped) == 2:
        return np.log(clipped[1:] / (1 - clipped[1:]))
    logs = np.log(clipped)
    found: npt.NDArray[Any] = logs - logs.mean()
    return found


def _trees(estimators: list[dict[str, Any]]) -> Found:
    return join_trees(
        [(estimator["tree_"]["nodes"], estimator["tree_"]["values"]) for estimator in estimators]
    )


def join_trees(trees: list[tuple[npt.NDArray[Any], npt.NDArray[Any]]]) -> Found:
    """Put scikit-learn's trees one behind the other, nodes numbered through.

    Args:
        trees: of each, the structured array of its nodes and its values (nodes, 1, outputs).

    Returns:
        "starts" (trees + 1,), "left", "right" and "feature" (nodes,) int64, "threshold" (nodes,)
        and "values" (nodes, outputs) float64; -1 for the children and the feature of a leaf.
    """
    starts = np.cumsum([0, *(len(nodes) for nodes, _ in trees)])
    found: Found = {"starts": starts}
    for name, field in (("left", "left_child"), ("right", "right_child")):
        found[name] = np.concatenate(
            [
                np.where(nodes[field] == -1, -1, nodes[field].astype(np.int64) + start)
                for (nodes, _), start in zip(trees, starts[:-1], strict=True)
            ]
        )
    # -2 stands there in leaves.
    features = np.concatenate([nodes["feature"].astype(np.int64) for nodes, _ in trees])
    found["feature"] = np.where(found["left"] == -1, -1, features)
    thresholds = np.concatenate([nodes["threshold"].astype(np.float64) for nodes, _ in trees])
    found["threshold"] = np.where(found["left"] == -1, 0.0, thresholds)
    found["values"] = np.concatenate([values[:, 0, :] for _, values in trees])
    return found


def _read_skops(path: Path, kind: str) -> dict[str, Any]:
    """Read the estimator in a skops file as plain lists, dicts, numbers and arrays.

    Raises:
        ValueError: it holds another class.
        KeyError, TypeError, AttributeError, BadZipFile: it is no such file.
    """
    with open_archive(read_bytes(path)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    schema = json.loads(parts["schema.json"])
    if schema["__class__"] != kind or not str(schema["__module__"]).startswith("sklearn."):
        raise ValueError(f"a {schema['__module__']}.{schema['__class__']}; expected a {kind}")
    attributes: dict[str, Any] = _plain(schema, parts)
    return attributes


def _plain(node: Any, parts: Mapping[str, bytes]) -> Any:  # noqa: ANN401 - whatever it holds
    """Give what a node holds; None for a kind of node that no number is taken from."""
    loader, content = node["__loader__"], node.get("content")
    if loader == "JsonNode":
        return json.loads(content)
    if loader == "NdArrayNode" and node.get("type") == "numpy":
        return read_array(parts[node["file"]])
    if loader in ("ListNode", "TupleNode", "NdArrayNode"):
        return [_plain(part, parts) for part in content]
    if loader == "DictNode":
        return {name: _plain(part, parts) for name, part in content.items()}
    if loader in ("ObjectNode", "TreeNode"):
        return _plain(content, parts)
    return None
