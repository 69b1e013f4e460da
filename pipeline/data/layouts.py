"""Find the layout that a folder has: where classes, splits and masks stand in its paths."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from features.errors import DataError
from pipeline.data.class_level import (
    WRAPPERS,
    are_counted,
    check_class_level,
    contradictions,
    first_choice,
    holds_classes,
    inner_names,
    is_fold,
    joined_splits,
    names_at,
    undecided_inside,
)
from pipeline.data.class_words import TRAIN, is_collection, is_defective, is_healthy, split_of
from pipeline.data.leftovers import is_undecided, set_aside
from pipeline.data.masks import find_masks
from pipeline.data.named_classes import Parts, classes_below, is_lot, is_lot_alone, keys_of
from pipeline.output.names import merged_spellings, name_key, one_spelling, typed

_NO_CLASS = frozenset({"all", "allclasses", "images", "image"})


@dataclass
class Layout:
    """Say how the paths of a folder are read.

    Attributes:
        words: in words, such as "train, test above the classes".
        label: class of each photograph, in their order; "" for none.
        split: "train", "validation", "test", or "" where the folder has no given split.
        masks: numbers of the pictures that are no photographs, but masks of some.
        notes: what a person should know of it.
    """

    words: str
    label: list[str]
    split: list[str]
    masks: set[int] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)


def read_layout(
    root: Path,
    paths: Sequence[Parts],
    beside: Sequence[Parts] = (),
    *,
    classes: Sequence[str] | None = None,
) -> Layout:
    """Read the classes and the given split of photographs from the folders that they lie in.

    Args:
        root: the folder.
        paths: of the photographs, below the folder: names of folders, and of the file.
        beside: of files that are no photographs, which tell what kind of folder it is.
        classes: names of folders that a person called classes: they are, whatever they are called.

    Raises:
        DataError: it is a layout that says no class of each photograph, or could be read in
            several ways; the message has the commands for what is meant.

    Example:
        >>> read_layout(Path("tile"), [("train", "good", "1.png"), ("test", "hole", "2.png")]).split
        ['train', 'test']
    """
    meant = keys_of(classes or (), paths)
    masks = find_masks(paths, meant)
    kept = [parts for number, parts in enumerate(paths) if number not in masks]
    reader = _Reader(root, kept, beside, meant)
    words, places = reader.read()
    if not any(place.label for place in places):
        _refuse_annotations(root, paths, beside)
    label = iter([place.label for place in places])
    split = iter([place.split for place in places])
    layout = Layout(
        words,
        ["" if number in masks else next(label) for number in range(len(paths))],
        ["" if number in masks else next(split) for number in range(len(paths))],
        masks,
        reader.notes,
    )
    spelling = one_spelling(name for name in layout.label if name)
    merged = merged_spellings(spelling)
    if merged:
        layout.notes.append(f"folders that differ in spelling alone are one: {'; '.join(merged)}")
    named = [spelling.get(name, "") for name in layout.label]
    layout.label = set_aside(named, meant, layout.notes)
    return layout


@dataclass(frozen=True)
class _Place:
    """Say where a photograph stands."""

    label: str = ""
    split: str = ""


class _Reader:
    """Reads one folder, level by level; see `read_layout`."""

    def __init__(
        self, root: Path, paths: Sequence[Parts], beside: Sequence[Parts], meant: frozenset[str]
    ) -> None:
        self.root = root
        self.paths = paths
        self.beside = beside
        self.meant = meant
        self.notes: list[str] = []
        self.depth, self.plain = 0, False  # where classes were expected, and whether they are there

    def read(self) -> tuple[str, list[_Place]]:
        """Say the layout in words and give the place of each photograph.

        What lies in trash, to_check or results says nothing of what the folders beside it are.
        """
        self.depth = depth = self._unpack(self.paths, 0, self.root.name)
        aside = [
            len(p) > depth + 1 and is_undecided(p[depth]) and name_key(p[depth]) not in self.meant
            for p in self.paths
        ]
        if any(aside) and not all(aside):
            kept = [parts for parts, no in zip(self.paths, aside, strict=True) if not no]
            others = _Reader(self.root, kept, self.beside, self.meant)
            words, places = others.read()
            if not (others.plain and others.depth == depth):
                self.notes += others.notes
                self._say_verdicts([p for p, no in zip(self.paths, aside, strict=True) if no])
                found = iter(places)
                return words, [_Place() if no else next(found) for no in aside]
        return self._read(depth, names_at(self.paths, depth))

    def _say_verdicts(self, aside: Sequence[Parts]) -> None:
        """Say which folders of no verdict hold some that say good or bad: they are not read."""
        inner = [(p[self.depth], p[self.depth + 1]) for p in aside if len(p) > self.depth + 2]
        held = {pair for pair in inner if is_healthy(pair[1]) or is_defective(pair[1])}
        if held:
            self.notes.append(
                f"photographs in {', '.join('/'.join(pair) for pair in sorted(held)[:4])} have no "
                "class, for the folder above says that they wait for one, or were made; if they "
                "have one, give that folder another name"
            )

    def _read(self, depth: int, level: Counter[str]) -> tuple[str, list[_Place]]:
        splits = {name for name in level if self._is_split(name)}
        packed = f", packed in {'/'.join(self.paths[0][:depth])}" if depth and self.paths else ""
        if (named := classes_below(self.paths, depth, self.meant)) is not None:
            self.notes += named.notes
            return f"{named.words}{packed}", [_Place(label, split) for split, label in named.places]
        if splits:
            self._refuse_beside(splits, sorted(set(level) - splits), depth)
            return f"{', '.join(sorted(splits))} above the classes{packed}", self._split_above(
                depth
            )
        if self._split_below(depth):
            below = self._splits_below(depth)
            return f"classes above train and test{packed}", [
                _Place(parts[depth], split) for parts, split in zip(self.paths, below, strict=True)
            ]
        joined = joined_splits(level, self.meant)
        if joined and all(len(parts) > depth + 1 for parts in self.paths):
            places = [joined[parts[depth]] for parts in self.paths]
            return f"split and class in one name, such as {min(level)}{packed}", [
                _Place(label, split) for split, label in places
            ]
        check_class_level(self.root, self.paths, depth, self.meant)
        folds = sorted(name for name in level if is_fold(name) and name_key(name) not in self.meant)
        if len(level) > 1 and self.meant.isdisjoint(map(name_key, level)):
            folds = folds or sorted(filter(is_lot_alone, level))
        if folds and len(folds) == len(level):
            what = "folds or pieces" if is_fold(folds[0]) else "days, lots or lines"
            self.notes.append(
                f"{', '.join(folds)} are {what}, no classes; if they are: --classes {typed(*folds)}"
            )
            return f"{what} without folders of classes{packed}", [_Place()] * len(self.paths)
        self.plain = True
        if not level:
            return f"photographs without folders of classes{packed}", [_Place()] * len(self.paths)
        return f"one folder for each class{packed}", self._classes(level, depth)

    def _classes(self, level: Iterable[str], depth: int) -> list[_Place]:
        """Take the folders of one level for classes; say what else they could be."""
        self._say_contradictions(self.paths, depth)
        inner = [] if self.meant else inner_names(self.paths, depth)
        if inner:
            self.notes.append(
                f"{', '.join(sorted(level)[:4])} are taken for classes, and what lies in their "
                f"folders for theirs; if these are: --classes {typed(*inner)}"
            )
        if not self.meant and are_counted(level):
            names = sorted(level)
            self.notes.append(
                f"{names[0]} to {names[-1]} are taken for {len(names)} classes; if each is a part, "
                "say where classes come from (--labels FILE) and which are parts (--group-regex)"
            )
        return [_Place(parts[depth] if len(parts) > depth + 1 else "") for parts in self.paths]

    def _say_contradictions(self, paths: Sequence[Parts], depth: int) -> None:
        """Say what stands in a class and is called otherwise, though it is read as the class."""
        found = [*contradictions(paths, depth), *undecided_inside(paths, depth)]
        if found:
            self.notes.append(f"photographs in {', '.join(found[:4])} are taken for the first")

    def _is_split(self, name: str) -> bool:
        return bool(split_of(name)) and name_key(name) not in self.meant

    def _unpack(self, paths: Sequence[Parts], depth: int, above: str) -> int:
        """Give the depth below folders that hold nothing but one folder, and are no class."""
        while True:
            level = names_at(paths, depth)
            if len(level) != 1 or any(len(parts) == depth + 1 for parts in paths):
                return depth
            (name,) = level
            twice = name_key(name) == name_key(above)  # seg_train/seg_train
            if (self._is_split(name) and not twice) or name_key(name) in self.meant:
                return depth
            packed = is_collection(name) or holds_classes(paths, depth, name)
            if (is_healthy(name) or is_defective(name)) and not packed:
                return depth
            below = names_at(paths, depth + 1)
            if not below and name_key(name) not in WRAPPERS:
                return depth
            ahead = first_choice(paths, depth + 1)
            packing = name_key(name) in WRAPPERS | {name_key(above), name_key(self.root.name)}
            if not packing and not any(self._is_split(n) or is_healthy(n) for n in ahead):
                return depth
            above, depth = name, depth + 1

    def _refuse_beside(self, splits: set[str], others: Sequence[str], depth: int) -> None:
        loose = sum(len(parts) == depth + 1 for parts in self.paths)
        others = [name for name in others if not is_undecided(name)]  # have no class
        classes: list[str] = []
        for name in sorted(splits):
            held = [parts for parts in self.paths if parts[depth] == name]
            classes += names_at(held, self._unpack(held, depth + 1, name))
        classes = sorted(set(classes))
        if not (others or loose) or (classes and self.meant.issuperset(map(name_key, classes))):
            return
        if not any(names_at(self.paths, depth + 1)):
            _refuse_annotations(self.root, self.paths, self.beside)
        found = ", ".join(others) if others else f"{loose:,} photographs"
        raise DataError(
            f"found {', '.join(sorted(splits))} beside {found} in {self._at(depth)}; a split and "
            "classes at one level cannot be told apart; "
            f"{'; '.join(self._readings(splits, others, classes, depth))}"
        )

    def _readings(
        self, found: set[str], others: Sequence[str], classes: Sequence[str], depth: int
    ) -> Iterator[str]:
        """Give a command for each thing that may be meant, the likeliest first."""
        for name in others:
            inside = [parts for parts in self.paths if parts[depth] == name]
            if len(list(filter(self._is_split, first_choice(inside, depth + 1)))) > 1:
                yield f"if {name} is meant: extract {typed(str(self._at(depth) / name))}"
        splits = sorted(found, key=lambda name: (split_of(name) != TRAIN, name))
        if classes and len(splits) > 1:
            said = typed(*classes)
            yield f"if {' and '.join(splits)} hold the classes: --classes {said}"
        elif classes or not others:
            said = "holds the classes" if classes else "is meant alone"
            yield f"if {splits[0]} {said}: extract {typed(str(self._at(depth) / splits[0]))}"
        if not classes:
            yield "if a table says the classes: --labels FILE"
        if others:
            every = typed(*others, *splits)
            yield f"if all are classes: --classes {every}"

    def _split_above(self, depth: int) -> list[_Place]:
        places = []
        depths = {}
        for name in filter(self._is_split, names_at(self.paths, depth)):
            inside = [p for p in self.paths if p[depth] == name]
            depths[name] = self._unpack(inside, depth + 1, name)
            check_class_level(self.root, inside, depths[name], self.meant)
            self._say_contradictions(inside, depths[name])
        for parts in self.paths:
            at = depths.get(parts[depth], len(parts))  # else beside a split with named classes
            label = parts[at] if len(parts) > at + 1 else ""
            places.append(_Place(label, split_of(parts[depth]) if parts[depth] in depths else ""))
        trained = {name_key(p.label) for p in places if p.split == TRAIN and p.label}
        return [self._known(place, trained) for place in places]

    def _known(self, place: _Place, trained: set[str]) -> _Place:
        """Take the class from photographs in test/test or test/unknown: Keras's have none."""
        key = name_key(place.label)
        nothing = key in _NO_CLASS or is_undecided(key) or bool(split_of(key))
        if place.label and nothing and key not in trained | self.meant:
            return _Place("", place.split)
        return place

    def _splits_below(self, depth: int) -> list[str]:
        """Give the part of a split that stands first below the class of each; "" for none."""
        each = (filter(self._is_split, parts[depth + 1 : -1]) for parts in self.paths)
        return [split_of(next(names, "")) for names in each]

    def _split_below(self, depth: int) -> bool:
        """Say whether every photograph lies in train or test below a class, days between them too.

        Raises:
            DataError: there are folders below these, too: the first level may be products.
        """
        level, splits = names_at(self.paths, depth), self._splits_below(depth)
        near = [len(p) > depth + 2 and self._is_split(p[depth + 1]) for p in self.paths]
        deep = any(map(is_healthy, level)) and len(set(splits)) > 1
        if not splits or not all(near if not deep else splits):
            self._refuse_splits_of_one(depth)
            if any(splits):
                self.notes.append(
                    "some folders called train or test stand below a class and others do not: "
                    "they are read as parts of the class, not as a given split"
                )
            return False
        third = names_at(self.paths, depth + 2)
        if third and not any(map(is_healthy, level)):
            one = self.root.joinpath(*self.paths[0][: depth + 1])
            lots = all(map(is_lot, level))
            all_of = f"take all together: --classes {typed(*sorted(third))}, or " if lots else ""
            what = "days or lots" if lots else "products"
            raise DataError(
                f"found {', '.join(sorted(level))} in {self._at(depth)}, each with train or test "
                f"and folders such as {sorted(third)[0]} below: several {what}, each with its "
                f"own split; {all_of}extract one at a time: extract {one} --cache {one.name}.h5"
            )
        return True

    def _refuse_splits_of_one(self, depth: int) -> None:
        """Refuse a folder with train and test and classes in it, beside folders without.

        Raises:
            DataError: there is one, and nobody called it a class.
        """
        level = names_at(self.paths, depth)
        for name in level:
            inside = [parts for parts in self.paths if parts[depth] == name]
            splits = names_at(inside, depth + 1)
            packed = len(splits) > 1 and all(map(self._is_split, splits))
            if (
                packed
                and names_at(inside, depth + 2)
                and self.meant.isdisjoint(map(name_key, level))
            ):
                raise DataError(
                    f"found {', '.join(sorted(splits))} in {name}, and none beside it in "
                    f"{self._at(depth)}; if {name} is meant: extract "
                    f"{typed(str(self._at(depth) / name))}; if all are classes: "
                    f"--classes {typed(*sorted(level))}"
                )

    def _at(self, depth: int) -> Path:
        return self.root.joinpath(*self.paths[0][:depth])


