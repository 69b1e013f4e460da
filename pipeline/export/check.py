"""Repeat the proof of an exported model on this machine, or judge photographs with it.

    python check.py                  exits with 0 if it gives what it gave when it was exported
    python check.py PHOTOGRAPH ...   a line for each: path, verdict, probability, why

Needs NumPy, Pillow and what the model runs in (card.json says which: onnxruntime, openvino or
ai-edge-litert), and nothing else. What is outside the model, from a file to pixels and from
probabilities to a verdict, is `read_pictures`, `verdict_of` and `verdict_of_part`, to hold programs
in any language against.
"""

# ruff: noqa: ANN401 - it stands alone, without the project's types
from __future__ import annotations

import hashlib
import io
import json
import math
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import ExifTags, Image, ImageCms

PIXELS_MOST, PIXELS_MEAN = 4, 0.5  # of 255: room for another version of a decoder
REVIEW = "review"
LOGS, STRANGE = 0.01, 0.001  # largest difference of a logarithm; of the strangeness, as a share
EXACT = 1e-6  # of what is computed from probabilities
UNLIKE = "unlike anything that the model was trained on"
TURNS = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}  # what undoes each EXIF orientation
DECIDES = (
    "target", "precision", "input", "outputs", "classes", "pass_below", "reject_from", "part_rule",
    "part_calibration", "recipe", "pictures", "tolerance",
)  # fmt: skip
"""Of the card: what verdicts hang on. expected.json has it once more."""

Card = dict[str, Any]
"""What card.json holds."""

FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "TIFF")
Image.MAX_IMAGE_PIXELS = 178_956_970
MOST_PIXELS = 16 * 178_956_970  # over all passes of a JPEG, each of which goes over the whole


class Refused(Exception):  # noqa: N818 - it reads so in the code beside it
    """A photograph is not read, for it would be read otherwise than the model expects."""


# ---- from a file to pixels ---------------------------------------------------------------------


def read_pictures(data: bytes, card: Card) -> Any:
    """Decode a photograph into the pictures that the model is shown of it.

    The recipe: decode (a JPEG in 1/2, 1/4 or 1/8 of its size where that leaves twice what is
    needed), convert to sRGB, lay transparency over white, turn by EXIF, cut, resize (Pillow's
    bilinear, which counts every pixel of the source).

    Args:
        data: the bytes of a file.
        card: card.json.

    Returns:
        uint8 (pictures, height, width, 3), RGB; a picture that is smaller than another stands at
        the top left, the rest is 0.
    """
    recipe = card["recipe"]
    sizes = [picture["size"] for picture in card["pictures"]]
    made = np.zeros((len(sizes), *np.max(sizes, axis=0), 3), np.uint8)
    filters = {"bilinear": Image.Resampling.BILINEAR, "nearest": Image.Resampling.NEAREST}
    decoded: dict[tuple[int, int], Image.Image] = {}
    for number, picture in enumerate(card["pictures"]):
        left, top, right, bottom = picture["box"]
        height, width = picture["size"]
        most = 1 / min(right - left, bottom - top) - 1e-6
        target = math.ceil(width * most), math.ceil(height * most)
        if target not in decoded:
            decoded[target] = _decode(data, recipe, target)
        image = decoded[target]
        sides = enumerate(_box(picture, *_upright_size(data, recipe)))
        left, top, right, bottom = (side * image.size[n % 2] for n, side in sides)
        box = left, top, right, bottom
        cut = image.resize((width, height), filters[recipe["resize"]], box)
        made[number, :height, :width] = np.asarray(cut)
    return made


def _open(data: bytes) -> Any:
    image: Any
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except Exception as error:
        raise Refused(f"no photograph that can be read ({error})") from error
    if image.width * image.height > Image.MAX_IMAGE_PIXELS:
        raise Refused(f"{image.width} by {image.height} pixels")
    scans = data.count(b"\xff\xda") if image.format in ("JPEG", "MPO") else 1
    if image.width * image.height * scans > MOST_PIXELS:
        raise Refused(f"its pixels are sent in {scans} passes")
    deep = image.format == "PNG" and data[24] > 8
    if image.format == "TIFF":
        bits = image.tag_v2.get(258, (8,))
        deep = max(bits if isinstance(bits, tuple) else (bits,)) > 8
    if deep or image.mode not in ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK"):
        raise Refused(f"more than 8 bits, or colours ({image.mode}) that are not read here")
    if image.format == "TIFF" and image.n_frames > 1:
        raise Refused("a TIFF of several pages")
    return image


