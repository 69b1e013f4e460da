"""The options that commands share: each is named, documented and checked here once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from typer.models import OptionInfo

from pipeline.terminal.console import DATA, DECISION, MODEL, OUTPUT, RUN, set_quiet


def _verbose(value: bool) -> None:
    if value:
        from features.runtime import set_verbose

        set_verbose(True)


def out_option(text: str) -> OptionInfo:
    """Where a command writes to, which each says in its own words: --out, -o."""
    made: OptionInfo = typer.Option("--out", "-o", help=text, rich_help_panel=OUTPUT)
    return made


ModelArgument = Annotated[Path, typer.Argument(help="A model's folder.")]
Data = Annotated[Path, typer.Argument(help="Folder with one folder of photographs per class.")]
CacheFile = Annotated[
    Path, typer.Option("--cache", help="The feature cache (HDF5).", rich_help_panel=DATA)
]
CacheArgument = Annotated[
    Path | None, typer.Argument(metavar="[CACHE]", help="The same as --cache.", show_default=False)
]
Backbone = Annotated[
    str | None,
    typer.Option(
        help="What sees: inception_v3, efficientnet-lite0, convnext-tiny and others, or FILE.onnx.",
        rich_help_panel=DATA,
    ),
]
Weights = Annotated[
    str | None,
    typer.Option(
        help="imagenet, random (untrained), or a weights file (.h5).", rich_help_panel=DATA
    ),
]
Classes = Annotated[
    str | None,
    typer.Option(help="Take only these classes, with commas: Free,Crack.", rich_help_panel=DATA),
]
Positive = Annotated[
    str | None,
    typer.Option(
        help="These classes, with commas, are the defective ones; all others healthy.",
        rich_help_panel=DATA,
    ),
]
Groups = Annotated[
    Path | None,
    typer.Option(help="CSV (path, group): which photographs show one part.", rich_help_panel=DATA),
]
GroupRegex = Annotated[
    str | None,
    typer.Option(
        help=r"Pattern in paths that names the part, as 'part-(\d+)'.", rich_help_panel=DATA
    ),
]
GroupGap = Annotated[
    str | None,
    typer.Option(
        help="Longest time between two shots of one part, as 10s: cut the times there.",
        rich_help_panel=DATA,
    ),
]
Look = Annotated[
    str | None,
    typer.Option(
        help="What is kept of a photograph: close (finds small defects), plain, or VIEWS:LAYERS.",
        rich_help_panel=DATA,
    ),
]
Keep = Annotated[
    str | None,
    typer.Option(
        help="A slim cache: keep only what these features read, with commas: avg,five:mixed8:root.",
        rich_help_panel=DATA,
    ),
]
DryRun = Annotated[
    bool,
    typer.Option("--dry-run", help="Only say how long, and how much disk.", rich_help_panel=RUN),
]
BatchSize = Annotated[
    int, typer.Option(min=1, help="Views per call of the backbone.", rich_help_panel=RUN)
]
MaxPixels = Annotated[
    int | None,
    typer.Option(
        min=1, help="Refuse photographs of more pixels.  [default: 178956970]", rich_help_panel=DATA
    ),
]
Features = Annotated[
    str | None,
    typer.Option(
        help="What the head sees, as flat, avg, avg+max, tiles:2x2:avg.  [default: auto]",
        rich_help_panel=MODEL,
    ),
]
ManyFeatures = Annotated[
    str | None,
    typer.Option(help="What heads see, with commas: flat,avg.", rich_help_panel=MODEL),
]
Jobs = Annotated[
    int, typer.Option("--jobs", "-j", help="Processes; -1 for one per core.", rich_help_panel=RUN)
]
Split = Annotated[
    str | None,
    typer.Option(
        help="grouped: by part. random. given: the folder's own, the default if any.",
        rich_help_panel=MODEL,
    ),
]
Labels = Annotated[
    Path | None,
    typer.Option(
        help="Table (path, label) that says the classes; none: the folders do.",
        rich_help_panel=DATA,
    ),
]
LogTo = Annotated[
    str | None,
    typer.Option(
        "--log-to",
        help="mlflow (an extra): log parameters, scores, report and model there, too.",
        rich_help_panel=OUTPUT,
    ),
]
TestSize = Annotated[
    float,
    typer.Option(
        min=0.01, max=0.9, help="Share of the photographs held out.", rich_help_panel=MODEL
    ),
]
Threshold = Annotated[
    str | None,
    typer.Option(
        help="balanced (the default), a number, or two: 0.2,0.6 with review between.",
        rich_help_panel=DECISION,
    ),
]
CostMissed = Annotated[
    float | None,
    typer.Option(help="Of a defective part that is passed.", rich_help_panel=DECISION),
]
CostFalse = Annotated[
    float | None,
    typer.Option(help="Of a good part that is rejected.", rich_help_panel=DECISION),
]
MaxMissed = Annotated[
    float | None,
    typer.Option(
        help="Miss at most this share of defective parts, with 95 % confidence.",
        rich_help_panel=DECISION,
    ),
]
MaxFalse = Annotated[
    float | None,
    typer.Option(
        help="Reject at most this share of good parts, with 95 % confidence.",
        rich_help_panel=DECISION,
    ),
]
Review = Annotated[
    float | None,
    typer.Option(
        help="Let a person look at up to this share of the parts.", rich_help_panel=DECISION
    ),
]
PartRule = Annotated[
    str | None,
    typer.Option(
        help="How a part's photographs are judged together: mean, max, noisy-or, share, or any "
        "(each by itself).  [default: chosen; mean where it makes no difference]",
        rich_help_panel=DECISION,
    ),
]
DefectRate = Annotated[
    float | None,
    typer.Option(
        help="Share of defective parts to expect.  [default: as in the data]",
        rich_help_panel=DECISION,
    ),
]
Epochs = Annotated[
    int, typer.Option(min=1, help="Passes over the training photographs.", rich_help_panel=MODEL)
]
Seed = Annotated[int, typer.Option(min=0, help="Of everything random.", rich_help_panel=MODEL)]
Engine = Annotated[
    str,
    typer.Option(
        help="tensorflow, openvino or onnx (extras): what computes the backbone.",
        rich_help_panel=RUN,
    ),
]
Report = Annotated[
    Path | None,
    typer.Option(
        help="The report (HTML).  [default: report.html in --out, or evaluation.html]",
        rich_help_panel=OUTPUT,
    ),
]
Force = Annotated[
    bool,
    typer.Option(
        "--force", help="Overwrite also what this program did not write.", rich_help_panel=OUTPUT
    ),
]
AcceptDrift = Annotated[
    bool,
    typer.Option(
        "--accept-drift",
        help="Go on where the model's self-test gives other results.",
        rich_help_panel=RUN,
    ),
]
Trust = Annotated[
    bool,
    typer.Option(
        "--trust",
        help="Open a model with a user's own estimator: runs code of its module.",
        rich_help_panel=RUN,
    ),
]
AuditFile = Annotated[
    Path,
    typer.Option(
        "--audit",
        help="An audit, shown in the report if it is of this data.",
        rich_help_panel=OUTPUT,
    ),
]
Verbose = Annotated[
    bool,
    typer.Option(
        "--verbose",
        "-v",
        callback=_verbose,
        help="Show TensorFlow's own messages.",
        rich_help_panel=RUN,
    ),
]


def _patience(value: float) -> None:
    from features.cache.lock import set_patience

    set_patience(value)


Refit = Annotated[
    bool,
    typer.Option(
        "--refit",
        help="After the scores, train what was chosen on all photographs, and save that.",
        rich_help_panel=MODEL,
    ),
]
Rehash = Annotated[
    bool,
    typer.Option(
        "--rehash",
        help="Read every file again, also where size and times are as before.",
        rich_help_panel=RUN,
    ),
]
Wait = Annotated[
    float,
    typer.Option(
        "--wait",
        min=0.0,
        callback=_patience,
        help="Seconds to wait for another process that writes to the cache.",
        rich_help_panel=RUN,
    ),
]
Quiet = Annotated[
    bool,
    typer.Option(
        "--quiet", "-q", callback=set_quiet, help="Say only what went wrong.", rich_help_panel=RUN
    ),
]