def _refuse_annotations(root: Path, paths: Sequence[Parts], beside: Sequence[Parts]) -> None:
    """Refuse folders whose labels are boxes or outlines: YOLO, COCO, Pascal VOC.

    Raises:
        DataError: it is one of these.
    """
    what = ""
    in_labels = any("labels" in map(name_key, p[:-1]) and p[-1].endswith(".txt") for p in beside)
    in_images = any({"images", "image"} & set(map(name_key, parts[:-1])) for parts in paths)
    settings = any(p[-1].lower() in {"data.yaml", "data.yml", "dataset.yaml"} for p in beside)
    if in_labels and (in_images or settings):
        what = "a YOLO folder (images beside labels with a text file each)"
    elif any(_coco(parts) for parts in beside):
        what = "a COCO folder (a JSON file with boxes or outlines)"
    elif any(p[-1].lower().endswith(".xml") for p in beside) and any(
        name_key(folder) in {"annotations", "annotation"} for p in beside for folder in p[:-1]
    ):
        what = "a Pascal VOC folder (an XML file with boxes for each photograph)"
    if what:
        raise DataError(
            f"{root} is {what}: it says where objects are, not one class of each photograph; "
            "expected a folder for each class, or a table: extract DATA --labels FILE, with the "
            "columns path,label"
        )


def _coco(parts: Parts) -> bool:
    name = parts[-1].lower()
    return name.endswith(".json") and ("coco" in name or name.startswith("instances_"))
