"""The options of commands: each is named, documented and checked here once.

Options that always go together are records (`pipeline.terminal.option_records`).
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.models import OptionInfo

from pipeline.terminal.command_group import DATA, DECISION, MODEL, OUTPUT, RUN
from pipeline.terminal.console import set_quiet


def _verbose(value: bool) -> None:
    if value:
        from features.runtime import set_verbose

        set_verbose(True)


def _cluster(value: str | None) -> str | None:
    if value is not None:
        from features.cluster.connection import Cluster

        Cluster(value)  # what cannot be meant is said before rows are read
    return value


def _patience(value: float) -> None:
    from features.cache.lock import set_patience

    set_patience(value)


def option(panel: str, text: str, *names: str, **limits: Any) -> OptionInfo:  # noqa: ANN401 - Typer's own parameters
    """Declare an option: its panel, its help, its names if not its parameter's, and its limits."""
    made: OptionInfo = typer.Option(*names, help=text, rich_help_panel=panel, **limits)
    return made


def out_option(text: str) -> OptionInfo:
    """Say where a command writes to, which each does in its own words: --out, -o."""
    return option(OUTPUT, text, "--out", "-o")


_read, _train, _decide = partial(option, DATA), partial(option, MODEL), partial(option, DECISION)
_run, _write = partial(option, RUN), partial(option, OUTPUT)

# ---- what is read -----------------------------------------------------------------------

ModelArgument = Annotated[Path, typer.Argument(help="A model's folder.")]
ModelOption = Annotated[Path, _read("The model's folder.", "--model", "-m")]
Data = Annotated[Path, typer.Argument(help="Folder with one folder of photographs per class.")]
LabelledData = Annotated[
    Path | None, typer.Argument(help="A labelled folder; the holdout by default.")
]
Paths = Annotated[
    list[str], typer.Argument(help="Files, folders, patterns; - reads names, one a line.")
]
CacheFile = Annotated[Path, _read("The feature cache (HDF5).", "--cache")]
CacheArgument = Annotated[
    Path | None, typer.Argument(metavar="[CACHE]", help="The same as --cache.", show_default=False)
]
CacheOfDocs = Annotated[
    Path | None,
    _read("Cache of recipe docs.  [default: features.h5 in the folder of --out]", "--cache"),
]
NoCache = Annotated[bool, _read("Keep no rows.", "--no-cache")]
Backbone = Annotated[
    str | None,
    _read("What sees: inception_v3, efficientnet-lite0, convnext-tiny and others, or FILE.onnx."),
]
Weights = Annotated[str | None, _read("imagenet, random (untrained), or a weights file (.h5).")]
Recipe = Annotated[str | None, _read("imagenet, or docs (the write-up's own).")]
Precision = Annotated[str | None, _read("float32, float16 (half the space) or bfloat16.")]
Views = Annotated[
    str | None,
    _read("What is looked at, with commas: full, five, crops, tiles:2x2, tiles:1x4 and so on."),
]
Taps = Annotated[
    str | None,
    _read(
        "Intermediate layers to keep as well, for small defects: mixed7 (means), mixed7-max "
        "(largest values); or none."
    ),
]
Look = Annotated[
    str | None,
    _read("What is kept of a photograph: close (finds small defects), plain, or VIEWS:LAYERS."),
]
Classes = Annotated[str | None, _read("Take only these classes, with commas: Free,Crack.")]
Positive = Annotated[
    str | None, _read("These classes, with commas, are the defective ones; all others healthy.")
]
Groups = Annotated[Path | None, _read("CSV (path, group): which photographs show one part.")]
GroupRegex = Annotated[str | None, _read(r'Pattern in paths that names the part, as "part-(\d+)".')]
GroupGap = Annotated[
    str | None,
    _read("Longest time between two shots of one part, as 10s: cut the times there."),
]
NoGroups = Annotated[bool, _read("Forget the groups: propose.", "--no-groups")]
AuditFile = Annotated[
    Path, _read("An audit, shown in the report if it is of this data.", "--audit")
]
Labels = Annotated[
    Path | None,
    _read("Table (path, label) that says the classes; none: the folders do; names: file names."),
]
LabelColumn = Annotated[str | None, _read("Of --labels.  [default: found by name]")]
MaxPixels = Annotated[
    int | None, _read("Refuse photographs of more pixels.  [default: 178956970]", min=1)
]
Photographs = Annotated[int | None, _read("Take so many: whole parts, classes about even.", min=1)]

# ---- what is trained --------------------------------------------------------------------

