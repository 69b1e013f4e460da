"""The commands at the line: `next`, `watch`, `drift` and `rethreshold`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.terminal import options as opt
from pipeline.terminal import parse
from pipeline.terminal.command_group import DATA, OUTPUT
from pipeline.terminal.console import bar, say, show, wait
from pipeline.terminal.option_records import (
    ClassOptions,
    JudgeOptions,
    RunOptions,
    ThresholdOptions,
    WaitOptions,
)

LOG = Path("inbox/verdicts.jsonl")

Unlabelled = Annotated[Path, typer.Argument(help="Folder of photographs without labels.")]
Count = Annotated[int, typer.Option("--count", "-n", min=1, help="Parts to label, at most.")]
SheetBeside = Annotated[
    Path | None, opt.option(OUTPUT, "Picture of them (PNG).  [default: beside --out]")
]
InboxFolder = Annotated[
    Path, typer.Option(help="Corrections of `serve`: what is labelled there is left out.")
]
Incoming = Annotated[Path, typer.Argument(help="Folder that photographs come into.")]
MoveTo = Annotated[
    str | None,
    opt.option(
        OUTPUT,
        "Move photographs: folders for good parts, for a person, for defective ones, as "
        "ok,review,defect.",
    ),
]
Program = Annotated[
    str | None,
    opt.option(
        OUTPUT, "Program that is told of each part, as JSON on its standard input.", "--exec"
    ),
]
ProgramSeconds = Annotated[
    float, opt.option(OUTPUT, "End that program after so long.", "--exec-seconds", min=0.1)
]
Log = Annotated[Path, opt.option(OUTPUT, "Log of verdicts, for drift and history.")]
Journal = Annotated[
    Path | None,
    opt.option(OUTPUT, "What was reported.  [default: beside --out, in .journal.jsonl]"),
]
PartSize = Annotated[
    int | None, opt.option(DATA, "Photographs of each part: then it is complete.", min=1)
]
Pause = Annotated[
    float, typer.Option(min=0.0, help="Seconds without a photograph: then a part is complete.")
]
Settle = Annotated[
    float, typer.Option(min=0.1, help="Seconds without a change: then a file is complete.")
]
Every = Annotated[
    float, typer.Option(min=0.1, help="Seconds between two looks at a network drive.")
]
Polling = Annotated[
    bool, typer.Option("--polling", help="Look again and again; ask for no notice.")
]
Once = Annotated[bool, typer.Option("--once", help="End when all that is there is reported.")]
NewPhotographs = Annotated[
    list[str] | None,
    typer.Argument(help="New photographs; by default those of the log, else of the cache."),
]
Since = Annotated[
    str | None,
    typer.Option(help="Only those from then on: 2026-11-20, 2026-11-20T08:00, or 7d, 12h."),
]
LogOfBoth = Annotated[Path, opt.option(DATA, "Log of verdicts, of `watch` and `serve`.")]
SheetOfFiles = Annotated[
    Path | None, opt.option(OUTPUT, "Picture of them (PNG), where files are named.")
]
NewParts = Annotated[Path, typer.Argument(help="Labelled photographs of new parts.")]


def next_(
    folder: Unlabelled,
    model: opt.ModelOption = Path("model"),
    count: Count = 20,
    out: Annotated[
        Path, opt.out_option("Table to fill in (.csv); `extract --labels` reads it.")
    ] = Path("next.csv"),
    sheet: SheetBeside = None,
    inbox: InboxFolder = Path("inbox"),
    cache: opt.CacheFile = Path("features.h5"),
    batch_size: opt.BatchSize = 32,
    max_pixels: opt.MaxPixels = None,
    force: opt.Force = False,
    *,
    asked: JudgeOptions,
    run: WaitOptions,
) -> None:
    """Name the parts to label next: those that would teach the model most, a photograph of each.

    Example: onepass next new-parts --model model --count 20
    """
    import pipeline
    from features.errors import DataError
    from pipeline.data.walk import is_folder
    from pipeline.line.corrections import Inbox
    from pipeline.line.next import next_to_label
    from pipeline.line.to_label import check_label_table, label_sheet, write_label_table

    picture = sheet or out.with_suffix(".png")
    check_label_table(out, picture, folder, force=force)
    if not is_folder(folder):
        raise DataError(f"no folder {folder}; expected the one with the photographs to label")
    bundle = asked.load(model)
    told, notes = asked.told(), list[str]()
    options = asked.rows(batch_size, max_pixels)
    names = [str(folder)]
    photographs = pipeline.told_parts(told, names, pipeline.find_photographs(names, notes))
    with bar("photographs") as progress:
        found = next_to_label(
            bundle, photographs, cache, options, count=count, known=Inbox(inbox).labelled(),
            notes=notes, progress=progress,
        )  # fmt: skip
    write_label_table(out, folder, found, bundle.classes.binary)
    label_sheet(picture, found)
    say(*notes)
    show("\n".join(f"{n:>3}  {one.part}: {one.why}" for n, one in enumerate(found, 1)))
    classes = ", ".join(bundle.classes.members)
    show(f"\nwritten: {out} (fill in its column label: {classes}), {picture}")


def watch(
    folder: Incoming,
    model: opt.ModelOption = Path("model"),
    out: Annotated[
        str, opt.out_option("Table to add to: .csv or .jsonl; - for JSON lines on standard output.")
    ] = "verdicts.csv",
    move_to: MoveTo = None,
    command: Program = None,
    command_seconds: ProgramSeconds = 10.0,
    log: Log = LOG,
    journal: Journal = None,
    cache: opt.CacheFile = Path("features.h5"),
    no_cache: opt.NoCache = False,
    part_size: PartSize = None,
    pause: Pause = 10.0,
    settle: Settle = 1.0,
    every: Every = 2.0,
    polling: Polling = False,
    once: Once = False,
    max_pixels: opt.MaxPixels = None,
    force: opt.Force = False,
    *,
    asked: JudgeOptions,
    run: RunOptions,
) -> None:
    r"""Judge photographs as they come into a folder: each once, a line for each part.

    Example: onepass watch incoming --model model --out verdicts.csv --group-regex "part-(\d+)"
    """
    from features.photographs.decode import MAX_PIXELS
    from pipeline.line.live_model import LiveModel
    from pipeline.line.run_watch import Wishes, run_watch

    told, bundle = asked.told(), asked.load(model)
    wishes = Wishes(
        folder=folder, out=out, move_to=move_to, command=command, command_seconds=command_seconds,
        log=log, journal=journal, cache=None if no_cache else cache, groups=told,
        part_size=part_size, pause=pause, settle=settle, every=every, polling=polling, once=once,
        force=force,
    )  # fmt: skip

    def live() -> LiveModel:
        """Load the model that stands in the folder now."""
        now = asked.load(model)
        return LiveModel(now, **asked.backbone(), max_pixels=max_pixels or MAX_PIXELS)

    done = run_watch(live, bundle, wishes, say=lambda text: show(text, err=out == "-"))
    say(f"{done.parts:,} parts, {done.photographs:,} photographs")
    if done.unreadable and once:
        raise typer.Exit(3)


def drift(
    model: opt.ModelArgument,
    paths: NewPhotographs = None,
    since: Since = None,
    log: LogOfBoth = LOG,
    out: Annotated[
        Path | None, opt.out_option("Table of the photographs that show it (.csv).")
    ] = None,
    sheet: SheetOfFiles = None,
    cache: opt.CacheFile = Path("features.h5"),
    force: opt.Force = False,
    *,
    asked: JudgeOptions,
    run: WaitOptions,
) -> None:
    """Test whether new photographs are like those that the model was made from, and since when not.

    Example: onepass drift model new-parts --since 7d
    """
    from pipeline.line import drift_sources as sources
    from pipeline.line.drift import measure_drift

    begin = None if since is None else sources.time_of(since)
    sources.check_drift_outputs(out, sheet, paths or [], force=force)
    bundle = asked.load(model)
    told, notes = asked.told(), list[str]()
    with bar("photographs") as progress:
        arrivals = sources.find_arrivals(
            bundle, paths or [], cache, log, told, notes,
            options=asked.rows(), progress=progress,
        )  # fmt: skip
    sharpness = sources.sharpness_of(bundle, arrivals, notes)
    with wait("comparing"):
        found = measure_drift(bundle, cache, arrivals, since=begin, sharpness=sharpness)
    written = sources.write_examples(found, out, sheet)
    if found.left_out:
        notes.append(f"{found.left_out:,} photographs are left out: no rows, or known to the model")
    say(*notes)
    show("\n".join([*found.said, *(f"  {x.path or x.digest[:12]}" for x in found.examples[:5])]))
    if written:
        show(f"written: {', '.join(map(str, written))}")
    if sheet is not None and sheet not in written:
        show(f"not written: {sheet}, for no photograph at hand shows a change")


def rethreshold(
    model: opt.ModelArgument,
    data: NewParts,
    out: Annotated[
        Path | None,
        opt.out_option("Folder for the model.  [default: its own; the old one is kept]"),
    ] = None,
    cache: opt.CacheFile = Path("features.h5"),
    labels: opt.Labels = None,
    *,
    taken: ClassOptions,
    asked: JudgeOptions,
    thresholds: ThresholdOptions,
    run: WaitOptions,
) -> None:
    r"""Choose limit, calibration and claims anew on new labelled parts; nothing is trained.

    Told nothing, the limit is chosen for what it was chosen for when the model was fitted.

    Example: onepass rethreshold model new-parts --group-regex "part-(\d+)" --max-missed 0.05
    """
    from pipeline.groups.rules import apply_rule
    from pipeline.line import rethreshold as limits
    from pipeline.line.texts import rethresholded
    from pipeline.model.files import check_replaceable
    from pipeline.model.folder_classes import labelled, read_for

    wanted = thresholds.rule()
    check_replaceable(out or model)
    bundle, told = asked.load(model), asked.told()
    rule = parse.label_rule(labels, None, None)
    folder = read_for(bundle, data, rule, **taken.named())
    grouped = apply_rule(told, labelled(bundle, folder.scan, folder.classes))
    with bar("photographs") as progress:
        done = limits.rethreshold(
            bundle, grouped.photographs, cache, classes=folder.classes, groups=told,
            rule=wanted if wanted.asked else None, options=asked.rows(),
            progress=progress,
        )  # fmt: skip
    kept = limits.save_rethreshold(bundle, done, out or model)
    say(*grouped.say(), *folder.not_scored, *folder.notes)
    show(rethresholded(done, bundle.classes.names))
    show(f"written: {out or model}" + (f"; the model as it was: {kept}" if kept else ""))
