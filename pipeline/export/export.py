"""Export a model: write it for a target, prove it, and put beside it what repeats the proof.

model.onnx, or model.xml and model.bin   from pixels to probabilities
card.json        classes, limits, part rule, recipe, what the proof found, digests
check.py         repeats the proof there; reads photographs and judges as the model does
photographs/     the drawn photographs: as files, and as the pixels that the model is shown (PNG)
expected.json    what it made of them here, and what the model does
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from features.backbones.engines import AUTO, DEFAULT_ENGINE, TENSORFLOW
from features.backbones.registry import trained_weights, weight_bytes
from features.cache.shards import open_cache
from features.errors import ExportError, OutputError
from features.files import refuse_place, whole_folder
from features.runtime import refuse_above_limit
from features.untrusted_files import read_json
from pipeline.export import check
from pipeline.export.graph import PHOTOGRAPHS, Written, write_graph
from pipeline.export.proof import (
    MOST_HELD_OUT,
    TOLERANCE,
    Exported,
    Known,
    Proof,
    compare,
    drawn_photographs,
    known_photographs,
    read_each,
    run_exported,
    vectors,
)
from pipeline.export.targets import (
    FLOAT32,
    INT8,
    Target,
    target_named,
)
from pipeline.model.bundle import Bundle, load_bundle
from pipeline.model.files import MODEL_FILE
from pipeline.model.probabilities import Predicted, PredictOptions, predict_photographs
from pipeline.model.slim_rows import on_rows_of

CARD, CHECK, EXPECTED, FOLDER = "card.json", "check.py", "expected.json", "photographs"
SCHEMA = 1
_MOST_TRAINING = 48  # photographs that int8 is measured on

Say = Callable[[str], None]


@dataclass(frozen=True)
class Export:
    """Hold what `export_model` wrote.

    Attributes:
        folder: where.
        card: card.json.
        proof: how far it is from the model.
        bytes: of the model's files.
    """

    folder: Path
    card: dict[str, Any]
    proof: Proof
    bytes: int


@dataclass(frozen=True)
class Wish:
    """Hold what is to be exported, and how.

    Attributes:
        target: one of `pipeline.export.targets.TARGETS`.
        precision: one of `pipeline.export.targets.PRECISIONS`.
        accept: largest difference of a probability that is accepted; None for TOLERANCE.
        data: where the photographs of training are now; None for where they were.
        cache: with their rows; None to compute all of them.
        weights: where the backbone's weights are now, if not where they were.
        engine: what computes the model's side of the proof.
    """

    target: str
    precision: str = FLOAT32
    accept: float | None = None
    data: Path | None = None
    cache: Path | None = None
    weights: str | None = None
    engine: str = DEFAULT_ENGINE

    @property
    def other_engine(self) -> str:
        """Give the engine of the model's side of the proof; never that of what is exported."""
        return TENSORFLOW if self.engine == AUTO else self.engine

    @property
    def tolerance(self) -> float:
        """Give the largest difference of a probability with which the proof holds."""
        return TOLERANCE if self.accept is None else max(self.accept, TOLERANCE)


def export_model(
    model: Path,
    out: Path,
    wish: Wish,
    *,
    accept_drift: bool = False,
    force: bool = False,
    say: Say = lambda _line: None,
) -> Export:
    """Write a model for a target, if the file that is written gives the model's verdicts.

    Args:
        model: its folder.
        out: a new folder, or that of an export, which is replaced.
        wish: target, precision, and what is accepted.
        accept_drift: see `pipeline.model.bundle.load_bundle`.
        force: replace a folder that holds something else.
        say: takes lines about what is going on.

    Raises:
        ExportError: the model has no form there, or what was written gives other verdicts; nothing
            is written then.
        EngineError, MemoryLimitError: a package is not installed; it takes more than work may.
        FingerprintError: the cache holds other rows than the model sees.
        BundleError, WeightsError, OutputError: as `load_bundle`, `Bundle.settings`, `whole_folder`.
    """
    target = target_named(wish.target)
    target.require(wish.precision)
    _check_replaceable(out, model, force)
    _check_engine(wish)
    bundle = load_bundle(model, accept_drift=accept_drift)
    _check_recipe(bundle)
    _check_cache(bundle, wish)
    _refuse_above_limit(bundle, target, wish)
    say(f"writing the model for {target.title}, {wish.precision}")
    written = write_graph(bundle, wish.weights)
    with whole_folder(out) as new:
        card = _card(bundle, written, target, wish)
        training: list[Any] = []
        if wish.precision == INT8:
            known = known_photographs(bundle, "train", _MOST_TRAINING, wish.data)
            training = list(read_each(known, card))[:_MOST_TRAINING]
        notes = {"card": json.dumps({key: card[key] for key in ("model", "recipe", "classes")})}
        target.write(written, wish.precision, training, notes, new / target.file)
        size = sum(file.stat().st_size for file in new.iterdir())
        (new / FOLDER).mkdir()
        photographs = drawn_photographs(new / FOLDER)
        side = "train" if bundle.record.fit.refit else "holdout"
        photographs += known_photographs(bundle, side, MOST_HELD_OUT, wish.data)
        say(f"proof: {len(photographs)} photographs through the model and through the file")
        predicted = _predict(bundle, photographs, wish)
        found = run_exported(new, card, photographs)
        proof = compare(bundle, card, photographs, predicted, found)
        if failure := proof.failure(wish.tolerance):
            raise ExportError(_refusal(bundle, target, wish, proof, failure))
        card["proof"] = proof.to_json()
        _write_beside(new, bundle, card, photographs[: proof.drawn], predicted, found)
        if moved := check.check(new, quiet=True):
            raise ExportError(f"check.py does not hold here ({moved[0]}); nothing was written")
    return Export(out, card, proof, size)


