"""The commands that carry a model elsewhere: `export`, `pack`, `unpack` and `info`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.terminal import options as opt
from pipeline.terminal.command_group import DATA, OUTPUT
from pipeline.terminal.console import say, show, wait
from pipeline.terminal.option_records import BackboneOptions, RunOptions

To = Annotated[str, opt.option(OUTPUT, "onnx, openvino or tflite (LiteRT).")]
Precision = Annotated[
    str,
    opt.option(OUTPUT, "float32, float16 (half the space), or int8 (by training photographs)."),
]
AcceptDifference = Annotated[
    float | None,
    opt.option(
        OUTPUT,
        "Write it also where a probability differs by so much; the card says so.  "
        "[default: 0.0001]",
        min=0.0, max=1.0,
    ),
]  # fmt: skip
TrainingData = Annotated[
    Path | None,
    opt.option(DATA, "Where the photographs of training are now.  [default: where they were]"),
]


def export(
    model: opt.ModelArgument,
    out: Annotated[Path, typer.Argument(help="Folder for what is written.")],
    to: To,
    precision: Precision = "float32",
    accept_difference: AcceptDifference = None,
    data: TrainingData = None,
    cache: opt.CacheFile = Path("features.h5"),
    accept_drift: opt.AcceptDrift = False,
    force: opt.Force = False,
    *,
    computing: BackboneOptions,
    run: RunOptions,
) -> None:
    """Write a model for machines without Onepass, with the proof that it gives the same verdicts.

    Example: onepass export model model-onnx --to onnx
    """
    from pipeline.export.export import Wish, export_model, exported

    wish = Wish(to, precision, accept_difference, data, cache, **computing.backbone())
    with wait("writing and proving"):
        done = export_model(model, out, wish, accept_drift=accept_drift, force=force, say=say)
    show(exported(done))


def pack(
    model: opt.ModelArgument,
    out: Annotated[Path, typer.Argument(help="The file, as model.onepass.")],
    force: opt.Force = False,
    quiet: opt.Quiet = False,
) -> None:
    """Put a model into one file, for a memory stick.

    Example: onepass pack model model.onepass
    """
    from pipeline.export import pack as packing

    size = packing.pack(model, out, force=force)
    show(f"{out}: {size / 1e6:,.1f} MB; there: onepass unpack {out} {model.name}")


def unpack(
    file: Annotated[Path, typer.Argument(help="What pack wrote.")],
    out: Annotated[Path, typer.Argument(help="The model's folder.")],
    force: opt.Force = False,
    quiet: opt.Quiet = False,
) -> None:
    """Take a model out of its file, if it is whole.

    Example: onepass unpack model.onepass model
    """
    from pipeline.export import pack as packing

    facts = packing.unpack(file, out, force=force)
    show(f"{out}: {facts.get('title', 'a model')}, whole by its digests")


def info(
    path: Annotated[Path, typer.Argument(help="A cache or a model.")],
    as_json: Annotated[bool, typer.Option("--json", help="All facts, for programs.")] = False,
    card: Annotated[
        bool, typer.Option("--card", help="A model's card, as Markdown with metadata.")
    ] = False,
) -> None:
    """Say what a cache or a model is.

    Example: onepass info features.h5
    """
    import json

    if card:
        from pipeline.export.model_card import model_card
        from pipeline.model.bundle import refused_if_forged

        with refused_if_forged(path):
            text = model_card(path)
        show(text)
        return
    from pipeline.model.info import describe
    from pipeline.terminal.info import info as info_text

    facts = describe(path)
    if as_json or facts["kind"] == "cache":
        show(json.dumps(facts, indent=2) if as_json else info_text(facts))
        return
    from pipeline.model.bundle import refused_if_forged

    with refused_if_forged(path):
        text = info_text(facts)
    show(text)  # outside: whoever reads a pipe may leave, which is no fault of the model