def _orientation(image: Any) -> int:
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # noqa: BLE001 - broken EXIF is no EXIF
        return 1


def _upright_size(data: bytes, recipe: Card) -> tuple[int, int]:
    image = _open(data)
    turned = recipe["exif_orientation"] or image.format == "TIFF"
    width, height = image.size
    return (height, width) if turned and _orientation(image) >= 5 else (width, height)


def _decode(data: bytes, recipe: Card, target: tuple[int, int]) -> Any:
    """Give the upright photograph, RGB, large enough for a target (width, height)."""
    image = _open(data)
    if recipe["dct_scaling"] and image.format == "JPEG":
        image.draft(None, (2 * target[0], 2 * target[1]))
    turn = _orientation(image) if recipe["exif_orientation"] and image.format != "TIFF" else 1
    try:
        image.load()
    except Exception as error:
        raise Refused(f"damaged ({error})") from error
    rgb = _to_rgb(image, image.info.get("icc_profile") if recipe["srgb"] else None)
    return rgb.transpose(TURNS[turn]) if turn in TURNS else rgb


def _box(picture: Card, width: int, height: int) -> Sequence[float]:
    """Find the box of a view that hangs on a photograph's shape: five squares along a long one."""
    shape = max(width, height) / max(1, min(width, height))
    if picture["place"] < 0 or shape < 2.4:
        return list(picture["box"])
    size = max(1 / shape, 1 / (1 + 4 * 0.75))
    start = picture["place"] * (1 - size) / 4
    end = min(1.0, start + size)
    return (start, 0.0, end, 1.0) if width > height else (0.0, start, 1.0, end)


def _to_rgb(image: Any, profile: bytes | None) -> Any:
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        if rgba.getchannel("A").getextrema()[1] <= 1:  # hides everything: it was never meant
            return _to_srgb(image, profile).convert("RGBA").convert("RGB")
        rgba = _to_srgb(rgba, profile) if profile else rgba
        return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
    if image.mode in ("1", "P"):
        image = image.convert("L" if image.mode == "1" else "RGB")
    return _to_srgb(image, profile).convert("RGB")


def _to_srgb(image: Any, profile: bytes | None) -> Any:
    """Convert by the file's colour profile, where that changes more than 3 of 255."""
    space = {"RGB": "RGB", "RGBA": "RGB", "L": "GRAY", "CMYK": "CMYK"}.get(image.mode)
    if not profile or not space:
        return image
    mode = "RGB" if space == "RGB" else image.mode
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if source.profile.xcolor_space.strip() != space:
            return image
        transform = ImageCms.buildTransform(
            source, ImageCms.createProfile("sRGB"), mode, "RGB",
            ImageCms.Intent.RELATIVE_COLORIMETRIC, ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )  # fmt: skip
        probe = _probe(mode)
        moved = np.asarray(ImageCms.applyTransform(probe, transform)).astype(int)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return image
    if mode != "CMYK" and np.abs(moved - np.asarray(probe.convert("RGB"))).max() <= 3:
        return image
    if image.mode != "RGBA":
        return ImageCms.applyTransform(image, transform)
    converted: Any = ImageCms.applyTransform(image.convert("RGB"), transform)
    converted.putalpha(image.getchannel("A"))
    return converted


def _probe(mode: str) -> Image.Image:
    if mode == "L":
        return Image.fromarray(np.arange(256, dtype=np.uint8)[None])
    steps = np.linspace(0, 255, 9).round().astype(np.uint8)
    grid = np.stack(np.meshgrid(*[steps] * (4 if mode == "CMYK" else 3)), axis=-1)
    flat = np.ascontiguousarray(grid.reshape(1, -1, grid.shape[-1]))
    return Image.frombuffer(mode, flat.shape[1::-1], flat.tobytes(), "raw", mode, 0, 1)


# ---- the model ---------------------------------------------------------------------------------