def _refusal(bundle: Bundle, target: Target, wish: Wish, proof: Proof, failure: str) -> str:
    worst = max(proof.difference, proof.part_difference, 2 * TOLERANCE)
    step = 10.0 ** math.floor(math.log10(worst))
    accept = f"{min(1.0, math.ceil(worst / step) * step):.1g}"
    ways = f"accept it with --accept-difference {accept}, which the card then says"
    if wish.precision != FLOAT32:
        ways = f"take --precision {FLOAT32}, or {ways}"
    return (
        f"{bundle.folder} as {target.title} in {wish.precision} gives other results: {failure} "
        f"({proof.drawn + proof.held_out} photographs); nothing was written; {ways}"
    )


def _refuse_above_limit(bundle: Bundle, target: Target, wish: Wish) -> None:
    """Raise MemoryLimitError where writing and proving takes more than it may."""
    settings = bundle.settings(wish.weights, "onnx")
    weights = settings.weights.locate(trained_weights(settings.entry))
    taken = target.taken * weight_bytes(weights, settings.entry)
    taken *= 1.5 if settings.recipe.large else 1.0  # a second network, of the same weights
    taken *= 1.5 if wish.precision == INT8 else 1.0
    refuse_above_limit(f"writing the model for {target.title} in {wish.precision}", taken)


def _check_cache(bundle: Bundle, wish: Wish) -> None:
    """Raise FingerprintError, or CacheError, where the proof cannot be made with the cache."""
    if wish.cache is not None and wish.cache.exists():
        with open_cache(wish.cache) as cache:
            asked = on_rows_of(bundle, cache).settings(wish.weights, wish.other_engine)
            cache.check_fields(asked.fields)


def _check_engine(wish: Wish) -> None:
    """Raise ExportError where the file would be held against itself."""
    if wish.engine == "onnx":
        raise ExportError(
            "--engine onnx computes what is exported, and proves nothing of it; expected "
            "--engine tensorflow or openvino for the model's side of the proof"
        )


def _check_replaceable(out: Path, model: Path, force: bool) -> None:
    """Raise OutputError where a folder would be lost that is no export, or none can be written."""
    refuse_place(out)
    there, own = out.resolve(), model.resolve()
    if there.is_relative_to(own) or own.is_relative_to(there):
        raise OutputError(
            f"{out} is the model's own folder, lies in it or holds it; expected another place; "
            "name a new folder"
        )
    if not out.exists() or (out.is_dir() and (force or not any(out.iterdir()))):
        return
    try:
        ours = "onepass_export" in read_json(out / CARD)
    except (OSError, ValueError, TypeError):
        ours = False
    if not ours:
        raise OutputError(
            f"{out} exists and is no export; expected a new folder; name another, or replace it "
            "with --force"
        )


def _check_recipe(bundle: Bundle) -> None:
    recipe = bundle.record.fit.fingerprint.get("recipe", {})
    if recipe.get("revision", 1) < 2:
        raise ExportError(
            f"{bundle.folder} reads photographs by a recipe of an earlier version (revision "
            f"{recipe.get('revision')}), which check.py does not have; expected revision 2; "
            "extract into a new cache and fit again"
        )


