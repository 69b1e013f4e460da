"""The command line: parses, makes one call into `pipeline`, prints.

Our own modules are imported inside the commands, so that --help answers at once.

Exit codes: 0 all done; 1 something cannot be used as it is (one line says what); 2 wrong usage;
3 done, but some photographs could not be read or scored; 130 interrupted.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.export.commands import add_commands as add_export_commands
from pipeline.line.commands import add_commands as add_line_commands
from pipeline.output.stream import never_fail
from pipeline.serve.commands import serve
from pipeline.terminal import parse
from pipeline.terminal.cache_commands import cache_app
from pipeline.terminal.console import (
    DATA,
    DECISION,
    INTERRUPTED,
    MODEL,
    OUTPUT,
    RUN,
    CommandGroup,
    bar,
    explain_error,
    fail,
    say,
    set_quiet,
    show,
    with_new_names,
)
from pipeline.terminal.options import (
    AcceptDrift,
    AuditFile,
    Backbone,
    BatchSize,
    CacheArgument,
    CacheFile,
    Classes,
    CostFalse,
    CostMissed,
    Data,
    DefectRate,
    DryRun,
    Engine,
    Epochs,
    Features,
    Force,
    GroupGap,
    GroupRegex,
    Groups,
    Jobs,
    Keep,
    Labels,
    LogTo,
    Look,
    ManyFeatures,
    MaxFalse,
    MaxMissed,
    MaxPixels,
    ModelArgument,
    PartRule,
    Positive,
    Quiet,
    Refit,
    Rehash,
    Report,
    Review,
    Seed,
    Split,
    TestSize,
    Threshold,
    Trust,
    Verbose,
    Wait,
    Weights,
    out_option,
)

if TYPE_CHECKING:
    from pipeline.data.dataset import Dataset

SOME_UNREADABLE = 3

app = CommandGroup(
    no_args_is_help=True,
    rich_markup_mode=None,  # plain help answers in half the time
    pretty_exceptions_enable=False,
    help="Look at every photograph once; train and compare as many classifiers as you like.",
)

app.add_typer(cache_app, name="cache")
app.command()(serve)


def _version(value: bool) -> None:
    if value:
        from importlib import metadata

        try:
            show(f"onepass {metadata.version('onepass')}")
        except metadata.PackageNotFoundError:
            show("onepass, from a checkout that is not installed")
        raise typer.Exit


@app.callback()
def _main_options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Look at every photograph once; train and compare as many classifiers as you like."""


