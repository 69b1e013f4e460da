"""Settings that differ are said in words that a person knows."""

from __future__ import annotations

from features.fingerprint import differences, fingerprint_of

CLOSE = {
    "backbone": "inception_v3",
    "precision": "float32",
    "recipe": {"name": "imagenet", "large": [299, 299]},
    "weights": "d3" * 32,
    "taps": ["mixed5-max", "mixed8"],
    "crops": {"sets": ["large", "crops"], "taps": ["mixed5-max", "mixed8"]},
}
PLAIN = {
    "backbone": "inception_v3",
    "precision": "float32",
    "recipe": {"name": "imagenet"},
    "weights": "e4" * 32,
}


def test_lists_and_mappings_are_written_as_words() -> None:
    """No braces, quotes or None of Python's; each side once."""
    assert fingerprint_of(CLOSE) != fingerprint_of(PLAIN)
    assert differences(CLOSE, PLAIN) == (
        "views large, crops in the cache, none asked for; "
        "recipe large 299, 299 in the cache, large none asked for; "
        "layers mixed5-max, mixed8 in the cache, none asked for; "
        "weights d3d3d3d3d3d3… in the cache, e4e4e4e4e4e4… asked for"
    )
    assert differences({**CLOSE, "precision": "float16"}, CLOSE, "in one", "in two") == (
        "precision float16 in one, float32 in two"
    )


def test_of_two_backbones_the_rest_follows() -> None:
    """Sizes, weights and layers of another network are no news."""
    other = {**PLAIN, "backbone": "efficientnet-lite0"}
    said = "backbone inception_v3 in the cache, efficientnet-lite0 asked for"
    assert differences(CLOSE, other) == said
    assert differences({**CLOSE, "recipe": {"name": "docs"}}, {**CLOSE}) == (
        "recipe docs in the cache, imagenet asked for"
    )
