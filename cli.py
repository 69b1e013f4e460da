"""The command line: parses, makes one call into `pipeline`, prints.

Our own modules are imported inside the commands, so that --help answers at once.

Exit codes: 0 all done; 1 something cannot be used as it is (one line says what); 2 wrong usage;
3 done, but some photographs could not be read or scored; 70 a mistake in this program;
130 interrupted.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.output.stream import never_fail
from pipeline.terminal import options as opt
from pipeline.terminal import parse
from pipeline.terminal.address_space import refuse_too_little
from pipeline.terminal.command_group import CommandGroup
from pipeline.terminal.console import (
    INTERRUPTED,
    bar,
    explain_error,
    fail,
    listen,
    say,
    set_quiet,
    show,
    with_new_names,
)
from pipeline.terminal.option_records import (
    BackboneOptions,
    ClassOptions,
    JudgeOptions,
    PartOptions,
    RunOptions,
    ThresholdOptions,
    WaitOptions,
)

if TYPE_CHECKING:
    from features.cache.sample_table import TableRow

SOME_UNREADABLE = 3

app = CommandGroup(
    pretty_exceptions_enable=False,
    help="Look at every photograph once; train and compare as many classifiers as you like.",
)


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
    listen()


@app.command()
def extract(
    data: opt.Data = Path("data"),
    cache: opt.CacheFile = Path("features.h5"),
    backbone: opt.Backbone = None,
    recipe: opt.Recipe = None,
    precision: opt.Precision = None,
    views: opt.Views = None,
    taps: opt.Taps = None,
    look: opt.Look = None,
    keep: opt.Keep = None,
    dry_run: opt.DryRun = False,
    batch_size: opt.BatchSize = 32,
    classes: opt.Classes = None,
    labels: opt.Labels = None,
    path_column: opt.LabelColumn = None,
    label_column: opt.LabelColumn = None,
    no_groups: opt.NoGroups = False,
    max_failures: opt.MaxFailures = 0.1,
    max_pixels: opt.MaxPixels = None,
    seed: opt.Seed = 0,
    rehash: opt.Rehash = False,
    cluster: opt.Cluster = None,
    *,
    parts: PartOptions,
    run: WaitOptions,
    computing: BackboneOptions,
) -> None:
    r"""Bring the cache in line with a folder: new photographs go through the backbone, once.

    What is not said is taken from the cache where there is one; for a new one it is --backbone
    inception_v3 --weights imagenet --recipe imagenet --precision float32 --look close. With --views
    and --taps instead of --look each view has rows of its own, to which others may be added later.

    Example: onepass extract data --group-regex "part-(\d+)"
    """
    from features.cluster.connection import Cluster
    from features.photographs.decode import MAX_PIXELS
    from features.photographs.views import parse_views
    from pipeline.data.extract_folder import ExtractOptions, extract_folder
    from pipeline.data.extraction_plan import plan_folder
    from pipeline.feature_specs.keep import parse_keep
    from pipeline.terminal import results as text
    from pipeline.terminal.cache import where

    options = ExtractOptions(
        **computing.backbone(),
        backbone=backbone, recipe=recipe, precision=precision, look=look,
        taps=[] if taps == "none" else parse.names(taps), views=parse_views(views), seed=seed,
        keep=parse_keep(keep),
        classes=parse.names(classes), labels=parse.label_rule(labels, path_column, label_column),
        group_rule=parts.rule(none=no_groups), batch_size=batch_size, max_failures=max_failures,
        max_pixels=max_pixels or MAX_PIXELS, rehash=rehash,
        cluster=Cluster.asked_for(cluster),
    )  # fmt: skip
    if dry_run:
        show(text.plan(plan_folder(data, cache, options)))
        return
    with bar("photographs") as progress:
        done = extract_folder(data, cache, options, progress=progress, warn=say)
    _finish(done.extraction.failed, text.extraction(done, cache), *where(cache))


@app.command()
def groups(
    cache: opt.CacheFile = Path("features.h5"),
    out: Annotated[Path, opt.out_option("Folder for the table and the sheets.")] = Path("groups"),
    sheets: opt.Sheets = 3,
    cluster: opt.Cluster = None,
    force: opt.Force = False,
    quiet: opt.Quiet = False,
) -> None:
    """Find which photographs seem to show one part, and why: a table to edit, and sheets.

    Example: onepass groups, then: onepass extract data --groups groups/groups.csv
    """
    from features.cluster.parallel import on_cluster
    from pipeline.groups.contact_sheets import show_groups
    from pipeline.terminal import groups as text

    with bar("photographs compared") as progress, on_cluster(cluster, cache, say):
        shown = show_groups(cache, out, sheets=sheets, force=force, progress=progress)
    show(text.groups(shown))


@app.command()
def fit(
    head: opt.HeadName = "auto",
    features: opt.Features = None,
    cache: opt.CacheFile = Path("features.h5"),
    out: Annotated[Path, opt.out_option("Folder for the model.")] = Path("model"),
    test_size: opt.TestSize = 0.25,
    seed: opt.Seed = 0,
    split: opt.Split = None,
    set_: opt.HeadSettings = None,
    comparison: opt.ComparisonFolder = Path("comparison"),
    optimism: opt.Optimism = True,
    refit: opt.Refit = False,
    report: opt.Report = None,
    audit_file: opt.AuditFile = parse.AUDIT,
    part_rule: opt.PartRule = None,
    folds: opt.ThresholdFolds = 5,
    cluster: opt.Cluster = None,
    log_to: opt.LogTo = None,
    force: opt.Force = False,
    *,
    taken: ClassOptions,
    thresholds: ThresholdOptions,
    run: RunOptions,
) -> None:
    """Train one head on the cached rows and judge it on parts that it never saw.

    Told nothing, it chooses head and features among a few, on the training part alone. So is the
    threshold, which costs one more training per fold; --threshold 0.5 does without.

    Example: onepass fit --head dense --cost-missed 50 --cost-false 1
    """
    import pipeline
    from features.cluster.parallel import on_cluster
    from pipeline.export.mlflow_flavour import check_log_to, log_to_mlflow
    from pipeline.terminal import results as text
    from pipeline.training.compare_heads import choose_contender

    check_log_to(log_to)
    audit_file = parse.audit_file(audit_file)
    report = parse.report_file(report, out / "report.html", force=force)
    rule = thresholds.rule(folds, part_rule)
    with on_cluster(cluster, cache, say):
        data = taken.dataset(cache)
        head, spec = choose_contender(head, parse.feature_spec(features), comparison, data)
        options = pipeline.FitOptions(
            head=head, features=spec, threshold=rule, test_size=test_size, split=split, seed=seed,
            force=force, settings=parse.settings(set_ or []), optimism=optimism, refit=refit,
        )  # fmt: skip
        with bar("epochs, folds included") as progress:
            done = pipeline.fit(data, out, options, progress=progress)
    page = pipeline.fit_report(data, done, audit_file=audit_file)
    written = pipeline.write_report(report, page, force=force)
    show(f"{text.fit(done)}\nreport   {written}")
    if log_to:
        show(f"mlflow   {log_to_mlflow(out, written)}")


@app.command("compare-heads")
def compare_heads(
    cache: opt.CacheFile = Path("features.h5"),
    heads: opt.HeadNames = None,
    features: opt.ManyFeatures = None,
    folds: opt.Folds = 5,
    repeats: opt.Repeats = 3,
    split: opt.Split = None,
    part_rule: opt.PartRule = None,
    sort_by: opt.SortBy = "roc_auc",
    rope: opt.Rope = 0.01,
    seed: opt.Seed = 0,
    jobs: opt.Jobs = -1,
    cluster: opt.Cluster = None,
    out: Annotated[Path, opt.out_option("Folder for the tables.")] = Path("comparison"),
    report: opt.Report = None,
    audit_file: opt.AuditFile = parse.AUDIT,
    force: opt.Force = False,
    *,
    taken: ClassOptions,
    run: RunOptions,
) -> None:
    """Compare heads on identical folds; settings are chosen inside each training part.

    Told nothing, it compares the few pairs that matter, and the same heads on flat rows.

    Example: onepass compare-heads --heads dense,logistic,majority --folds 5 --repeats 3
    """
    import pipeline
    from features.cluster.parallel import on_cluster
    from pipeline.terminal import comparison as text

    audit_file = parse.audit_file(audit_file)
    report = parse.report_file(report, out / "report.html", force=force)
    options = pipeline.CompareOptions(
        heads=parse.names(heads), features=parse.feature_specs(features), folds=folds,
        repeats=repeats, seed=seed, split=split, sort_by=sort_by, rope=rope, part_rule=part_rule,
        jobs=jobs, force=force,
    )  # fmt: skip
    with on_cluster(cluster, cache, say):
        data = taken.dataset(cache)
        with bar("fits") as progress:
            found = pipeline.compare_heads(data, out, options, progress=progress)
    page = pipeline.comparison_report(found.dataset, found, audit_file=audit_file)
    written = pipeline.write_report(report, page, force=force)
    show(f"{text.comparison(found, out)}\nreport   {written}")


@app.command("learning-curve")
def learning_curve(
    cache_argument: opt.CacheArgument = None,
    cache: opt.CacheFile = Path("features.h5"),
    heads: opt.CurveHeads = "logistic",
    features: opt.ManyFeatures = None,
    draws: opt.Draws = 10,
    test_size: opt.TestSize = 0.25,
    seed: opt.Seed = 0,
    jobs: opt.Jobs = -1,
    cluster: opt.Cluster = None,
    out: Annotated[Path, opt.out_option("Folder for the page and the table.")] = Path(
        "learning-curve"
    ),
    force: opt.Force = False,
    *,
    taken: ClassOptions,
    run: RunOptions,
) -> None:
    """Measure how much is enough: scores by the number of parts, and what twice as many bring.

    Example: onepass learning-curve --heads logistic,dense
    """
    import pipeline
    from features.cluster.parallel import on_cluster
    from pipeline.terminal.comparison import learning

    options = pipeline.CurveOptions(
        heads=parse.names(heads) or [],
        features=parse.feature_specs(features) or [pipeline.FLAT],
        draws=draws, test_size=test_size, seed=seed, jobs=jobs, force=force,
    )  # fmt: skip
    cache = cache_argument or cache
    with on_cluster(cluster, cache, say):
        data = taken.dataset(cache)
        with bar("fits") as progress:
            found = pipeline.learning_curve(data, out, options, progress=progress)
    pipeline.write_report(found.page, pipeline.learning_curve_report(data, found), force=force)
    show(learning(found))


@app.command()
def audit(
    cache: opt.CacheFile = Path("features.h5"),
    out: Annotated[Path, opt.out_option("Folder for tables and sheets.")] = Path("audit"),
    seed: opt.Seed = 0,
    cluster: opt.Cluster = None,
    quiet: opt.Quiet = False,
    *,
    taken: ClassOptions,
) -> None:
    """Say what is wrong with photographs and labels: shortcuts, wrong labels, outliers, blur.

    Example: onepass audit --cache features.h5 --out audit
    """
    import pipeline
    from features.cluster.parallel import on_cluster
    from pipeline.terminal.audit import audit as audit_text

    with on_cluster(cluster, cache, say):
        data = taken.dataset(cache)
        with bar("photographs") as progress:
            found = pipeline.audit_dataset(data, out, seed=seed, progress=progress)
    show(audit_text(found, out))


@app.command()
def evaluate(
    model: opt.ModelArgument = Path("model"),
    data: opt.LabelledData = None,
    cache: opt.CacheFile = Path("features.h5"),
    labels: opt.Labels = None,
    report: opt.EvaluationReport = None,
    audit_file: opt.AuditFile = parse.AUDIT,
    force: opt.Force = False,
    *,
    taken: ClassOptions,
    asked: JudgeOptions,
    run: WaitOptions,
) -> None:
    """Score a model on the photographs that it never saw, or on a new labelled folder.

    Example: onepass evaluate model new-parts
    """
    import pipeline
    from pipeline.terminal import results as text

    audit_file = parse.audit_file(audit_file)
    report = parse.report_file(report, Path("evaluation.html"), force=force)
    bundle = asked.load(model)
    options = pipeline.EvaluateOptions(
        **asked.backbone(), **taken.named(),
        labels=parse.label_rule(labels, None, None), group_rule=asked.rule(),
    )  # fmt: skip
    with bar("photographs") as progress:
        found = (
            pipeline.evaluate_holdout(bundle, cache, progress)
            if data is None
            else pipeline.evaluate_folder(bundle, data, cache, options, progress=progress)
        )
    say(*text.drift(bundle))
    page = pipeline.evaluation_report(bundle, found, audit_file=audit_file)
    written = pipeline.write_report(report, page, force=force)
    show(f"{text.evaluation(found, bundle.classes.names)}\nreport   {written}")
    _end(not found.complete)


@app.command()
def predict(
    model: opt.ModelArgument,
    paths: opt.Paths,
    out: Annotated[
        Path,
        opt.out_option(
            "Where the verdicts go: .csv, .json or .jsonl; - for standard output, as CSV."
        ),
    ] = Path("predictions.csv"),
    cache: opt.CacheFile = Path("features.h5"),
    no_cache: opt.NoCache = False,
    sheet: opt.Sheet = None,
    heatmaps: opt.Heatmaps = None,
    batch_size: opt.BatchSize = 32,
    max_pixels: opt.MaxPixels = None,
    force: opt.Force = False,
    *,
    asked: JudgeOptions,
    run: WaitOptions,
) -> None:
    """Judge photographs, and the parts that they show: class, probability, or why there is none.

    Where parts have several photographs, a second table has the verdicts about parts: for
    predictions.csv it is predictions.parts.csv. Told nothing, parts are proposed.

    Example: onepass predict model new-parts --out verdicts.csv --sheet verdicts.png
    """
    from pipeline.heatmaps.predict_to_files import PredictWish, predict_to_files
    from pipeline.terminal import results as text
    from pipeline.terminal.predictions import predictions

    told = asked.told()
    wish = PredictWish(
        out, sheet, heatmaps, None if no_cache else cache, told,
        asked.rows(batch_size, max_pixels), force,
    )  # fmt: skip
    names = parse.read_names(paths)
    wish.check(names)  # before hours of work
    bundle = asked.load(model)
    with bar("photographs") as progress:
        done = predict_to_files(bundle, names, wish, progress=progress)
    typer.echo(done.table, nl=False)
    say(*text.drift(bundle), *text.failures(done.failed), *done.notes)
    to_stdout = wish.to_stdout
    show(predictions(done.found, done.parts, done.rate), err=to_stdout)
    if done.written:
        show(f"written: {', '.join(map(str, done.written))}", err=to_stdout)
    _end(done.failed)


@app.command("train-cnn")
def train_cnn(
    data: opt.Data = Path("data"),
    variant: opt.Variant = "base",
    epochs: opt.Epochs = 30,
    batch_size: opt.StepSize = 32,
    seed: opt.Seed = 0,
    split: opt.Split = None,
    test_size: opt.TestSize = 0.25,
    out: Annotated[Path, opt.out_option("Folder for the model.")] = Path("cnn"),
    force: opt.Force = False,
    *,
    taken: ClassOptions,
    parts: PartOptions,
    run: RunOptions,
) -> None:
    r"""Train the write-up's CNN from scratch on photographs, as a baseline: no cache, no weights.

    Example: onepass train-cnn data --variant augmented --group-regex "part-(\d+)"
    """
    import pipeline
    from pipeline.terminal import results as text

    options = pipeline.CnnOptions(
        variant=variant, epochs=epochs, batch_size=batch_size, seed=seed, force=force, split=split,
        test_size=test_size, group_rule=parts.rule(), **taken.named(),
    )  # fmt: skip
    with bar("epochs") as progress:
        done = pipeline.train_cnn(data, out, options, progress=progress)
    _finish(done.photographs.failed, f"{text.dataset(done.photographs)}\n\n{text.fit(done)}")


@app.command()
def reproduce(
    data: opt.Data = Path("data"),
    out: Annotated[Path, opt.out_option("Folder for page, tables, sheet.")] = Path("reproduction"),
    seeds: opt.Runs = 5,
    epochs: opt.Epochs = 30,
    cache: opt.CacheOfDocs = None,
    weights: opt.Weights = None,
    photographs: opt.Photographs = None,
    *,
    taken: ClassOptions,
    parts: PartOptions,
    run: RunOptions,
) -> None:
    """Train the write-up's four models on its own split and on new parts; goes on if stopped.

    Example: onepass reproduce data --groups groups.csv --photographs 250 --seeds 5
    """
    import pipeline
    from pipeline.terminal import results as text

    options = pipeline.ReproduceOptions(
        seeds=seeds, epochs=epochs, group_rule=parts.rule(), photographs=photographs,
        cache_path=cache, weights=weights, **taken.named(),
    )  # fmt: skip
    with bar("photographs and epochs") as progress:
        found = pipeline.reproduce(data, out, options, progress=progress)
    pipeline.write_report(out / pipeline.Ladder.PAGE, pipeline.reproduction_report(found))
    _finish(found.photographs.failed, text.ladder(found, out))


@app.command()
def demo(
    out: Annotated[Path, opt.out_option("Folder for everything that it makes.")] = Path("demo"),
    seed: opt.DemoSeed = None,
    parts: opt.DemoParts = 60,
    *,
    run: RunOptions,
) -> None:
    """Run the whole main job on drawn metal parts: extract, fit, compare, predict.

    Example: onepass demo --seed 7
    """
    from pipeline.demo.run import run_demo

    run_demo(out, seed=seed, parts=parts, say=show, bar=bar)


app.add_homes(
    {
        "export": "pipeline.export.commands:export",
        "pack": "pipeline.export.commands:pack",
        "unpack": "pipeline.export.commands:unpack",
        "info": "pipeline.export.commands:info",
        "next": "pipeline.line.commands:next_",
        "watch": "pipeline.line.commands:watch",
        "drift": "pipeline.line.commands:drift",
        "rethreshold": "pipeline.line.commands:rethreshold",
        "serve": "pipeline.serve.commands:serve",
    }
)
_cache = CommandGroup(
    help="Check a cache, mend it, drop what nobody uses, make one of two, or a slim one."
)
_cache.add_homes(
    {
        name: f"pipeline.terminal.cache_commands:cache_{name}"
        for name in ("verify", "repair", "gc", "merge", "slim")
    }
)
app.add_typer(_cache, name="cache")


def _finish(failed: Sequence[TableRow], said: str, *notes: str) -> None:
    """Say what could not be read, what else to know, and what was done; end accordingly."""
    from pipeline.terminal import results as text

    say(*text.failures([(one.path, one.reason) for one in failed]), *notes)
    show(said)
    _end(failed)


def _end(failed: object) -> None:
    """End as what is done, but not with every photograph, if any `failed`."""
    if failed:
        raise typer.Exit(SOME_UNREADABLE)


def main() -> None:
    """Run the command line and exit: one line for what a person can mend, no traceback."""
    never_fail()
    set_quiet(False)  # a program may call main more than once
    sys.argv[1:] = with_new_names(sys.argv[1:])
    try:
        refuse_too_little()
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
