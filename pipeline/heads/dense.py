"""The write-up's dense head in Keras: three hidden layers with dropout on flattened rows."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from features.arrays import Floats, Indices, Row, Rows
from features.errors import HeadError
from features.runtime import load_tensorflow, seed_everything
from pipeline.data.lazy_rows import StoredRows, subset
from pipeline.data.splits import holdout
from pipeline.heads.base import AnyRows, EpochProgress, Head
from pipeline.heads.calibration import probabilities
from pipeline.heads.files import Arrays
from pipeline.heads.gram import gram
from pipeline.heads.row_space import RowSpace

UNITS = (64, 64, 32)
_LAYERS = (*(f"dense_{number}" for number in range(1, len(UNITS) + 1)), "output")
_BLOCK_ROWS = 256
_GRAM_COPIES = 6  # while the axes are found
_AXES_ROWS = 2000  # the axes of more are those of so many of them: memory and time stay bounded
_LAYER_COPIES = 10  # of the first weights: what Adam keeps, gradients, and those on whole rows
_PATH_STEPS = 256

Layers = list[tuple[npt.NDArray[Any], npt.NDArray[Any]]]
"""Kernel and bias of each layer."""


def build_model(
    input_width: int, n_classes: int, dropout: tuple[float, float, float], seed: int = 0
) -> Any:  # noqa: ANN401 - Keras has no types
    """Build Dense 64, dropout, Dense 64, dropout, Dense 32, dropout, then sigmoid or softmax.

    With 51,200 values in a row and two classes: 3,283,137 parameters. Every layer is told its seed.
    Keras would draw these of Python's own generator, the same ones in the same order, but other
    threads draw of it, too, as those of a cluster's worker do.
    """
    load_tensorflow()
    import keras

    generator = random.Random(seed % 2**32)  # noqa: S311 - no secret

    def drawn() -> int:
        """Draw the seed of one layer."""
        return generator.randint(1, 10**9)  # as keras.random's make_default_seed

    def dense(units: int, activation: str, name: str) -> Any:  # noqa: ANN401 - Keras has no types
        """Give a layer that starts from a seed of its own."""
        start = keras.initializers.GlorotUniform(drawn())
        return keras.layers.Dense(units, activation=activation, name=name, kernel_initializer=start)

    inputs = keras.Input((input_width,), name="row")
    values = inputs
    for number, (units, rate) in enumerate(zip(UNITS, dropout, strict=True), start=1):
        values = dense(units, "relu", f"dense_{number}")(values)
        seed_of = drawn() if rate > 0 else None
        values = keras.layers.Dropout(rate, name=f"dropout_{number}", seed=seed_of)(values)
    binary = n_classes == 2
    outputs = dense(1 if binary else n_classes, "sigmoid" if binary else "softmax", "output")(
        values
    )
    return keras.Model(inputs, outputs, name="dense_head")


class DenseHead(Head):
    """Binary cross-entropy (sparse categorical for more classes), RMSprop, on whole rows.

    With `patience` above 0, a share of the parts (`validation_fraction`) is taken out of the
    training rows, training stops when their loss has not improved for that many epochs, and the
    best weights are kept. With 0, all rows are trained on for `epochs` epochs. Rows that exceed the
    memory limit are read from the cache batch by batch, with the same result.

    What is trained sees a row along the principal axes of the training rows ("inputs" is "axes"),
    and its first layer is then turned back: what is kept is the write-up's network on whole rows.
    On 51,200 values, none of them negative, a step of RMSprop moves every weight by the learning
    rate and each unit's sum by thousands of them at once, a likely reason why scores swing; 188
    rows have 187 directions, centred and of one scale. Weights decay besides (decoupled:
    Loshchilov and Hutter, "Decoupled weight decay regularization", 2019). With "inputs" "raw",
    "learning_rate" 3e-4 and "weight_decay" 0 it is the write-up's bare head.
    """

    name = "dense"
    title = "Dense (Keras)"
    space: ClassVar[Literal["rows", "raw"]] = "raw"
    calibrate_on: ClassVar = "logit"
    defaults: ClassVar = {
        "epochs": 30,
        "batch_size": 32,
        "inputs": "axes",
        "learning_rate": 1e-3,
        "weight_decay": 10.0,
        "dropout_1": 0.3,
        "dropout_2": 0.3,
        "dropout_3": 0.3,
        "patience": 0,
        "validation_fraction": 0.2,
    }
    ranges: ClassVar = {
        "epochs": (1, 100_000),
        "batch_size": (1, 1_000_000),
        "learning_rate": (1e-9, 10.0),
        "weight_decay": (0.0, 1000.0),
        "dropout_1": (0.0, 0.95),
        "dropout_2": (0.0, 0.95),
        "dropout_3": (0.0, 0.95),
        "patience": (0, 100_000),
        "validation_fraction": (0.01, 0.9),
    }
    options: ClassVar = {"inputs": ("axes", "raw")}
    _model: Any = None  # while it is trained
    _axes: _Axes | None = None  # like it
    _kept: Layers

    @classmethod
    def bytes_beside(cls, n: int, d: int) -> int:
        """See `Head.bytes_beside`: the Gram matrix of axes' rows, the way to axes, and layers."""
        axes = min(n, _AXES_ROWS)
        layers = 4 * UNITS[0] * d * _LAYER_COPIES
        way = 4 * axes * d + 8 * axes * d if n > axes else 0  # those rows, and the projection
        return 8 * _GRAM_COPIES * axes**2 + way + 4 * n * axes + layers

    @property
    def _layers(self) -> Layers:
        """Give the layers on whole rows; while the network is trained, as they are now."""
        if self._model is None:
            return self._kept
        layers = _weights(self._model)
        if self._axes is None:
            return layers
        return [self._axes.turned_back(*layers[0]), *layers[1:]]

    def _fit(self, X: AnyRows, y: Indices, groups: Indices, progress: EpochProgress | None) -> None:
        """Train on rows; see `Head._fit`.

        Raises:
            SplitError: `patience` is above 0 and a class has too few groups to set some aside.
            HeadError: the loss is no longer a number.
        """
        train, validation = np.arange(len(y)), None
        if self.chosen["patience"]:
            share = float(self.chosen["validation_fraction"])
            train, validation = holdout(y, groups, test_size=share, seed=self.seed)
        self._axes = _Axes.of(X, self.seed) if self.chosen["inputs"] == "axes" else None
        seen = X if self._axes is None else self._axes.along(X)
        seed_everything(self.seed)
        self._model = build_model(seen.shape[1], self.n_classes, self._dropout(), self.seed)
        self._history = list(self._epochs(seen, y, train, validation, progress))
        self._kept, self._model, self._axes = self._layers, None, None

    def _dropout(self) -> tuple[float, float, float]:
        first, second, third = (float(self.chosen[f"dropout_{i}"]) for i in (1, 2, 3))
        return first, second, third

    def _epochs(
        self,
        X: AnyRows,
        y: Indices,
        train: Indices,
        validation: Indices | None,
        progress: EpochProgress | None,
    ) -> Iterator[dict[str, float]]:
        """Train epoch by epoch; what each gave."""
        epochs = int(self.chosen["epochs"])
        step, rng = self._training_step(), np.random.default_rng(self.seed)
        best, best_loss, waited = None, np.inf, 0
        for epoch in range(1, epochs + 1):
            scores = {"epoch": float(epoch)} | self._one_epoch(step, X, y, rng.permutation(train))
            if validation is not None:
                scores |= self._validate(X, y, validation)
                waited += 1
                if scores["val_loss"] < best_loss:
                    best, best_loss, waited = self._model.get_weights(), scores["val_loss"], 0
            if progress is not None:
                progress(epoch, epochs, scores)
            yield scores
            if validation is not None and waited >= int(self.chosen["patience"]):
                break
        if best is not None:
            self._model.set_weights(best)

    def _training_step(self) -> Any:  # noqa: ANN401 - a compiled TensorFlow function
        """Make the update on a batch of any size: (rows, class numbers) -> (loss, correct).

        One traced function for all batches; `Model.fit` would copy the rows into a tensor first.
        """
        tf = load_tensorflow()
        import keras

        model, binary = self._model, self.n_classes == 2
        optimizer = keras.optimizers.RMSprop(
            float(self.chosen["learning_rate"]), weight_decay=float(self.chosen["weight_decay"])
        )
        optimizer.exclude_from_weight_decay(var_names=["bias"])
        optimizer.build(model.trainable_variables)

        def step(rows: Any, classes: Any) -> tuple[Any, Any]:  # noqa: ANN401 - Keras's tensors
            """Train on one batch; give the sum of its losses, and how many were right."""
            with tf.GradientTape() as tape:
                given = model(rows, training=True)
                if binary:
                    loss = keras.losses.binary_crossentropy(classes[:, None], given)
                    called = tf.cast(given[:, 0] >= 0.5, tf.float32)
                else:
                    loss = keras.losses.sparse_categorical_crossentropy(classes, given)
                    called = tf.cast(tf.argmax(given, axis=1), tf.float32)
                mean = tf.reduce_mean(loss)
            gradients = tape.gradient(mean, model.trainable_variables)
            optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
            return tf.reduce_sum(loss), tf.reduce_sum(tf.cast(called == classes, tf.float32))

        shapes = [
            tf.TensorSpec((None, model.input_shape[1]), tf.float32),
            tf.TensorSpec((None,), tf.float32),
        ]
        return tf.function(step, input_signature=shapes)

    def _one_epoch(
        self,
        step: Any,  # noqa: ANN401 - see `_training_step`
        X: AnyRows,
        y: Indices,
        order: Indices,
    ) -> dict[str, float]:
        size = int(self.chosen["batch_size"])
        loss = correct = 0.0
        for start in range(0, len(order), size):
            batch = order[start : start + size]
            batch_loss, batch_correct = step(X[batch], y[batch].astype(np.float32))
            loss += float(batch_loss)
            correct += float(batch_correct)
        if not np.isfinite(loss):
            raise HeadError(
                "the loss of the dense head is no longer a number; expected it to fall; "
                "lower learning_rate, or check the rows"
            )
        return {"loss": loss / len(order), "accuracy": correct / len(order)}

    def _validate(self, X: AnyRows, y: Indices, rows: Indices) -> dict[str, float]:
        layers, starts = _weights(self._model), range(0, len(rows), _BLOCK_ROWS)
        blocks = [_forward(X[rows[at : at + _BLOCK_ROWS]], layers) for at in starts]
        P, truth = np.clip(np.concatenate(blocks), 1e-7, 1), y[rows]
        return {
            "val_loss": float(-np.log(P[np.arange(len(truth)), truth]).mean()),
            "val_accuracy": float((P.argmax(axis=1) == truth).mean()),
        }

    def _predict_proba(self, X: Rows) -> Floats:
        """Predict (n, n_classes) of raw rows in NumPy: asking needs no TensorFlow."""
        starts = range(0, len(X), _BLOCK_ROWS)
        return np.concatenate([_forward(X[at : at + _BLOCK_ROWS], self._layers) for at in starts])

    def slopes(self, X: Rows, baseline: Row, target: int) -> Floats:
        """Integrate gradients (Sundararajan, Taly and Yan, 2017, arXiv:1703.01365).

        The mean gradient on the straight line from the baseline, at the middles of 256 steps;
        see `Head.slopes`, whose sum it meets within 1 % of the difference of the logits.
        """
        kernel, bias = (values.astype(np.float64) for values in self._layers[0])
        start, ends = baseline @ kernel + bias, X @ kernel + bias
        share = (np.arange(_PATH_STEPS)[:, None] + 0.5) / _PATH_STEPS
        means = [
            _gradients(start + share * (end - start), self._layers[1:], target).mean(axis=0)
            for end in ends
        ]
        slopes: Floats = np.reshape(means, (len(X), -1)) @ kernel.T
        return slopes

    def _arrays(self) -> dict[str, npt.NDArray[Any]]:
        return {
            f"{layer}.{name}": array
            for layer, weights in zip(_LAYERS, self._layers, strict=True)
            for name, array in zip(("kernel", "bias"), weights, strict=True)
        }

    def _restore(self, arrays: Arrays) -> None:
        widths = [self.input_width, *UNITS, 1 if self.n_classes == 2 else self.n_classes]
        self._kept = [
            (
                arrays.floats(f"{layer}.kernel", (before, behind)),
                arrays.floats(f"{layer}.bias", (behind,)),
            )
            for layer, before, behind in zip(_LAYERS, widths[:-1], widths[1:], strict=True)
        ]