@app.command()
def extract(
    data: Data = Path("data"),
    cache: CacheFile = Path("features.h5"),
    backbone: Backbone = None,
    weights: Weights = None,
    recipe: Annotated[
        str | None,
        typer.Option(help="imagenet, or docs (the write-up's own).", rich_help_panel=DATA),
    ] = None,
    precision: Annotated[
        str | None,
        typer.Option(help="float32, float16 (half the space) or bfloat16.", rich_help_panel=DATA),
    ] = None,
    engine: Engine = "tensorflow",
    views: Annotated[
        str | None,
        typer.Option(
            help="What is looked at, with commas: full, tiles:2x2, tiles:3x3, five.",
            rich_help_panel=DATA,
        ),
    ] = None,
    taps: Annotated[
        str | None,
        typer.Option(
            help="Intermediate layers to keep as well, for small defects: mixed7 (means), "
            "mixed7-max (largest values); or none.",
            rich_help_panel=DATA,
        ),
    ] = None,
    look: Look = None,
    keep: Keep = None,
    dry_run: DryRun = False,
    batch_size: BatchSize = 32,
    classes: Classes = None,
    groups: Groups = None,
    group_regex: GroupRegex = None,
    group_gap: GroupGap = None,
    labels: Labels = None,
    path_column: Annotated[
        str | None,
        typer.Option(help="Of --labels.  [default: found by name]", rich_help_panel=DATA),
    ] = None,
    label_column: Annotated[
        str | None,
        typer.Option(help="Of --labels.  [default: found by name]", rich_help_panel=DATA),
    ] = None,
    no_groups: Annotated[
        bool, typer.Option("--no-groups", help="Forget the groups: propose.", rich_help_panel=DATA)
    ] = False,
    max_failures: Annotated[
        float,
        typer.Option(
            min=0.0, max=1.0, help="Stop above this share of unreadable ones.", rich_help_panel=RUN
        ),
    ] = 0.1,
    max_pixels: MaxPixels = None,
    seed: Seed = 0,
    rehash: Rehash = False,
    patience: Wait = 60.0,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> None:
    r"""Bring the cache in line with a folder: new photographs go through the backbone, once.

    What is not said is taken from the cache where there is one; for a new one it is --backbone
    inception_v3 --weights imagenet --recipe imagenet --precision float32 --look close. With --views
    and --taps instead of --look each view has rows of its own, to which others may be added later.

    Example: onepass extract data --group-regex 'part-(\d+)'
    """
    from features.photographs.decode import MAX_PIXELS
    from features.photographs.views import parse_views
    from pipeline.data.extract_folder import ExtractOptions, extract_folder
    from pipeline.data.extraction_plan import plan_folder
    from pipeline.feature_specs.keep import parse_keep
    from pipeline.groups.rules import GroupRule
    from pipeline.terminal import results as text
    from pipeline.terminal.cache import where

    options = ExtractOptions(
        backbone=backbone,
        weights=weights,
        recipe=recipe,
        precision=precision,
        engine=engine,
        look=look,
        taps=[] if taps == "none" else parse.names(taps),
        views=parse_views(views),
        keep=parse_keep(keep),
        seed=seed,
        classes=parse.names(classes),
        labels=parse.label_rule(labels, path_column, label_column),
        group_rule=GroupRule.told(groups, group_regex, group_gap, none=no_groups),
        batch_size=batch_size,
        max_failures=max_failures,
        max_pixels=max_pixels or MAX_PIXELS,
        rehash=rehash,
    )
    if dry_run:
        show(text.plan(plan_folder(data, cache, options)))
        return
    with bar("photographs") as progress:
        done = extract_folder(data, cache, options, progress=progress, warn=say)
    say(*text.failures([(s.path, s.reason) for s in done.extraction.failed]))
    say(*where(cache))
    show(text.extraction(done, cache))
    if done.extraction.failed:
        raise typer.Exit(SOME_UNREADABLE)


@app.command()
def groups(
    cache: CacheFile = Path("features.h5"),
    out: Annotated[Path, out_option("Folder for the table and the sheets.")] = Path("groups"),
    sheets: Annotated[int, typer.Option(min=0, help="Most sheets of groups, 12 groups each.")] = 3,
    force: Force = False,
) -> None:
    """Which photographs seem to show one part, and why: a table to edit, and sheets to look at.

    Example: onepass groups, then: onepass extract data --groups groups/groups.csv
    """
    from pipeline.groups.contact_sheets import show_groups
    from pipeline.terminal import groups as text

    with bar("photographs compared") as progress:
        shown = show_groups(cache, out, sheets=sheets, force=force, progress=progress)
    show(text.groups(shown))


@app.command()
def fit(
    head: Annotated[
        str,
        typer.Option(
            help="auto (chosen on the training part), a name, best: compare-heads' winner, or "
            "module:Class of scikit-learn's.",
            rich_help_panel=MODEL,
        ),
    ] = "auto",
    features: Features = None,
    cache: CacheFile = Path("features.h5"),
    out: Annotated[Path, out_option("Folder for the model.")] = Path("model"),
    test_size: TestSize = 0.25,
    seed: Seed = 0,
    split: Split = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="NAME=VALUE, a setting of the head; repeat.", rich_help_panel=MODEL
        ),
    ] = None,
    classes: Classes = None,
    positive: Positive = None,
    comparison: Annotated[
        Path,
        typer.Option(
            help="Where --head best looks for compare-heads' result.", rich_help_panel=MODEL
        ),
    ] = Path("comparison"),
    optimism: Annotated[
        bool,
        typer.Option(
            "--optimism/--no-optimism",
            help="Train a second time, to tell how much better a random split would look than "
            "new parts will (its optimism).",
            rich_help_panel=MODEL,
        ),
    ] = True,
    refit: Refit = False,
    report: Report = None,
    audit_file: AuditFile = Path("audit/audit.json"),
    threshold: Threshold = None,
    cost_missed: CostMissed = None,
    cost_false: CostFalse = None,
    max_missed: MaxMissed = None,
    max_false: MaxFalse = None,
    review: Review = None,
    defect_rate: DefectRate = None,
    part_rule: PartRule = None,
    folds: Annotated[
        int,
        typer.Option(
            min=2, help="Folds that the threshold is chosen on.", rich_help_panel=DECISION
        ),
    ] = 5,
    log_to: LogTo = None,
    force: Force = False,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> None:
    """Train one head on the cached rows and judge it on parts that it never saw.

    Told nothing, it chooses head and features among a few, on the training part alone. So is the
    threshold, which costs one more training per fold; --threshold 0.5 does without.

    Example: onepass fit --head dense --cost-missed 50 --cost-false 1
    """
    import pipeline
    from pipeline.export.mlflow_flavour import check_log_to, log_to_mlflow
    from pipeline.terminal import results as text
    from pipeline.training.compare_heads import choose_contender

    check_log_to(log_to)
    rule = pipeline.ThresholdRule.parse(
        threshold, cost_missed=cost_missed, cost_false=cost_false, max_missed=max_missed,
        max_false=max_false, review=review, defect_rate=defect_rate, folds=folds,
        part_rule=part_rule,
    )  # fmt: skip
    data = _dataset(cache, classes, positive)
    head, spec = choose_contender(head, parse.feature_spec(features), comparison, data)
    with bar("epochs, folds included") as progress:
        done = pipeline.fit(
            data,
            out,
            pipeline.FitOptions(
                head=head,
                features=spec,
                threshold=rule,
                test_size=test_size,
                split=split,
                seed=seed,
                force=force,
                settings=parse.settings(set_ or []),
                optimism=optimism,
                refit=refit,
            ),
            progress=lambda epoch, epochs, _scores: progress(epoch, epochs),
        )
    page = pipeline.fit_report(data, done, audit_file=audit_file)
    written = pipeline.write_report(report or out / "report.html", page, force=force)
    show(f"{text.fit(done)}\nreport   {written}")
    if log_to:
        show(f"mlflow   {log_to_mlflow(out, written)}")