def load(folder: str | Path, card: Card) -> Callable[[Any], dict[str, Any]]:
    """Open the model: a function of uint8 (n, pictures, height, width, 3).

    It gives a dict of "probabilities", float32 (n, classes), and, where the model knows what it was
    trained on, "strangeness", float32 (n,).
    """
    path, names = str(Path(folder) / card["file"]), card["outputs"]
    if card["target"] == "onnx":
        import onnxruntime

        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        return lambda x: dict(zip(names, session.run(names, {card["input"]: x}), strict=True))
    if card["target"] == "tflite":
        from ai_edge_litert.interpreter import Interpreter

        runner = Interpreter(path, num_threads=os.cpu_count()).get_signature_runner()

        def run(photographs: Any) -> dict[str, Any]:  # the file takes one at a time
            """Run photographs one by one, and join what comes out by name."""
            made = [runner(**{card["input"]: one[None]}) for one in photographs]
            return {name: np.concatenate([one[name] for one in made]) for name in names}

        return run
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # it reports
    import openvino

    # Some processors would compute in bfloat16 unasked, with other verdicts.
    compiled = openvino.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return lambda x: {name: np.array(compiled([x])[compiled.output(name)]) for name in names}


# ---- from probabilities to verdicts ------------------------------------------------------------


def verdict_of(card: Card, probabilities: Any, strangeness: Any = None) -> tuple[str, float, str]:
    """Give the verdict on a photograph: (class name or "review", its probability, why).

    Args:
        card: card.json.
        probabilities: (classes,) of the model.
        strangeness: of the model; above 1 it is unlike anything that was trained on.
    """
    name, told = _decide(card, _alone(card, probabilities))
    if strangeness is not None and strangeness > 1:
        return REVIEW, told, UNLIKE
    return name, told, ""


def verdict_of_part(
    card: Card, probabilities: Any, strangeness: Any = None
) -> tuple[str, float, str]:
    """Give what `verdict_of` gives, of the photographs (n, classes) of one part."""
    P = np.asarray(probabilities, np.float64)
    unlike = 0 if strangeness is None else int((np.asarray(strangeness) > 1).sum())
    combined = P[0] if len(P) == 1 else _combine(card["part_rule"], P)
    name, told = _decide(card, _alone(card, combined))
    if unlike:
        return REVIEW, told, f"{unlike} of {len(P)} photographs {UNLIKE}"
    return name, told, ""


def _combine(rule: str, P: Any) -> Any:
    least = 6e-8
    if rule == "mean":
        logs = np.log(np.clip(P, least, 1 - least)).mean(axis=0)
        values = np.exp(logs - logs.max())
        return values / values.sum()
    if rule == "share":
        return P.mean(axis=0)
    if rule == "noisy-or":
        most = -np.expm1(np.log1p(-np.minimum(P, 1 - least)).sum(axis=0))
    else:  # max, any
        most = P.max(axis=0)
    return np.array([1 - most[1], most[1]]) if len(most) == 2 else most / most.sum()


def _alone(card: Card, P: Any) -> Any:
    """Calibrate probabilities as those of a part: on these the limits are."""
    P, calibration = np.asarray(P, np.float64), card["part_calibration"]
    if calibration is None:
        return P
    p = P[1]
    if calibration["scale"] == "logit":
        p = math.log(p + 1e-15) - math.log(1 - p + 6e-8)
    logit = calibration["slope"] * p + calibration["offset"]
    defect = math.exp(min(logit, 0)) / (1 + math.exp(-abs(logit)))
    other = math.exp(min(-logit, 0)) / (1 + math.exp(-abs(logit)))
    return np.array([other, defect])


def _decide(card: Card, P: Any) -> tuple[str, float]:
    if len(P) > 2:
        return card["classes"][int(P.argmax())], float(P.max())
    p = float(P[1])
    if p < card["pass_below"]:
        return card["classes"][0], p
    return (card["classes"][1] if p >= card["reject_from"] else REVIEW), p


# ---- the proof ---------------------------------------------------------------------------------


