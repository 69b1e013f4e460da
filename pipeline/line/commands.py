"""The commands at the line: `next`, `watch`, `drift` and `rethreshold`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.terminal.console import DATA, OUTPUT, CommandGroup, bar, say, show
from pipeline.terminal.options import (
    AcceptDrift,
    BatchSize,
    CacheFile,
    CostFalse,
    CostMissed,
    DefectRate,
    Engine,
    Force,
    GroupGap,
    GroupRegex,
    Groups,
    Labels,
    MaxFalse,
    MaxMissed,
    MaxPixels,
    ModelArgument,
    Positive,
    Quiet,
    Review,
    Threshold,
    Trust,
    Verbose,
    Wait,
    Weights,
    out_option,
)

ModelOption = Annotated[
    Path, typer.Option("--model", "-m", help="The model's folder.", rich_help_panel=DATA)
]


def add_commands(app: CommandGroup) -> None:
    """Give the command line these commands."""
    app.command("next")(next_)
    app.command()(watch)
    app.command()(drift)
    app.command()(rethreshold)


def next_(
    folder: Annotated[Path, typer.Argument(help="Folder of photographs without labels.")],
    model: ModelOption = Path("model"),
    count: Annotated[
        int, typer.Option("--count", "-n", min=1, help="Parts to label, at most.")
    ] = 20,
    out: Annotated[
        Path, out_option("Table to fill in (.csv); `extract --labels` reads it.")
    ] = Path("next.csv"),
    sheet: Annotated[
        Path | None,
        typer.Option(
            help="Picture of them (PNG).  [default: beside --out]", rich_help_panel=OUTPUT
        ),
    ] = None,
    inbox: Annotated[
        Path, typer.Option(help="Corrections of `serve`: what is labelled there is left out.")
    ] = Path("inbox"),
    cache: CacheFile = Path("features.h5"),
    groups: Groups = None,
    group_regex: GroupRegex = None,
    group_gap: GroupGap = None,
    weights: Weights = None,
    engine: Engine = "tensorflow",
    batch_size: BatchSize = 32,
    max_pixels: MaxPixels = None,
    accept_drift: AcceptDrift = False,
    trust: Trust = False,
    force: Force = False,
    patience: Wait = 60.0,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> None:
    """Which parts to label next: those that would teach the model most, one photograph of each.

    Example: onepass next new-parts --model model --count 20
    """  # fmt: skip
    import pipeline
    from features.photographs.decode import MAX_PIXELS
    from pipeline.groups.rules import GroupRule
    from pipeline.line.corrections import Inbox
    from pipeline.line.next import next_to_label
    from pipeline.line.to_label import check_label_table, label_sheet, write_label_table

    picture = sheet or out.with_suffix(".png")
    check_label_table(out, picture, force=force)
    bundle = pipeline.load_bundle(model, accept_drift=accept_drift, trust=trust)
    told = GroupRule.told(groups, group_regex, group_gap) or GroupRule()
    notes: list[str] = []
    photographs = pipeline.find_photographs([str(folder)], notes)
    photographs = pipeline.told_parts(told, [str(folder)], photographs)
    known = {digest for one in Inbox(inbox).corrections() if one.label for digest in one.digests}
    with bar("photographs") as progress:
        found = next_to_label(
            bundle, photographs, cache, count=count, known=known, gap=told.gap, weights=weights,
            engine=engine, batch_size=batch_size, max_pixels=max_pixels or MAX_PIXELS,
            notes=notes, progress=progress,
        )  # fmt: skip
    write_label_table(out, folder, found, bundle.classes.binary)
    label_sheet(picture, found)
    say(*notes)
    lines = [f"{n:>3}  {one.part}: {one.why}" for n, one in enumerate(found, 1)]
    classes = ", ".join(bundle.classes.members)
    show(
        "\n".join([*lines, "", f"written: {out} (fill in its column label: {classes}), {picture}"])
    )


def watch(
    folder: Annotated[Path, typer.Argument(help="Folder that photographs come into.")],
    model: ModelOption = Path("model"),
    out: Annotated[
        str, out_option("Table to add to: .csv or .jsonl; - for JSON lines on standard output.")
    ] = "verdicts.csv",
    move_to: Annotated[
        str | None,
        typer.Option(
            help="Move photographs: folders for good parts, for a person, for defective ones, as "
            "ok,review,defect.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    exec_: Annotated[
        str | None,
        typer.Option(
            "--exec",
            help="Program that is told of each part, as JSON on its standard input.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    exec_seconds: Annotated[
        float, typer.Option(min=0.1, help="End that program after so long.", rich_help_panel=OUTPUT)
    ] = 10.0,
    log: Annotated[
        Path,
        typer.Option(help="Log of verdicts, for drift and history.", rich_help_panel=OUTPUT),
    ] = Path("inbox/verdicts.jsonl"),
    journal: Annotated[
        Path | None,
        typer.Option(
            help="What was reported.  [default: beside --out, in .journal.jsonl]",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    cache: CacheFile = Path("features.h5"),
    no_cache: Annotated[
        bool, typer.Option("--no-cache", help="Keep no rows for drift.", rich_help_panel=DATA)
    ] = False,
    groups: Groups = None,
    group_regex: GroupRegex = None,
    group_gap: GroupGap = None,
    part_size: Annotated[
        int | None,
        typer.Option(
            min=1, help="Photographs of each part: then it is complete.", rich_help_panel=DATA
        ),
    ] = None,
    pause: Annotated[
        float,
        typer.Option(min=0.0, help="Seconds without a photograph: then a part is complete."),
    ] = 10.0,
    settle: Annotated[
        float, typer.Option(min=0.1, help="Seconds without a change: then a file is complete.")
    ] = 1.0,
    every: Annotated[
        float, typer.Option(min=0.1, help="Seconds between two looks at a network drive.")
    ] = 2.0,
    polling: Annotated[
        bool, typer.Option("--polling", help="Look again and again; ask for no notice.")
    ] = False,
    once: Annotated[
        bool, typer.Option("--once", help="End when all that is there is reported.")
    ] = False,
    weights: Weights = None,
    engine: Engine = "tensorflow",
    max_pixels: MaxPixels = None,
    accept_drift: AcceptDrift = False,
    trust: Trust = False,
    force: Force = False,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> None:
    r"""Judge photographs as they come into a folder: each once, a line for each part.

    Example: onepass watch incoming --model model --out verdicts.csv --group-regex 'part-(\d+)'
    """  # fmt: skip
    import pipeline
    from features.photographs.decode import MAX_PIXELS
    from pipeline.groups.rules import GroupRule
    from pipeline.line.live_model import LiveModel
    from pipeline.line.run_watch import Wishes, run_watch

    told = GroupRule.told(groups, group_regex, group_gap) or GroupRule()
    bundle = pipeline.load_bundle(model, accept_drift=accept_drift, trust=trust)
    wishes = Wishes(
        folder, out, move_to, exec_, exec_seconds, log, journal, None if no_cache else cache,
        told, part_size, pause, settle, every, polling, once, force,
    )  # fmt: skip

    def live() -> LiveModel:
        now = pipeline.load_bundle(model, accept_drift=accept_drift, trust=trust)
        return LiveModel(now, weights=weights, engine=engine, max_pixels=max_pixels or MAX_PIXELS)

    done = run_watch(live, bundle, wishes, say=lambda text: show(text, err=out == "-"))
    say(f"{done.parts:,} parts, {done.photographs:,} photographs")
    if done.unreadable and once:
        raise typer.Exit(3)


def drift(
    model: ModelArgument,
    paths: Annotated[
        list[str] | None,
        typer.Argument(help="New photographs; by default those of the log, else of the cache."),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(help="Only those from then on: 2026-11-20, 2026-11-20T08:00, or 7d, 12h."),
    ] = None,
    log: Annotated[
        Path, typer.Option(help="Log of verdicts, of `watch` and `serve`.", rich_help_panel=DATA)
    ] = Path("inbox/verdicts.jsonl"),
    out: Annotated[Path | None, out_option("Table of the photographs that show it (.csv).")] = None,
    sheet: Annotated[
        Path | None,
        typer.Option(help="Picture of them (PNG), where files are named.", rich_help_panel=OUTPUT),
    ] = None,
    cache: CacheFile = Path("features.h5"),
    groups: Groups = None,
    group_regex: GroupRegex = None,
    group_gap: GroupGap = None,
    weights: Weights = None,
    engine: Engine = "tensorflow",
    accept_drift: AcceptDrift = False,
    trust: Trust = False,
    force: Force = False,
    patience: Wait = 60.0,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> None:
    """Are new photographs like those that the model was fitted and tested on, and since when not?

    Example: onepass drift model new-parts --since 7d
    """  # fmt: skip
    import pipeline
    from pipeline.groups.rules import GroupRule
    from pipeline.line.drift import measure_drift
    from pipeline.line.drift_sources import (
        check_drift_outputs,
        find_arrivals,
        sharpness_of,
        time_of,
        write_examples,
    )  # fmt: skip

    begin = None if since is None else time_of(since)
    check_drift_outputs(out, sheet, force=force)
    bundle = pipeline.load_bundle(model, accept_drift=accept_drift, trust=trust)
    told = GroupRule.told(groups, group_regex, group_gap) or GroupRule()
    notes: list[str] = []
    with bar("photographs") as progress:
        arrivals = find_arrivals(
            bundle, paths or [], cache, log, told, notes, weights=weights, engine=engine,
            progress=progress,
        )  # fmt: skip
    found = measure_drift(
        bundle, cache, arrivals, since=begin, sharpness=sharpness_of(bundle, arrivals, notes)
    )
    written = write_examples(found, out, sheet)
    if found.left_out:
        notes.append(f"{found.left_out:,} photographs are left out: no rows, or known to the model")
    say(*notes)
    show("\n".join(found.said))
    for one in found.examples[:5]:
        show(f"  {one.path or one.digest[:12]}")
    if written:
        show(f"written: {', '.join(map(str, written))}")


def rethreshold(
    model: ModelArgument,
    data: Annotated[Path, typer.Argument(help="Labelled photographs of new parts.")],
    out: Annotated[
        Path | None, out_option("Folder for the model.  [default: its own; the old one is kept]")
    ] = None,
    cache: CacheFile = Path("features.h5"),
    labels: Labels = None,
    positive: Positive = None,
    groups: Groups = None,
    group_regex: GroupRegex = None,
    group_gap: GroupGap = None,
    threshold: Threshold = None,
    cost_missed: CostMissed = None,
    cost_false: CostFalse = None,
    max_missed: MaxMissed = None,
    max_false: MaxFalse = None,
    review: Review = None,
    defect_rate: DefectRate = None,
    weights: Weights = None,
    engine: Engine = "tensorflow",
    accept_drift: AcceptDrift = False,
    trust: Trust = False,
    patience: Wait = 60.0,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> None:
    r"""Choose limit, calibration and claims anew on new labelled parts; nothing is trained.

    Told nothing, the limit is chosen for what it was chosen for when the model was fitted.

    Example: onepass rethreshold model new-parts --group-regex 'part-(\d+)' --max-missed 0.05
    """  # fmt: skip
    import pipeline
    from pipeline.data.folder import scan_folder
    from pipeline.data.label_table import LabelRule
    from pipeline.groups.rules import GroupRule, apply_rule
    from pipeline.line import rethreshold as limits
    from pipeline.line.texts import rethresholded
    from pipeline.model.evaluate import classes_of, not_scored
    from pipeline.model.files import check_replaceable
    from pipeline.output.names import split_names

    asked = pipeline.ThresholdRule.parse(
        threshold, cost_missed=cost_missed, cost_false=cost_false, max_missed=max_missed,
        max_false=max_false, review=review, defect_rate=defect_rate,
    )  # fmt: skip
    check_replaceable(out or model)
    bundle = pipeline.load_bundle(model, accept_drift=accept_drift, trust=trust)
    rule = None if labels is None else LabelRule(
        "none" if str(labels) == "none" else str(labels.resolve())
    )  # fmt: skip
    scan = scan_folder(data, labels=rule)
    classes, strange = classes_of(bundle, scan, split_names(positive))
    told = GroupRule.told(groups, group_regex, group_gap) or GroupRule()
    grouped = apply_rule(told, [p for p in scan.photographs if p.label])
    with bar("photographs") as progress:
        done = limits.rethreshold(
            bundle, grouped.photographs, cache, classes=classes, groups=told,
            rule=asked if asked.asked else None, weights=weights, engine=engine, progress=progress,
        )  # fmt: skip
    kept = limits.save_rethreshold(bundle, done, out or model)
    say(*grouped.notes, *not_scored(strange, bundle.classes.names))
    show(rethresholded(done, bundle.classes.names))
    show(f"written: {out or model}" + (f"; the model as it was: {kept}" if kept else ""))