@app.command("compare-heads")
def compare_heads(
    cache: CacheFile = Path("features.h5"),
    heads: Annotated[
        str | None,
        typer.Option(
            help="Names with commas; by default the few that matter.", rich_help_panel=MODEL
        ),
    ] = None,
    features: ManyFeatures = None,
    folds: Annotated[int, typer.Option(min=2, help="Folds per repeat.", rich_help_panel=MODEL)] = 5,
    repeats: Annotated[
        int, typer.Option(min=1, help="Times that new folds are drawn.", rich_help_panel=MODEL)
    ] = 3,
    split: Split = None,
    part_rule: PartRule = None,
    sort_by: Annotated[
        str, typer.Option(help="Score that the table is sorted by.", rich_help_panel=OUTPUT)
    ] = "roc_auc",
    rope: Annotated[
        float,
        typer.Option(
            min=0.0,
            help="Region of practical equivalence: a difference of scores up to this is none.",
            rich_help_panel=OUTPUT,
        ),
    ] = 0.01,
    seed: Seed = 0,
    classes: Classes = None,
    positive: Positive = None,
    jobs: Jobs = -1,
    out: Annotated[Path, out_option("Folder for the tables.")] = Path("comparison"),
    report: Report = None,
    audit_file: AuditFile = Path("audit/audit.json"),
    force: Force = False,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> None:
    """Every head on identical folds; hyper-parameters are chosen inside each training part.

    Told nothing, it compares the few pairs that matter, and the same heads on flat rows.

    Example: onepass compare-heads --heads dense,logistic,majority --folds 5 --repeats 3
    """
    import pipeline
    from pipeline.terminal import results as text

    data = _dataset(cache, classes, positive)
    with bar("fits") as progress:
        found = pipeline.compare_heads(
            data,
            out,
            pipeline.CompareOptions(
                heads=parse.names(heads),
                features=parse.feature_specs(features),
                folds=folds,
                repeats=repeats,
                seed=seed,
                split=split,
                sort_by=sort_by,
                rope=rope,
                part_rule=part_rule,
                jobs=jobs,
                force=force,
            ),
            progress=lambda done, total, _text: progress(done, total),
        )
    page = pipeline.comparison_report(found.dataset, found, audit_file=audit_file)
    written = pipeline.write_report(report or out / "report.html", page, force=force)
    show(f"{text.comparison(found, out)}\nreport   {written}")


@app.command("learning-curve")
def learning_curve(
    cache_argument: CacheArgument = None,
    cache: CacheFile = Path("features.h5"),
    heads: Annotated[
        str, typer.Option(help="Names with commas.", rich_help_panel=MODEL)
    ] = "logistic",
    features: ManyFeatures = None,
    draws: Annotated[
        int, typer.Option(min=2, help="Times that parts are drawn anew.", rich_help_panel=MODEL)
    ] = 10,
    test_size: TestSize = 0.25,
    seed: Seed = 0,
    classes: Classes = None,
    positive: Positive = None,
    jobs: Jobs = -1,
    out: Annotated[Path, out_option("Folder for the page and the table.")] = Path("learning-curve"),
    force: Force = False,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> None:
    """How much is enough: scores against the number of parts, and what twice as many would bring.

    Example: onepass learning-curve --heads logistic,dense
    """
    import pipeline
    from pipeline.terminal.comparison import learning

    data = _dataset(cache_argument or cache, classes, positive)
    with bar("fits") as progress:
        found = pipeline.learning_curve(
            data,
            out,
            pipeline.CurveOptions(
                heads=parse.names(heads) or [],
                features=parse.feature_specs(features) or [pipeline.FLAT],
                draws=draws,
                test_size=test_size,
                seed=seed,
                jobs=jobs,
                force=force,
            ),
            progress=lambda done, total, _text: progress(done, total),
        )
    pipeline.write_report(found.page, pipeline.learning_curve_report(data, found), force=force)
    show(learning(found))


@app.command()
def audit(
    cache: CacheFile = Path("features.h5"),
    out: Annotated[Path, out_option("Folder for tables and sheets.")] = Path("audit"),
    seed: Seed = 0,
    classes: Classes = None,
    positive: Positive = None,
) -> None:
    """Say what is wrong with photographs and labels: shortcuts, wrong labels, outliers, blur.

    Example: onepass audit --cache features.h5 --out audit
    """
    import pipeline
    from pipeline.terminal.audit import audit as audit_text

    data = _dataset(cache, classes, positive)
    with bar("photographs") as progress:
        found = pipeline.audit_dataset(data, out, seed=seed, progress=progress)
    show(audit_text(found, out))


@app.command()
def evaluate(
    model: ModelArgument = Path("model"),
    data: Annotated[
        Path | None, typer.Argument(help="A labelled folder; the holdout by default.")
    ] = None,
    cache: CacheFile = Path("features.h5"),
    weights: Weights = None,
    engine: Engine = "tensorflow",
    groups: Groups = None,
    group_regex: GroupRegex = None,
    group_gap: GroupGap = None,
    labels: Labels = None,
    positive: Positive = None,
    report: Report = None,
    accept_drift: AcceptDrift = False,
    trust: Trust = False,
    force: Force = False,
    patience: Wait = 60.0,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> None:
    """Score a model on the photographs that it never saw, or on a new labelled folder.

    Example: onepass evaluate model new-parts
    """
    import pipeline
    from pipeline.groups.rules import GroupRule
    from pipeline.terminal import results as text

    bundle = pipeline.load_bundle(model, accept_drift=accept_drift, trust=trust)
    with bar("photographs") as progress:
        if data is None:
            found = pipeline.evaluate_holdout(bundle, cache, progress)
        else:
            found = pipeline.evaluate_folder(
                bundle,
                data,
                cache,
                pipeline.EvaluateOptions(
                    positive=parse.names(positive),
                    labels=parse.label_rule(labels, None, None),
                    group_rule=GroupRule.told(groups, group_regex, group_gap),
                    weights=weights,
                    engine=engine,
                ),
                progress=progress,
            )
    say(*text.drift(bundle))
    page = pipeline.evaluation_report(bundle, found)
    written = pipeline.write_report(report or Path("evaluation.html"), page, force=force)
    show(f"{text.evaluation(found, bundle.classes.names)}\nreport   {written}")
    if found.strange:
        raise typer.Exit(SOME_UNREADABLE)


@app.command()
def predict(
    model: ModelArgument,
    paths: Annotated[
        list[str], typer.Argument(help="Files, folders, patterns; - reads names, one a line.")
    ],
    out: Annotated[
        Path,
        out_option("Where the verdicts go: .csv, .json or .jsonl; - for standard output, as CSV."),
    ] = Path("predictions.csv"),
    cache: CacheFile = Path("features.h5"),
    no_cache: Annotated[
        bool, typer.Option("--no-cache", help="Keep no rows.", rich_help_panel=DATA)
    ] = False,
    sheet: Annotated[
        Path | None,
        typer.Option(
            help="Draw up to 20 photographs with their verdicts (PNG).", rich_help_panel=OUTPUT
        ),
    ] = None,
    heatmaps: Annotated[
        Path | None,
        typer.Option(
            help="Folder for pictures of where the model looks; also in --sheet.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    weights: Weights = None,
    engine: Engine = "tensorflow",
    batch_size: BatchSize = 32,
    max_pixels: MaxPixels = None,
    groups: Groups = None,
    group_regex: GroupRegex = None,
    group_gap: GroupGap = None,
    accept_drift: AcceptDrift = False,
    trust: Trust = False,
    force: Force = False,
    patience: Wait = 60.0,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> None:
    """Judge photographs, and the parts that they show: class, probability, or why there is none.

    Where parts have several photographs, a second table has the verdicts about parts: for
    predictions.csv it is predictions.parts.csv. Told nothing, parts are proposed.

    Example: onepass predict model new-parts --out verdicts.csv --sheet verdicts.png
    """
    import pipeline
    from features.files import write_whole
    from features.photographs.decode import MAX_PIXELS
    from pipeline.groups.rules import GroupRule
    from pipeline.model.part_predictions import write_tables
    from pipeline.terminal import results as text
    from pipeline.terminal.predictions import predictions

    to_stdout = str(out) == "-"
    if not to_stdout:
        pipeline.check_outputs(out, sheet, force=force)  # before hours of work
    bundle = pipeline.load_bundle(model, accept_drift=accept_drift, trust=trust)
    names = parse.read_names(paths)
    notes: list[str] = []
    if heatmaps is not None:
        pipeline.check_folder(heatmaps, names)
    frame = pipeline.find_frame(bundle, notes) if heatmaps else None
    heatmaps = heatmaps if frame else None  # a model without them still gives verdicts
    photographs = pipeline.find_photographs(names, notes)
    told = GroupRule.told(groups, group_regex, group_gap) or GroupRule()
    photographs = pipeline.told_parts(told, names, photographs)
    with bar("photographs") as progress:
        found = pipeline.predict(
            bundle,
            photographs,
            None if no_cache else cache,
            pipeline.PredictOptions(
                weights=weights,
                engine=engine,
                batch_size=batch_size,
                max_pixels=max_pixels or MAX_PIXELS,
                gap=told.gap,
            ),
            explain=pipeline.explain if heatmaps else None,
            notes=notes,
            progress=progress,
        )
    parts = pipeline.predict_parts(bundle, found)
    tables: list[Path] = []
    if to_stdout:
        verdicts = pipeline.format_predictions(bundle, found, ".csv")
        typer.echo(verdicts.removeprefix("\ufeff"), nl=False)
    else:
        tables = write_tables(bundle, found, parts, out)
    if sheet is not None:
        write_whole(
            sheet, pipeline.prediction_sheet(bundle.classes, found, frame=frame, parts=parts)
        )
    if heatmaps is not None and frame is not None:
        pipeline.write_heatmaps(heatmaps, frame, found, max_pixels=max_pixels or MAX_PIXELS)
    say(*text.drift(bundle))
    failed = [(p.path, p.error) for p in found if p.error is not None]
    say(*text.failures(failed), *notes)
    written = [str(path) for path in (*tables, sheet, heatmaps) if path]
    rate = bundle.familiar.rate if bundle.familiar else 1.0
    show(predictions(found, parts, rate), err=to_stdout)
    if written:
        show(f"written: {', '.join(written)}", err=to_stdout)
    if failed:
        raise typer.Exit(SOME_UNREADABLE)


@app.command("train-cnn")
def train_cnn(
    data: Data = Path("data"),
    variant: Annotated[str, typer.Option(help="base, dropout or augmented.")] = "base",
    epochs: Epochs = 30,
    batch_size: Annotated[int, typer.Option(min=1, help="Photographs per step.")] = 32,
    seed: Seed = 0,
    split: Split = None,
    groups: Groups = None,
    group_regex: GroupRegex = None,
    group_gap: GroupGap = None,
    classes: Classes = None,
    positive: Positive = None,
    test_size: TestSize = 0.25,
    out: Annotated[Path, out_option("Folder for the model.")] = Path("cnn"),
    force: Force = False,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> None:
    r"""Train the write-up's CNN from scratch on photographs, as a baseline: no cache, no weights.

    Example: onepass train-cnn data --variant augmented --group-regex 'part-(\d+)'
    """
    import pipeline
    from pipeline.groups.rules import GroupRule
    from pipeline.terminal import results as text

    with bar("epochs") as progress:
        done = pipeline.train_cnn(
            data,
            out,
            pipeline.CnnOptions(
                variant=variant,
                epochs=epochs,
                batch_size=batch_size,
                seed=seed,
                force=force,
                split=split,
                test_size=test_size,
                classes=parse.names(classes),
                positive=parse.names(positive),
                group_rule=GroupRule.told(groups, group_regex, group_gap),
            ),
            progress=lambda epoch, epochs, _scores: progress(epoch, epochs),
        )
    failed = [(s.path, s.reason) for s in done.photographs.failed]
    say(*text.failures(failed))
    show(text.dataset(done.photographs) + "\n")
    show(text.fit(done))
    if failed:
        raise typer.Exit(SOME_UNREADABLE)


@app.command()
def reproduce(
    data: Data = Path("data"),
    out: Annotated[Path, out_option("Folder for page, tables, sheet.")] = Path("reproduction"),
    seeds: Annotated[int, typer.Option(min=1, help="Runs of every model on every split.")] = 5,
    epochs: Epochs = 30,
    groups: Groups = None,
    group_regex: GroupRegex = None,
    group_gap: GroupGap = None,
    classes: Classes = None,
    positive: Positive = None,
    cache: Annotated[
        Path | None,
        typer.Option(help="Cache of recipe docs.  [default: features.h5 in the folder of --out]"),
    ] = None,
    weights: Weights = None,
    photographs: Annotated[
        int | None, typer.Option(min=1, help="Take so many: whole parts, classes about even.")
    ] = None,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> None:
    """Train the write-up's four models on its own split and on new parts; goes on if stopped.

    Example: onepass reproduce data --groups groups.csv --photographs 250 --seeds 5
    """
    import pipeline
    from pipeline.groups.rules import GroupRule
    from pipeline.terminal import results as text

    with bar("photographs and epochs") as progress:
        found = pipeline.reproduce(
            data,
            out,
            pipeline.ReproduceOptions(
                seeds=seeds,
                epochs=epochs,
                classes=parse.names(classes),
                positive=parse.names(positive),
                group_rule=GroupRule.told(groups, group_regex, group_gap),
                photographs=photographs,
                cache_path=cache,
                weights=weights,
            ),
            progress=progress,
        )
    failed = [(s.path, s.reason) for s in found.photographs.failed]
    pipeline.write_report(out / pipeline.Ladder.PAGE, pipeline.reproduction_report(found))
    say(*text.failures(failed))
    show(text.ladder(found, out))
    if failed:
        raise typer.Exit(SOME_UNREADABLE)


@app.command()
def demo(
    out: Annotated[Path, out_option("Folder for everything that it makes.")] = Path("demo"),
    seed: Annotated[
        int | None, typer.Option(min=0, help="Of the drawn parts; another each time by default.")
    ] = None,
    parts: Annotated[int, typer.Option(min=16, help="Parts to draw, four photographs each.")] = 60,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> None:
    """Give the whole main job on drawn metal parts: extract, fit, compare, predict.

    Example: onepass demo --seed 7
    """
    from pipeline.demo.run import run_demo

    run_demo(out, seed=seed, parts=parts, say=show, bar=bar)


add_export_commands(app)
add_line_commands(app)


# ---- what the commands share ------------------------------------------------------------


def _dataset(cache: Path, classes: str | None, positive: str | None) -> Dataset:
    """Load the photographs of a cache and say what they are."""
    import pipeline
    from pipeline.terminal import results as text

    with bar("photographs compared") as progress:
        data = pipeline.load_dataset(
            cache,
            classes=parse.names(classes),
            positive=parse.names(positive),
            progress=progress,
        )
    show(text.dataset(data) + "\n")
    return data


def main() -> None:
    """Run the command line and exit: one line for what a person can mend, no traceback."""
    never_fail()
    set_quiet(False)  # a program may call main more than once
    sys.argv[1:] = with_new_names(sys.argv[1:])
    try:
        code = app(standalone_mode=False)
        if code == INTERRUPTED:  # what the parser makes of Ctrl-C
            fail("interrupted; what is committed stays, the same command goes on", INTERRUPTED)
    except BrokenPipeError:
        # The reader of our output (head, less) left; nobody is there to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        code = 1
    except Exception as error:  # noqa: BLE001 - the last resort of a program that people run
        code = explain_error(error)
    sys.exit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    main()