def _card(bundle: Bundle, written: Written, target: Target, wish: Wish) -> dict[str, Any]:
    """Collect what a program there has to know; the proof and the digests come later."""
    fit, decision = bundle.record.fit, bundle.decision
    recipe = fit.fingerprint["recipe"]
    keys = ("name", "width", "height", "exif_orientation", "resize", "dct_scaling", "srgb")
    return {
        "onepass_export": SCHEMA,
        "target": target.name,
        "file": target.file,
        "precision": wish.precision,
        "input": PHOTOGRAPHS,
        "input_shape": [
            1 if target.one_at_a_time else "N",
            *written.shape,
        ],
        "input_type": "uint8, RGB",
        "outputs": written.outputs,
        "classes": list(bundle.classes.names),
        "pass_below": decision.band.pass_below,
        "reject_from": decision.band.reject_from,
        "part_rule": decision.part_rule,
        "part_calibration": decision.part_calibration and decision.part_calibration.to_json(),
        "recipe": {key: recipe[key] for key in keys},
        "pictures": [
            {"name": view.name, "box": list(view.box), "place": view.place, "size": list(size)}
            for view, size in zip(written.pictures, written.sizes, strict=True)
        ],
        # Of what it gives there from what it gave here; other processors round int8 otherwise.
        "tolerance": wish.tolerance if wish.precision == INT8 else TOLERANCE,
        "accepted_difference": wish.accept,
        "model": {
            "head": fit.head,
            "feature_spec": fit.spec.text,
            "backbone": fit.fingerprint["backbone"],
            "weights": fit.fingerprint["weights"],
            "created": bundle.record.created,
            "sha256": hashlib.sha256((bundle.folder / MODEL_FILE).read_bytes()).hexdigest(),
        },
        "versions": {
            name: metadata.version(name) for name in (*target.packages, "numpy", "pillow")
        },
        "exported": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def _predict(bundle: Bundle, photographs: Sequence[Known], wish: Wish) -> Predicted:
    """Give the model's side: drawn photographs without the cache, which is not to know them."""
    drawn = [one.photograph for one in photographs if one.label < 0 and "\0" in one.part]
    others = [one.photograph for one in photographs[len(drawn) :]]
    cache = wish.cache if wish.cache is not None and wish.cache.exists() else None
    found = [
        predict_photographs(
            bundle, some, rows, PredictOptions(weights=wish.weights, engine=wish.other_engine)
        )
        for some, rows in ((drawn, None), (others, cache))
        if some
    ]
    return Predicted(
        [table_row for one in found for table_row in one.table_rows],
        np.concatenate([one.probabilities for one in found]),
        np.concatenate([one.strangeness for one in found]),
    )


def _write_beside(
    new: Path,
    bundle: Bundle,
    card: dict[str, Any],
    drawn: Sequence[Known],
    predicted: Predicted,
    made: Exported,
) -> None:
    """Write the check, what it expects, and the card with the digests of all."""
    expected, P = [], made.probabilities
    strange = [None if np.isnan(s) else float(s) for s in made.strangeness]
    for known, p, s, own in zip(drawn, P, strange, predicted.probabilities, strict=False):
        file = known.photograph.file
        pictures = []
        for number, pixels in enumerate(check.read_pictures(file.read_bytes(), card)):
            picture = file.with_name(f"{file.stem}.{number}.png")
            Image.fromarray(pixels).save(picture)
            pictures.append(f"{FOLDER}/{picture.name}")
        expected.append({
            "file": f"{FOLDER}/{file.name}",
            "pictures": pictures,
            "probabilities": p.tolist(),
            "of_the_model": own.tolist(),
            "strangeness": s,
            "verdict": check.verdict_of(card, p, s)[0],
        })  # fmt: skip
    told = {
        "card": {key: card[key] for key in check.DECIDES},
        "photographs": expected,
        "parts": vectors(bundle),
    }
    (new / EXPECTED).write_text(json.dumps(told, indent=1) + "\n", "utf-8")
    (new / CHECK).write_bytes(Path(check.__file__).read_bytes())
    files = sorted(file for file in new.rglob("*") if file.is_file())
    card["files"] = {
        file.relative_to(new).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in files
    }
    (new / CARD).write_text(json.dumps(card, indent=1, ensure_ascii=False) + "\n", "utf-8")


def exported(done: Export) -> str:
    """Say what an export is and what its proof found."""
    card, proof = done.card, done.proof
    file = done.folder / card["file"]
    lines = [f"{file}: {card['target']}, {card['precision']}, {done.bytes / 1e6:,.1f} MB"]
    kind = "training" if proof.refitted else "held-out"
    held = f"{proof.held_out} {kind} photographs of {proof.parts} parts"
    if not proof.held_out:
        held = f"no {kind} photographs: their files are not where they were (--data FOLDER)"
    of_held_out = f" ({proof.held_out_difference:.1g} of {kind} ones)" if proof.held_out else ""
    lines.append(
        f"proof    {proof.drawn} drawn photographs, {held}: a probability differs by at most "
        f"{proof.difference:.1g}{of_held_out}; {_differ(proof.verdicts, 'verdict')}, "
        f"{_differ(proof.part_verdicts, 'verdict')} about parts"
    )
    if card["accepted_difference"] is not None:
        lines.append(
            f"accepted {card['accepted_difference']:g} as the largest difference of a probability"
        )
    if proof.scores is not None:
        lines.append(
            f"AUC      by part {proof.scores[0]:.4f} of the model, "
            f"{proof.scores[1]:.4f} of the file"
        )
    if proof.refused:
        path, why = next(iter(proof.refused.items()))
        lines.append(
            f"note     {CHECK} does not read what the model reads in {len(proof.refused)} of the "
            f"photographs, such as {path}: {why}"
        )
    lines.append(f"there    python {done.folder / CHECK}   (exits with 0 if it is the same there)")
    return "\n".join(lines)


def _differ(count: int, what: str) -> str:
    if count == 0:
        return f"no {what} differs"
    return f"{count} {what}{' differs' if count == 1 else 's differ'}"
