"""Tell pictures that are no photographs: masks, drawings, and copies as PNG beside a JPEG."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from features.errors import DataError
from pipeline.data.class_level import WRAPPERS
from pipeline.data.class_words import is_defective, is_healthy, split_of
from pipeline.data.named_classes import Parts
from pipeline.output.names import name_key, typed

_MASKS = frozenset({
    "masks", "mask", "segmentation", "segmentations", "segmentationclass", "semantic",
})  # fmt: skip
_MASKS_BESIDE_IMAGES = frozenset({
    "labels", "label", "annotations", "annotation", "gt", "depth", "xyz", "disparity",
})  # fmt: skip
_DRAWN = frozenset({
    "overlay", "overlays", "heatmap", "heatmaps", "annotated", "thumbs", "thumbnail", "thumbnails",
    "preview", "previews", "visualization", "visualizations", "visualisation", "visualisations",
})  # fmt: skip
_WEARING = frozenset({"with", "without", "no"})  # of people with and without masks
_SURELY_MASKS = frozenset({"groundtruth", "gtmasks"})
_MASK_END = re.compile(r"[-_ .](masks?|gt|seg|label|ground[-_ ]?truth)\Z", re.IGNORECASE)


def find_masks(paths: Sequence[Parts], meant: frozenset[str]) -> set[int]:
    """Find the numbers of pictures that are masks, by the names of folders and files.

    Raises:
        DataError: a folder called masks stands where classes stand, and nobody called it one.
    """
    folders = {parts[:at] for parts in paths for at in range(1, len(parts))}
    direct = {parts[:-1] for parts in paths}
    children: dict[Parts, set[str]] = {}
    for folder in folders:
        children.setdefault(folder[:-1], set()).add(name_key(folder[-1]))
    verdicts = {f[:-1] for f in folders if is_healthy(f[-1]) or is_defective(f[-1])}
    above = Counter(f[:-1] for f in verdicts)
    alone = {f for f in verdicts if f and above[f[:-1]] == 1}  # classes in it, and in none beside
    of_masks = {f for f in folders if _folder_of_masks(f, children[f[:-1]], direct, meant, alone)}
    named = {(*parts[:-1], _stem(parts[-1]).casefold()) for parts in paths}
    as_jpeg = {
        (*parts[:-1], _stem(parts[-1]).casefold())
        for parts in paths
        if parts[-1].lower().endswith((".jpg", ".jpeg"))
    }
    return {
        number
        for number, parts in enumerate(paths)
        if any(parts[:at] in of_masks for at in range(1, len(parts)))
        or _file_of_mask(parts, named, as_jpeg)
    }


def _file_of_mask(parts: Parts, named: set[Parts], as_jpeg: set[Parts]) -> bool:
    """Say whether a file is called as the mask of a photograph beside it, or as a JPEG's PNG."""
    stem = _stem(parts[-1]).casefold()
    base = _MASK_END.sub("", stem)
    if base != stem and any((*above, base) in named for above in {parts[:-1], parts[:-2]}):
        return True
    return parts[-1].lower().endswith(".png") and (*parts[:-1], stem) in as_jpeg


def surely_mask(parts: Parts) -> bool:
    """Say whether a picture lies in a folder of masks alone, such as MVTec's ground_truth."""
    return any(_letters(name) in _SURELY_MASKS for name in parts[:-1])


def _folder_of_masks(
    folder: Parts,
    siblings: set[str],
    direct: set[Parts],
    meant: frozenset[str],
    alone: set[Parts],
) -> bool:
    name = name_key(folder[-1])
    if name in meant:
        return False
    if _letters(name) in _SURELY_MASKS:
        return True
    made = _MASKS | _MASKS_BESIDE_IMAGES | _DRAWN
    words = set(re.findall(r"[^\W\d_]+", name))
    if not (words & _MASKS or name in made):
        return False  # before the others are looked through: a part may have a folder of its own
    others = siblings - {name}
    beside = folder[:-1] in direct or bool(others & WRAPPERS)
    if beside and not (name in made - _MASKS and folder in alone):
        return name in made
    if not others or words & _WEARING:
        return False
    if meant or (all(map(split_of, words - made)) and any(map(split_of, others))):
        return True  # the classes were named, and it is none of them
    what = "masks" if words & _MASKS else "pictures made of photographs"
    raise DataError(
        f"found a folder {'/'.join(folder)} beside {', '.join(sorted(others))}; {what} are no "
        "photographs of a class; say which folders are classes: --classes "
        f"{typed(*sorted(others))}, or name it among them"
    )


def _letters(name: str) -> str:
    return "".join(character for character in name_key(name) if character.isalnum())


def _stem(name: str) -> str:
    return name.rpartition(".")[0]
