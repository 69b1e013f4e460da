"""The write-up's convolutional networks and its augmentation, untrained.

base: three times convolution (3×3; 32, 32, 64 filters) and max pooling (2×2), dense 64,
dropout 0.5, then sigmoid (softmax for more classes). dropout: two hidden dense layers of 64,
dropout 0.5 after each. augmented: the base network on photographs that are turned, sheared, moved,
zoomed and mirrored at random while it trains. Cross-entropy, RMSprop, the last epoch's weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from features.runtime import load_tensorflow

FILTERS = (32, 32, 64)
ROTATION = 40.0  # degrees, either way
SHEAR = 0.2  # share of the side by which the edges slide, either way
SHIFT = 0.2  # of the side, either way
ZOOM = 0.2  # of the size, in or out
DROPOUT = 0.5
HIDDEN = 64  # width of the hidden dense layers
LAYERS = frozenset({"InputLayer", "Conv2D", "MaxPooling2D", "Flatten", "Dense", "Dropout"})
"""All kinds of layers that these networks have."""


@dataclass(frozen=True)
class Variant:
    """One of the write-up's networks.

    Attributes:
        title: as shown in tables.
        hidden: widths of the hidden dense layers, dropout after each.
        augmented: whether the training photographs are changed at random.
    """

    title: str
    hidden: tuple[int, ...]
    augmented: bool = False


VARIANTS = {
    "base": Variant("CNN from scratch", (HIDDEN,)),
    "dropout": Variant("CNN, more dropout", (HIDDEN, HIDDEN)),
    "augmented": Variant("CNN, augmentation", (HIDDEN,), augmented=True),
}


def build_network(variant: Variant, shape: tuple[int, int, int], n_classes: int) -> Any:  # noqa: ANN401 - Keras has no types
    """Give the untrained network; 2,797,665 parameters for base, 224×224×3 and two classes."""
    load_tensorflow()
    import keras

    inputs = keras.Input(shape, name="pixels")
    values = inputs
    for number, filters in enumerate(FILTERS, start=1):
        values = keras.layers.Conv2D(filters, 3, activation="relu", name=f"conv_{number}")(values)
        values = keras.layers.MaxPooling2D(2, name=f"pool_{number}")(values)
    values = keras.layers.Flatten(name="flatten")(values)
    for number, units in enumerate(variant.hidden, start=1):
        values = keras.layers.Dense(units, activation="relu", name=f"dense_{number}")(values)
        values = keras.layers.Dropout(DROPOUT, name=f"dropout_{number}")(values)
    binary = n_classes == 2
    outputs = keras.layers.Dense(
        1 if binary else n_classes, activation="sigmoid" if binary else "softmax", name="output"
    )(values)
    return keras.Model(inputs, outputs, name="cnn")


def weight_shapes(
    variant: Variant, shape: tuple[int, int, int], n_classes: int
) -> dict[str, tuple[tuple[int, ...], tuple[int, ...]]]:
    """Give the shapes of such a network's weights, without building it.

    Args:
        variant: one of VARIANTS.
        shape: height, width and channels of its photographs.
        n_classes: number of classes.

    Returns:
        Layer name -> shapes of its kernel and its bias, in the network's order.

    Example:
        >>> weight_shapes(VARIANTS["base"], (224, 224, 3), 2)["dense_1"]
        ((43264, 64), (64,))
    """
    height, width, before = shape
    found: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {}
    for number, filters in enumerate(FILTERS, start=1):
        found[f"conv_{number}"] = ((3, 3, before, filters), (filters,))
        height, width, before = (height - 2) // 2, (width - 2) // 2, filters
    before *= height * width
    for number, units in enumerate(variant.hidden, start=1):
        found[f"dense_{number}"] = ((before, units), (units,))
        before = units
    last = 1 if n_classes == 2 else n_classes
    return found | {"output": ((before, last), (last,))}


def build_augmentation(seed: int) -> Any:  # noqa: ANN401 - Keras has no types
    """Build layers: rotation to 40°, shear to 0.2, shift and zoom to 20 %, mirroring.

    The write-up gives no ranges; these are the usual ones. What moves in
    from outside repeats the edge, and every epoch draws anew. Batches of float32
    (b, height, width, 3) in and out.
    """
    load_tensorflow()
    import keras

    edge = {"fill_mode": "nearest"}
    layers = (
        keras.layers.RandomRotation(ROTATION / 360, **edge, seed=seed),
        keras.layers.RandomShear(SHEAR, SHEAR, **edge, seed=seed + 1),
        keras.layers.RandomTranslation(SHIFT, SHIFT, **edge, seed=seed + 2),
        keras.layers.RandomZoom(ZOOM, ZOOM, **edge, seed=seed + 3),
        keras.layers.RandomFlip("horizontal", seed=seed + 4),
    )

    def augment(batch: Any) -> Any:  # noqa: ANN401 - tensors
        """Distort a batch."""
        for layer in layers:
            batch = layer(batch, training=True)
        return batch

    return augment