def check(folder: str | Path, *, quiet: bool = False) -> list[str]:
    """Repeat the proof; a list of what is not as it was, empty where all is."""
    folder = Path(folder)
    card, expected = (
        json.loads((folder / name).read_text("utf-8")) for name in ("card.json", "expected.json")
    )
    for name, digest in card["files"].items():
        if hashlib.sha256((folder / name).read_bytes()).hexdigest() != digest:
            return [f"{name} is not the file that was exported"]
    moved = [key for key in DECIDES if card[key] != expected["card"][key]]
    if moved:
        was = expected["card"][moved[0]]
        return [f"card.json says {moved[0]} {card[moved[0]]!r:.80}, and said {was!r:.80}"]
    model, found, most = load(folder, card), [], 0.0
    for one in expected["photographs"]:
        given = np.stack([np.asarray(Image.open(folder / name)) for name in one["pictures"]])
        pixels = read_pictures((folder / one["file"]).read_bytes(), card)
        gap = np.abs(pixels.astype(int) - given)
        if gap.max() > PIXELS_MOST or gap.mean() > PIXELS_MEAN:
            found.append(f"{one['file']}: its pixels are up to {gap.max()} of 255 away")
        made = model(given[None])
        most = max(most, float(np.abs(made["probabilities"][0] - one["probabilities"]).max()))
        found += [f"{one['file']}: {moved}" for moved in _moved(card, one, made)]
        if gap.any():  # a little, as other decoders may
            made = model(pixels[None])
        verdict = verdict_of(card, made["probabilities"][0], made.get("strangeness", [None])[0])[0]
        if verdict != one["verdict"]:
            found.append(f"{one['file']}: {verdict}, not {one['verdict']}")
    for one in expected["parts"]:
        verdict, told, _ = verdict_of_part(card, one["probabilities"], one["strangeness"])
        if verdict != one["verdict"] or not abs(told - one["probability"]) <= EXACT:
            found.append(f"a part of {one['probabilities']}: {verdict}, not {one['verdict']}")
            break
    if not found and not quiet:
        count = len(expected["photographs"])
        print(f"the same: {count} photographs, largest difference of a probability {most:.2g}")
    return found


def _moved(card: Card, one: Card, made: dict[str, Any]) -> list[str]:
    """List what the model no longer gives of the same pixels."""
    P, then = made["probabilities"][0].astype(float), np.array(one["probabilities"])
    found, difference = [], float(np.abs(P - then).max())
    # Close to 0 and 1 a probability hardly moves, whatever is shown: its logarithm does.
    logs = float(np.abs(np.log(np.maximum(P, 1e-6)) - np.log(np.maximum(then, 1e-6))).max())
    exact = card["precision"] != "int8"  # which other processors round otherwise
    if not difference <= card["tolerance"] or (exact and not logs <= LOGS):
        found.append(f"a probability moved by {difference:.2g}, its logarithm by {logs:.2g}")
    if exact and one["strangeness"] is not None:
        strange = float(made["strangeness"][0])
        if not abs(strange - one["strangeness"]) <= STRANGE * max(1.0, one["strangeness"]):
            found.append(f"the strangeness is {strange:.4g}, and was {one['strangeness']:.4g}")
    return found


def main(arguments: list[str]) -> int:
    """Run the check, or judge photographs; the exit code."""
    folder = Path(__file__).resolve().parent
    if not arguments:
        try:
            found = check(folder)
        except ImportError as error:
            found = [f"this machine lacks what computes the model ({error}); install it"]
        except Exception as error:  # noqa: BLE001 - whatever a runtime makes of a damaged file
            found = [f"a file of the export is missing or no longer what it was ({error!r:.200})"]
        for line in found:
            print(f"NOT the same: {line}")
        return 1 if found else 0
    try:
        card = json.loads((folder / "card.json").read_text("utf-8"))
        model, code = load(folder, card), 0
    except Exception as error:  # noqa: BLE001 - likewise
        print(f"the model cannot be opened ({error!r:.200}); run: python check.py", file=sys.stderr)
        return 1
    for name in arguments:
        try:
            made = model(read_pictures(Path(name).read_bytes(), card)[None])
        except (Refused, OSError) as error:
            print(f"{os.fspath(name)}: not read: {error}")
            code = 3
            continue
        told = verdict_of(card, made["probabilities"][0], made.get("strangeness", [None])[0])
        print(f"{name}\t{told[0]}\t{told[1]:.6f}\t{told[2]}")
    return code


if __name__ == "__main__":
    try:
        ended = main(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read it has enough, as `head` has
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        ended = 1
    sys.exit(ended)