class _Axes(NamedTuple):
    """Principal axes of training rows; of many rows, of some that are drawn.

    Attributes:
        rows: float32 (m, d), those that the axes are of.
        space: theirs.
        unit: what coordinates are multiplied with, so that each is 1 in root mean square.
    """

    rows: AnyRows
    space: RowSpace
    unit: float

    @classmethod
    def of(cls, X: AnyRows, seed: int) -> _Axes:
        """Find the principal axes of rows, or of some of many."""
        rows = X
        if len(X) > _AXES_ROWS:
            chosen = np.random.default_rng(seed).choice(len(X), _AXES_ROWS, replace=False)
            rows = subset(X, np.sort(chosen))
            rows = rows.in_memory(0.5) if isinstance(rows, StoredRows) else rows
        space = RowSpace.fit(gram(rows), principal=True)
        return cls(rows, space, float(np.sqrt(space.train.coordinates.shape[1])))

    def along(self, X: AnyRows) -> Rows:
        """Compute coordinates float32 (n, axes) of rows, of all of which the axes may be."""
        if X is self.rows:
            return np.asarray(self.space.train.coordinates * self.unit, np.float32)
        mean, projection = self.space.components(self.rows)
        starts = range(0, len(X), _BLOCK_ROWS)
        blocks = [(X[at : at + _BLOCK_ROWS] - mean) @ projection for at in starts]
        return np.asarray(np.concatenate(blocks) * self.unit, np.float32)

    def turned_back(
        self, kernel: npt.NDArray[Any], bias: npt.NDArray[Any]
    ) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """Give a first layer on coordinates as one on whole rows that gives the same sums."""
        mean, whole = self.space.components(self.rows, kernel.astype(np.float64) * self.unit)
        return whole.astype(np.float32), (bias - mean @ whole).astype(np.float32)


