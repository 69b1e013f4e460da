"""The commands that carry a model elsewhere: `export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.terminal.console import DATA, OUTPUT, CommandGroup, say, show, wait
from pipeline.terminal.options import (
    AcceptDrift,
    CacheFile,
    Engine,
    Force,
    ModelArgument,
    Quiet,
    Verbose,
    Weights,
)


def add_commands(app: CommandGroup) -> None:
    """Register the commands of this package."""
    app.command()(export)
    app.command()(pack)
    app.command()(unpack)
    app.command()(info)


def export(
    model: ModelArgument,
    out: Annotated[Path, typer.Argument(help="Folder for what is written.")],
    to: Annotated[str, typer.Option(help="onnx or openvino.", rich_help_panel=OUTPUT)],
    precision: Annotated[
        str,
        typer.Option(
            help="float32, float16 (half the space), or int8 (by training photographs).",
            rich_help_panel=OUTPUT,
        ),
    ] = "float32",
    accept_difference: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            max=1.0,
            help="Write it also where a probability differs by so much; the card says so.  "
            "[default: 0.0001]",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            help="Where the photographs of training are now.  [default: where they were]",
            rich_help_panel=DATA,
        ),
    ] = None,
    cache: CacheFile = Path("features.h5"),
    weights: Weights = None,
    engine: Engine = "tensorflow",
    accept_drift: AcceptDrift = False,
    force: Force = False,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> None:
    """Write a model for machines without Onepass, with the proof that it gives the same verdicts.

    Example: onepass export model model-onnx --to onnx
    """
    from pipeline.export.export import Wish, export_model, exported

    wish = Wish(to, precision, accept_difference, data, cache, weights, engine)
    with wait("writing and proving"):
        done = export_model(model, out, wish, accept_drift=accept_drift, force=force, say=say)
    show(exported(done))


def pack(
    model: ModelArgument,
    out: Annotated[Path, typer.Argument(help="The file, as model.onepass.")],
    force: Force = False,
    quiet: Quiet = False,
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
    force: Force = False,
    quiet: Quiet = False,
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
            show(model_card(path))
        return
    from pipeline.model.info import describe
    from pipeline.terminal.results import info as info_text

    facts = describe(path)
    if as_json or facts["kind"] == "cache":
        show(json.dumps(facts, indent=2) if as_json else info_text(facts))
        return
    from pipeline.model.bundle import refused_if_forged

    with refused_if_forged(path):
        show(info_text(facts))
