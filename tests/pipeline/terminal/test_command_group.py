"""Commands are read when they are called, and records of options are options."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pytest
import typer
import typer.main
from commands import Run
from typer.testing import CliRunner

import cli
from features.errors import DataError
from pipeline.terminal import parse
from pipeline.terminal.command_group import CommandGroup, Commands, with_options
from pipeline.terminal.option_records import JudgeOptions, ThresholdOptions


@dataclass(frozen=True)
class Both:
    """Two options that go together."""

    colour: Annotated[str, typer.Option(help="Of the light.")] = "red"
    times: Annotated[int, typer.Option(min=1)] = 1


def group(seen: list[object]) -> CommandGroup:
    app = CommandGroup(help="A group.")

    @app.callback()
    def main() -> None:
        """Begin."""

    @app.command("look-at")
    def look(name: Annotated[str, typer.Argument()], *, both: Both) -> None:
        """Look at something.

        More words.
        """
        seen.append((name, both))

    app.add_homes({"gone": "pipeline.nowhere:command"})
    return app


def commands_of(app: CommandGroup) -> Commands:
    found: Commands = typer.main.get_group(app).commands  # type: ignore[assignment]
    return found


def test_a_record_is_its_options() -> None:
    """Each field is an option with its help, default and limits; the command gets the record."""
    seen: list[object] = []
    run = CliRunner()
    app = group(seen)
    done = run.invoke(app, ["look-at", "it", "--times", "3"])
    assert done.exit_code == 0, done.output
    assert seen == [("it", Both("red", 3))]
    assert run.invoke(app, ["look-at", "it", "--times", "0"]).exit_code == 2
    shown = run.invoke(app, ["look-at", "--help"]).output
    assert "Of the light." in shown
    assert "More words." in shown


def test_only_what_is_called_is_made() -> None:
    """The list of commands reads no options, and a home is opened when it is asked for."""
    commands = commands_of(group([]))
    assert list(commands) == ["look-at", "gone"]
    assert commands.summary("look-at") == "Look at something."
    assert commands._made == {}
    assert commands["look-at"] is commands["look-at"]
    with pytest.raises(ModuleNotFoundError):
        commands["gone"]
    with pytest.raises(KeyError):
        commands["never"]


def test_every_home_is_there() -> None:
    """Names in tables of homes are functions with a docstring, in all groups."""
    waiting = [commands_of(cli.app)]
    count = 0
    while waiting:
        commands = waiting.pop()
        for name in commands:
            assert commands.summary(name)
            made = commands[name]
            count += 1
            if hasattr(made, "commands"):
                waiting.append(made.commands)
    assert count >= 25


def test_records_parse_what_they_say() -> None:
    """A gap in time reaches the rows' options; thresholds that clash are refused."""
    rows = JudgeOptions(group_gap="10s", engine="openvino").rows(4)
    assert (rows.gap, rows.engine, rows.batch_size) == (10.0, "openvino", 4)
    assert ThresholdOptions(max_missed=0.1).rule(3, "max").folds == 3
    assert JudgeOptions().rule() is None
    assert JudgeOptions(groups=Path("g.csv")).told().kind == "file"


def test_the_names_of_a_command_stay() -> None:
    """Errors and --help name the function's own words."""

    def own(*, both: Both) -> None:
        """Say so."""

    made = with_options(own)
    assert (made.__name__, made.__doc__) == ("own", "Say so.")


def test_an_option_of_one_value_stands_once(run: Run) -> None:
    """The first of two would be lost in silence: `--positive A --positive B` left A healthy."""
    code, _, err = run("fit", "--positive", "Crack", "--positive", "Fray")
    assert code == 2
    assert "--positive stands 2 times; expected it once" in err
    code, _, err = run("fit", "--head", "dense", "--set", "epochs=1", "--set", "seed=2")
    assert code == 1
    assert "no cache at features.h5" in err


def test_an_option_does_not_take_the_next_one_for_its_value(run: Run) -> None:
    """`--heatmaps --out v.csv` wrote heatmaps into a folder called --out, and no v.csv."""
    code, _, err = run("predict", "model", "new", "--heatmaps", "--out", "v.csv")
    assert code == 2 and "--heatmaps has no value; found --out behind it" in err
    code, _, err = run("predict", "model", "new", "--sheet", "-o", "v.csv")
    assert code == 2 and "--sheet has no value; found -o behind it" in err
    assert not Path("--out").exists()
    code, _, err = run("predict", "model", "new", "--group-regex", r"-(\d+)", "--out", "-")
    assert code == 1 and "has no value" not in err


def test_a_cache_that_is_named_is_read_or_refused(run: Run) -> None:
    """Beside --no-cache it was not, without a word."""
    for command in (("predict", "model", "new"), ("watch", "new", "--model", "model")):
        code, _, err = run(*command, "--cache", "rows.h5", "--no-cache")
        assert code == 2 and "--no-cache and --cache stand together" in err
        code, _, err = run(*command, "--no-cache")
        assert code == 1 and "stand together" not in err


def test_an_audit_that_is_named_has_to_be_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a folder its audit.json; nobody need have made the one where reports look unasked."""
    monkeypatch.chdir(tmp_path)
    assert parse.audit_file(parse.AUDIT) == parse.AUDIT
    for command in ("evaluate", "fit", "compare-heads"):
        done = CliRunner().invoke(cli.app, [command, "--audit", "gone.json"])
        assert isinstance(done.exception, DataError)
        assert "--audit: there is no gone.json" in str(done.exception)
    (tmp_path / "other").mkdir()
    with pytest.raises(DataError, match=r"other.audit\.json"):
        parse.audit_file(Path("other"))
    (tmp_path / "other" / "audit.json").touch()
    assert parse.audit_file(Path("other")) == Path("other") / "audit.json"
