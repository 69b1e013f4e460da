"""The write-up's baselines: a convolutional network trained from scratch on pixels."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from features.arrays import Floats, Indices, Pixels
from features.errors import BundleError, DataError, HeadError
from features.files import write_whole
from features.photographs.recipe import Recipe, recorded_recipe
from features.runtime import load_tensorflow, seed_everything
from features.untrusted_files import read_json
from pipeline.cnn.cnn_network import (
    LAYERS,
    VARIANTS,
    build_augmentation,
    build_network,
    weight_shapes,
)
from pipeline.cnn.photograph_batches import Batches
from pipeline.heads.base import EpochProgress
from pipeline.heads.files import ARRAYS_FILE, Arrays, load_arrays, save_arrays
from pipeline.heads.old_files import read_weights

_OLD_FILE, _SETTINGS_FILE = "cnn.keras", "settings.json"
_BATCH = 32  # photographs per call when predicting
_SMALLEST = 22  # pixels: three convolutions and poolings leave one value of a side


class Cnn:
    """A network on pixels, with the same face to bundles as a head on rows.

    Attributes:
        variant: a name of VARIANTS.
        recipe: file to pixels; its size is the network's.
        title: as shown in tables.
        chosen: the settings in force.
        history: after `fit`, per epoch: epoch, loss, accuracy, and val_loss and val_accuracy
            where there is a validation side.
    """

    name: ClassVar[str] = "cnn"

    def __init__(
        self,
        variant: str,
        recipe: Recipe,
        n_classes: int,
        *,
        seed: int = 0,
        epochs: int = 30,
        batch_size: int = 32,
    ) -> None:
        """Make an untrained network.

        Raises:
            DataError: no such variant, or the recipe's photographs are too small.
        """
        if variant not in VARIANTS:
            known = ", ".join(VARIANTS)
            raise DataError(f"unknown variant {variant!r}; expected one of {known}")
        if min(recipe.height, recipe.width) < _SMALLEST:
            raise DataError(
                f"recipe {recipe.name!r} makes {recipe.width}×{recipe.height} pixels; expected "
                f"{_SMALLEST} or more on each side; use another recipe"
            )
        self.variant, self.recipe, self.n_classes, self.seed = variant, recipe, n_classes, seed
        self.title = VARIANTS[variant].title
        self.chosen: dict[str, str | int | float] = {
            "variant": variant, "epochs": epochs, "batch_size": batch_size,
        }  # fmt: skip
        self.history: list[dict[str, float]] | None = None
        self._network: Any = None

    def fit(
        self,
        files: Sequence[Path],
        y: Indices,
        *,
        validation: tuple[Sequence[Path], Indices] | None = None,
        progress: EpochProgress | None = None,
    ) -> Self:
        """Train on photographs that stream from the disk.

        Args:
            files: readable photographs.
            y: int64 (len(files),) class numbers.
            validation: files and class numbers that are scored after each epoch, for the curves;
                nothing is chosen on them.
            progress: called as `progress(epoch, epochs, scores)`.

        Raises:
            HeadError: one class only, or the loss is no longer a number.
            DataError: a photograph can no longer be read.
        """
        if len(np.unique(y)) < 2:
            raise HeadError(
                f"the {len(y)} photographs to train on are all of one class; expected two or more"
            )
        tf = load_tensorflow()
        seed_everything(self.seed)
        self._network = build_network(VARIANTS[self.variant], self._shape(), self.n_classes)
        self._compile()
        augment = build_augmentation(self.seed) if VARIANTS[self.variant].augmented else None
        size = int(self.chosen["batch_size"])
        train = Batches(
            files, y, self.recipe, size, shuffle_seed=self.seed, augment=augment
        )  # fmt: skip
        held_out = Batches(*validation, self.recipe, size) if validation else None
        try:
            self._epochs(train, held_out, progress)
        except tf.errors.OpError:
            for batches in (train, held_out):
                if batches is not None and batches.failure is not None:
                    raise batches.failure from None
            raise
        return self

    def _shape(self) -> tuple[int, int, int]:
        return self.recipe.height, self.recipe.width, 3

    def _compile(self) -> None:
        import keras

        binary = self.n_classes == 2
        self._network.compile(
            optimizer=keras.optimizers.RMSprop(),
            loss="binary_crossentropy" if binary else "sparse_categorical_crossentropy",
            metrics=["accuracy"],
            jit_compile=False,  # compiling costs more than it saves on a processor
        )

    def _epochs(
        self, train: Batches, held_out: Batches | None, progress: EpochProgress | None
    ) -> None:
        import keras

        epochs = int(self.chosen["epochs"])
        self.history = history = []

        def finished(epoch: int, logs: dict[str, float]) -> None:
            """Keep an epoch's scores; a loss that is no number ends the training."""
            scores = {"epoch": epoch + 1.0} | {name: float(value) for name, value in logs.items()}
            if not np.isfinite(scores["loss"]):
                raise HeadError(
                    "the loss of the CNN is no longer a number; expected it to fall; check the "
                    "photographs, or use another --seed"
                )
            history.append(scores)
            if progress is not None:
                progress(epoch + 1, epochs, scores)

        self._network.fit(
            train.dataset,
            validation_data=held_out.dataset if held_out else None,
            epochs=epochs,
            shuffle=False,  # the stream shuffles
            verbose=0,
            callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=finished)],
        )

    def predict_proba(self, pixels: Pixels) -> Floats:
        """Predict probabilities float64 (n, n_classes) of uint8 pixels (n, height, width, 3)."""
        factor, offset = (np.asarray(part, np.float32) for part in self.recipe.scale)
        blocks = [np.empty((0, 1 if self.n_classes == 2 else self.n_classes))]
        for start in range(0, len(pixels), _BATCH):
            block = pixels[start : start + _BATCH].astype(np.float32) * factor
            given = self._network(block + offset, training=False)
            blocks.append(np.asarray(given, np.float64))
        found: Floats = np.concatenate(blocks)
        if self.n_classes == 2:
            return np.column_stack([1 - found[:, 0], found[:, 0]])
        total: Floats = found.sum(axis=1, keepdims=True)
        return found / total

    def save(self, folder: Path) -> None:
        """Write settings.json and head.safetensors into a folder that is there.

        Raises:
            OutputError: the folder cannot be written.
        """
        weights = {layer.name: layer.get_weights() for layer in self._network.layers}
        named = {
            f"{layer}.{name}": array
            for layer, arrays in weights.items()
            for name, array in zip(("kernel", "bias"), arrays, strict=False)
        }
        save_arrays(folder, named)
        record = {
            "head": self.name,
            "seed": self.seed,
            "n_classes": self.n_classes,
            "recipe": self.recipe.fields(),
            **self.chosen,
        }
        write_whole(folder / _SETTINGS_FILE, json.dumps(record, indent=2))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote: the network is built here, only its weights are read.

        Raises:
            BundleError: a file is missing, damaged, or of another version's recipe.
        """
        path = folder / _SETTINGS_FILE
        try:
            record = read_json(path)
            recipe = recorded_recipe(record["recipe"])
            if recipe is None:
                raise BundleError(
                    f"{path} was made with a recipe ({record['recipe'].get('name')!r}) that this "
                    "version does not have; use the version that made it, or train again"
                )
            cnn = cls(
                str(record["variant"]),
                recipe,
                int(record["n_classes"]),
                seed=int(record["seed"]),
                epochs=int(record["epochs"]),
                batch_size=int(record["batch_size"]),
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError, DataError) as error:
            raise BundleError(
                f"{path} cannot be used ({error!r}); expected the settings of a CNN; train it again"
            ) from error
        arrays = load_arrays(folder) if (folder / ARRAYS_FILE).exists() else _old_arrays(folder)
        variant, shape = VARIANTS[cnn.variant], cnn._shape()
        # All is held to its shape before a network of these settings takes memory.
        kept = {
            layer: [arrays.floats(f"{layer}.kernel", kernel), arrays.floats(f"{layer}.bias", bias)]
            for layer, (kernel, bias) in weight_shapes(variant, shape, cnn.n_classes).items()
        }
        cnn._network = build_network(variant, shape, cnn.n_classes)
        for layer, weights in kept.items():
            cnn._network.get_layer(layer).set_weights(weights)
        return cnn


def _old_arrays(folder: Path) -> Arrays:
    """Read the weights of a CNN as versions before 0.3 wrote it, in a .keras file."""
    path = folder / _OLD_FILE
    named = {
        f"{layer}.{name}": np.asarray(array)
        for layer, arrays in read_weights(path, LAYERS).items()
        for name, array in zip(("kernel", "bias"), arrays, strict=False)
    }
    return Arrays(named, path)
