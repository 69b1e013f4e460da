"""Say what is looked at of every photograph, and what of that is kept in its row.

A row begins with the backbone's last map of the whole photograph. A closer look keeps intermediate
layers of the whole photograph behind it, and of crops nothing but intermediate layers: a crop's map
would take fourteen times as much space as what heads make of it.

    plain                       the map of the whole photograph alone
    close                       the views and layers that the backbone's registry entry names
    full+five:mixed7-max+mixed8 these views, these layers of each
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from features.arrays import Array, Rows
from features.errors import DataError
from features.photographs.views import FULL, views_of

PLAIN, CLOSE = "plain", "close"

POOLED = ("avg", "max")
"""What a slim row may keep in the place of the last map: each channel's mean over the positions,
and its largest value; in this order."""


class Crops(NamedTuple):
    """Parts of every photograph of which a row keeps intermediate layers.

    Attributes:
        sets: names of view sets, "full" not among them.
        taps: names of layers, as in `BackboneSettings.taps`.
    """

    sets: tuple[str, ...] = ()
    taps: tuple[str, ...] = ()

    @property
    def views(self) -> tuple[str, ...]:
        """Name the crops, each once, in the order in which they stand in a row."""
        return tuple(dict.fromkeys(view for name in self.sets for view in views_of(name)))

    def to_fields(self) -> dict[str, Any]:
        """Give what stands of it in a fingerprint; nothing where there are no crops."""
        return {"crops": {"sets": list(self.sets), "taps": list(self.taps)}} if self.sets else {}

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> Crops:
        """Read those of a fingerprint's fields.

        Raises:
            DataError: they are no crops of this version.
        """
        found = fields.get("crops")
        if found is None:
            return cls()
        try:
            crops = cls(tuple(map(str, found["sets"])), tuple(map(str, found["taps"])))
            sound = bool(crops.sets and crops.taps and crops.views) and FULL not in crops.sets
        except (KeyError, TypeError, DataError):
            sound = False
        if not sound:
            raise DataError(
                f"the cache notes the crops {found!r}; expected view sets and layers that this "
                "version has; extract into another --cache"
            )
        return crops


NO_CROPS = Crops()


class Kept(NamedTuple):
    """Hold what a slim cache keeps of every photograph: what some feature specs read, and no more.

    The mean of the last map is always kept: proposed groups are made of it, and a model tells by it
    what is unlike all that it was trained on.

    Attributes:
        specs: texts of the feature specs.
        pooled: some of POOLED; none where a spec reads the whole map, which is kept then.
        taps: layers of the whole photograph.
        crops: parts of it of which layers stand in its row.
        views: view sets with rows of their own, "full" first.
    """

    specs: tuple[str, ...]
    pooled: tuple[str, ...] = POOLED[:1]
    taps: tuple[str, ...] = ()
    crops: Crops = NO_CROPS
    views: tuple[str, ...] = (FULL,)


def pooled_of(fields: Mapping[str, Any]) -> tuple[str, ...]:
    """Say what the rows of a fingerprint's fields keep in the place of the last map.

    Returns:
        Some of POOLED; none where they keep the map as it is.

    Raises:
        DataError: something that this version does not have.
    """
    found = fields.get("map", [])
    if not isinstance(found, list) or list(found) != [name for name in POOLED if name in found]:
        raise DataError(
            f"the cache notes {found!r} in the place of the last map; expected some of "
            f"{', '.join(POOLED)}; extract into another --cache"
        )
    return tuple(found)


def pool_map(maps: Array, pooled: Iterable[str]) -> Rows:
    """Pool the last map of photographs over its positions.

    Args:
        maps: float32 (n, positions, channels).
        pooled: some of POOLED.

    Returns:
        float32 (n, channels × poolings), side by side.
    """
    found = [maps.mean(axis=1) if name == "avg" else maps.max(axis=1) for name in pooled]
    return found[0] if len(found) == 1 else np.concatenate(found, axis=1)


class Look(NamedTuple):
    """A look at every photograph.

    Attributes:
        taps: layers that are kept of the whole photograph.
        crops: what is kept of its parts.
        pooled: what is kept in the place of the last map; none for the map as it is.
    """

    taps: tuple[str, ...] = ()
    crops: Crops = NO_CROPS
    pooled: tuple[str, ...] = ()

    @property
    def images(self) -> int:
        """Say how many pictures the backbone sees of a photograph."""
        return 1 + len(self.crops.views)

    def __str__(self) -> str:
        """Give the text that `parse_look` reads; behind it what is kept of the map, if not all."""
        slim = f", the {' and '.join(self.pooled)} of the last map alone" if self.pooled else ""
        return self._text() + slim

    def _text(self) -> str:
        if not self.taps and not self.crops.sets:
            return PLAIN
        names = [*([FULL] if self.taps else []), *self.crops.sets]
        return f"{'+'.join(names)}:{'+'.join(self.taps or self.crops.taps)}"


def parse_look(text: str, close: str, check: Callable[[Iterable[str]], tuple[str, ...]]) -> Look:
    """Read what `extract --look` takes.

    Args:
        text: "plain", "close", or VIEWS:LAYERS with + between several.
        close: what "close" stands for with this backbone; "plain" where nothing is known to help.
        check: gives names of layers in the order of the network; raises DataError.

    Raises:
        DataError: it is not understood.

    Example:
        >>> parse_look("full+five:mixed8", "plain", tuple).crops
        Crops(sets=('five',), taps=('mixed8',))
    """
    text = close if text == CLOSE else text
    if text == PLAIN:
        return Look()
    views, _, layers = text.rpartition(":")
    sets = [name.strip() for name in views.split("+") if name.strip()]
    names = [name.strip() for name in layers.split("+") if name.strip()]
    if not sets or not names:
        raise DataError(
            f"found --look {text!r}; expected {PLAIN}, {CLOSE}, or views and layers such as "
            "full+five:mixed7-max+mixed8"
        )
    for name in sets:
        views_of(name)
    taps = check(names)
    others = tuple(dict.fromkeys(name for name in sets if name != FULL))
    return Look(taps if FULL in sets else (), Crops(others, taps if others else ()))