def _weights(model: Any) -> Layers:  # noqa: ANN401 - Keras has no types
    """Give kernel and bias of each layer that has them."""
    found = [layer.get_weights() for layer in model.layers]
    return [(weights[0], weights[1]) for weights in found if weights]


def _forward(X: Rows, layers: Layers) -> Floats:
    """Compute probabilities (n, n_classes) of rows; dropout is for training alone."""
    values: npt.NDArray[Any] = X
    for kernel, bias in layers[:-1]:
        values = np.maximum(values @ kernel + bias, 0)
    kernel, bias = layers[-1]
    return probabilities(values @ kernel + bias)


def _gradients(hidden: Floats, layers: Layers, target: int) -> Floats:
    """Compute slopes of a class's logit (see `Head.slopes`) by the first sums: (m, units).

    Args:
        hidden: (m, units) sums of the first layer, before they are rectified.
        layers: kernel and bias of the layers behind it, the last one not rectified.
        target: class number.
    """
    sums = [hidden]
    for kernel, bias in layers:
        sums.append(np.maximum(sums[-1], 0) @ kernel + bias)
    outputs = sums.pop().shape[1]
    if outputs == 1:
        direction = np.array([1.0 if target == 1 else -1.0])
    else:
        direction = np.eye(outputs)[target] - 1 / outputs
    gradients: Floats = np.tile(direction, (len(hidden), 1))
    for (kernel, _), before in zip(reversed(layers), reversed(sums), strict=True):
        gradients = (gradients @ kernel.T) * (before > 0)
    return gradients
