"""Tell by one number whether rows are comparable, and in words where they are not."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

_SAID = {"taps": "layers", "crops": "views", "map": "of the map"}
"""What a person calls a field; others are called as they are."""


def fingerprint_of(fields: dict[str, Any]) -> str:
    """Compute the SHA-256 (hex) of the fields as JSON with sorted keys and no spaces."""
    text = json.dumps(fields, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def differences(
    found: Mapping[str, Any],
    wanted: Mapping[str, Any],
    first: str = "in the cache",
    second: str = "asked for",
) -> str:
    """Give the fields in which two fingerprints differ, side by side on one line.

    Of two backbones these alone: sizes, weights and layers follow from them.

    Args:
        found: fields as `BackboneSettings.fields` gives them.
        wanted: other ones.
        first: where those found stand, in words.
        second: where the others do.
    """
    names = sorted(name for name in {*found, *wanted} if found.get(name) != wanted.get(name))
    if "backbone" in names:
        names = ["backbone"]
    return "; ".join(
        f"{_SAID.get(name, name)} {mine} {first}, {yours} {second}"
        for name in names
        for mine, yours in [_sides(found.get(name), wanted.get(name))]
    )


def _sides(mine: object, yours: object) -> tuple[str, str]:
    """Write two values that differ; of two mappings their names, or else what differs in them."""
    if isinstance(mine, dict) and isinstance(yours, dict):
        if mine.get("name") != yours.get("name"):
            return str(mine.get("name")), str(yours.get("name"))
        keys = [key for key in sorted({*mine, *yours}) if mine.get(key) != yours.get(key)]
        mine, yours = ({key: one.get(key) for key in keys} for one in (mine, yours))
    return _words(mine), _words(yours)


def _words(value: object) -> str:
    """Write a value for a person; of a digest its beginning."""
    if isinstance(value, dict):
        return ", ".join(_words(one) if key == "sets" else f"{key} {_words(one)}"
                         for key, one in value.items() if key != "taps")  # fmt: skip
    if isinstance(value, list | tuple):
        return ", ".join(map(_words, value))
    text = "none" if value is None else str(value)
    return text[:12] + "…" if len(text) == 64 else text