HeadName = Annotated[
    str,
    _train(
        "auto (chosen on the training part), a name, best: compare-heads' winner, or "
        "module:Class of scikit-learn's."
    ),
]
HeadNames = Annotated[str | None, _train("Names with commas; by default the few that matter.")]
CurveHeads = Annotated[str, _train("Names with commas.")]
Features = Annotated[
    str | None,
    _train("What the head sees, as flat, avg, avg+max, tiles:2x2:avg.  [default: auto]"),
]
ManyFeatures = Annotated[str | None, _train("What heads see, with commas: flat,avg.")]
HeadSettings = Annotated[
    list[str] | None, _train("NAME=VALUE, a setting of the head; repeat.", "--set")
]
ComparisonFolder = Annotated[Path, _read("Where --head best looks for compare-heads' result.")]
Optimism = Annotated[
    bool,
    _train(
        "Train a second time, to tell how much better a random split would look than new parts "
        "will (its optimism).",
        "--optimism/--no-optimism",
    ),
]
Refit = Annotated[
    bool,
    _train("After the scores, train what was chosen on all photographs, and save that.", "--refit"),
]
Split = Annotated[
    str | None, _train("grouped: by part. random. given: the folder's own, the default if any.")
]
TestSize = Annotated[float, _train("Share of the photographs held out.", min=0.01, max=0.9)]
Folds = Annotated[int, _train("Folds per repeat.", min=2)]
Repeats = Annotated[int, _train("Times that new folds are drawn.", min=1)]
Draws = Annotated[int, _train("Times that parts are drawn anew.", min=2)]
Epochs = Annotated[int, _train("Passes over the training photographs.", min=1)]
Seed = Annotated[int, _train("Of everything random.", min=0)]
DemoSeed = Annotated[
    int | None, typer.Option(min=0, help="Of the drawn parts; another each time by default.")
]
DemoParts = Annotated[int, typer.Option(min=16, help="Parts to draw, four photographs each.")]
Variant = Annotated[str, _train("base, dropout or augmented.")]
StepSize = Annotated[int, _train("Photographs per step.", "--batch-size", min=1)]
Runs = Annotated[int, _train("Runs of every model on every split.", min=1)]

# ---- how it decides ---------------------------------------------------------------------

Threshold = Annotated[
    str | None,
    _decide("balanced (the default), a number, or two: 0.2,0.6 with review between."),
]
CostMissed = Annotated[float | None, _decide("Of a defective part that is passed.")]
CostFalse = Annotated[float | None, _decide("Of a good part that is rejected.")]
MaxMissed = Annotated[
    float | None, _decide("Miss at most this share of defective parts, with 95 % confidence.")
]
MaxFalse = Annotated[
    float | None, _decide("Reject at most this share of good parts, with 95 % confidence.")
]
Review = Annotated[float | None, _decide("Let a person look at up to this share of the parts.")]
DefectRate = Annotated[
    float | None, _decide("Share of defective parts to expect.  [default: as in the data]")
]
PartRule = Annotated[
    str | None,
    _decide(
        "How a part's photographs are judged together: mean, max, noisy-or, share, or any (each "
        "by itself).  [default: chosen; mean where it makes no difference]"
    ),
]
ThresholdFolds = Annotated[int, _decide("Folds that the threshold is chosen on.", "--folds", min=2)]

# ---- how it runs ------------------------------------------------------------------------

Engine = Annotated[
    str,
    _run("What computes the backbone: auto (the fastest there is), tensorflow, openvino, onnx."),
]
Keep = Annotated[
    str | None,
    _read("A slim cache: keep only what these features read, with commas: avg,crops:mixed8:root."),
]
DryRun = Annotated[bool, _run("Only say how long, and how much disk.", "--dry-run")]
BatchSize = Annotated[int, _run("Views per call of the backbone.", min=1)]
MaxFailures = Annotated[float, _run("Stop above this share of unreadable ones.", min=0.0, max=1.0)]
Jobs = Annotated[int, _run("Processes; -1 for one per core.", "--jobs", "-j")]
Cluster = Annotated[
    str | None,
    _run(
        "Work on a Dask cluster (extra): local:2, or tcp://scheduler:8786.", "--cluster",
        callback=_cluster,
    ),
]  # fmt: skip
AcceptDrift = Annotated[
    bool, _run("Go on where the model's self-test gives other results.", "--accept-drift")
]
Trust = Annotated[
    bool, _run("Open a model with a user's own estimator: runs code of its module.", "--trust")
]
Rehash = Annotated[
    bool, _run("Read every file again, also where size and times are as before.", "--rehash")
]
Wait = Annotated[
    float,
    _run(
        "Seconds to wait for another process that writes to the cache.", "--wait",
        min=0.0, callback=_patience,
    ),
]  # fmt: skip
Verbose = Annotated[
    bool, _run("Show TensorFlow's own messages.", "--verbose", "-v", callback=_verbose)
]
Quiet = Annotated[bool, _run("Say only what went wrong.", "--quiet", "-q", callback=set_quiet)]

# ---- what is written --------------------------------------------------------------------

Report = Annotated[Path | None, _write("The report (HTML).  [default: report.html in --out]")]
EvaluationReport = Annotated[
    Path | None, _write("The report (HTML).  [default: evaluation.html]", "--report")
]
SortBy = Annotated[str, _decide("Score that the table is sorted by.")]
Rope = Annotated[
    float,
    _decide("Region of practical equivalence: a difference of scores up to this is none.", min=0.0),
]
Sheet = Annotated[Path | None, _write("Draw up to 20 photographs with their verdicts (PNG).")]
Heatmaps = Annotated[
    Path | None, _write("Folder for pictures of where the model looks; also in --sheet.")
]
Sheets = Annotated[int, typer.Option(min=0, help="Most sheets of groups, 12 groups each.")]
LogTo = Annotated[
    str | None,
    _write("mlflow (an extra): log parameters, scores, report and model there, too.", "--log-to"),
]
Force = Annotated[bool, _write("Overwrite also what this program did not write.", "--force")]
