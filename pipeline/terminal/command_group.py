"""Groups of commands that load what is called and nothing else, and options as objects.

`--help` must answer at once, and half of its time would go into reading the options of two dozen
commands that nobody called: a command is imported, and its options read, when it is asked for.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterator, MutableMapping
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar, get_type_hints

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command_from_info
from typer.models import CommandInfo

DATA, MODEL, DECISION, RUN, OUTPUT = (
    "What is read",
    "What is trained",
    "How it decides",
    "How it runs",
    "What is written",
)
"""The panels of every command's --help."""

_SENTENCE = 200  # letters: more than the first sentence of any command has

Command = Callable[..., None]
CommandFunction = TypeVar("CommandFunction", bound=Command)


class PanelCommand(TyperCommand):
    """A command whose --help shows its options in panels, as plain text."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - vendored types
        """Refuse what would be taken wrongly in silence.

        Of an option of one value that stands twice the first would be lost; one without its value
        would take the next option's name for it, and write into a folder of that name. A cache that
        is named beside --no-cache would not be read.
        """
        found, _, given = self.make_parser(ctx).parse_args(args=list(args))
        options: list[Any] = [one for one in given if one.param_type_name == "option"]
        names = {name for one in self.get_params(ctx) for name in (*one.opts, *one.secondary_opts)}
        if {"cache", "no_cache"} <= {one.name for one in options}:
            ctx.fail("--no-cache and --cache stand together; expected one of them")
        for one in options:
            value = found.get(one.name)
            for word in value if isinstance(value, list | tuple) else [value]:
                if isinstance(word, str) and word.startswith("-") and word in names:
                    ctx.fail(f"{max(one.opts, key=len)} has no value; found {word} behind it")
        values = [one for one in options if not (one.multiple or one.is_flag or one.count)]
        for one in values:
            if values.count(one) > 1:
                ctx.fail(
                    f"{max(one.opts, key=len)} stands {values.count(one)} times; expected it once: "
                    "several names, where it takes them, go with commas"
                )
        return super().parse_args(ctx, args)

    def format_options(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401 - vendored types
        """Write arguments, then the options panel by panel."""
        panels: dict[str, list[tuple[str, str]]] = {"Arguments": []}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None:
                argument = param.param_type_name == "argument"
                panel = getattr(param, "rich_help_panel", None) or "Options"
                panels.setdefault("Arguments" if argument else panel, []).append(record)
        known = ("Arguments", DATA, MODEL, DECISION, OUTPUT, RUN)
        for panel in sorted(panels, key=lambda name: (name not in known, *map(name.__ne__, known))):
            if panels[panel]:
                with formatter.section(panel):
                    formatter.write_dl(panels[panel])


class Commands(MutableMapping[str, Any]):
    """Commands by name, each made when it is first asked for.

    Attributes:
        homes: functions, or where they are: "package.module:function".
    """

    def __init__(self, homes: dict[str, Command | str], made: dict[str, Any]) -> None:
        """Take the homes of commands, and the groups that are made already."""
        self.homes, self._made = homes, made

    def function(self, name: str) -> Command:
        """Give the function behind a command; KeyError where there is none."""
        home = self.homes[name]
        if isinstance(home, str):
            module, _, function = home.partition(":")
            home = self.homes[name] = getattr(importlib.import_module(module), function)
        return home

    def summary(self, name: str) -> str:
        """Give the first sentence on a command for the list of all, without reading its options."""
        made = self._made.get(name)
        if made is None:
            made = TyperCommand(name, help=inspect.getdoc(self.function(name)))
        return str(made.get_short_help_str(_SENTENCE))

    def __getitem__(self, name: str) -> Any:  # noqa: ANN401 - vendored types
        if name not in self._made:
            info = CommandInfo(name, cls=PanelCommand, callback=with_options(self.function(name)))
            self._made[name] = get_command_from_info(
                info, pretty_exceptions_short=False, rich_markup_mode=None
            )
        return self._made[name]

    def __setitem__(self, name: str, command: Any) -> None:  # noqa: ANN401 - vendored types
        self._made[name] = command

    def __delitem__(self, name: str) -> None:
        del self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys([*self.homes, *self._made]))

    def __len__(self) -> int:
        return len({*self.homes, *self._made})


class LazyGroup(TyperGroup):
    """A group whose commands are `Commands`."""

    homes: dict[str, Command | str]

    def __init__(self, *, commands: Any = None, **settings: Any) -> None:  # noqa: ANN401 - Typer's own parameters
        """Put the commands beside the groups that are made already."""
        super().__init__(**settings)
        self.commands: Commands = Commands(self.homes, dict(commands or {}))

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ANN401 - vendored types
        """Give the names, in the order in which they were added."""
        return list(self.commands)

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401 - vendored types
        """Write each name with the first sentence on it, whole: what is cut off helps nobody."""
        with formatter.section("Commands"):
            formatter.write_dl(
                [(name, self.commands.summary(name)) for name in self.list_commands(ctx)]
            )


class CommandGroup(typer.Typer):
    """Typer whose commands are `PanelCommand`s of a `LazyGroup`."""

    def __init__(self, **settings: Any) -> None:  # noqa: ANN401 - of typer.Typer
        """Take what `typer.Typer` takes."""
        self.homes: dict[str, Command | str] = {}
        group = type("Group", (LazyGroup,), {"homes": self.homes})
        super().__init__(cls=group, rich_markup_mode=None, no_args_is_help=True, **settings)

    def command(  # type: ignore[override]
        self, name: str | None = None
    ) -> Callable[[CommandFunction], CommandFunction]:
        """Register a command under its function's name, or another."""

        def register(function: CommandFunction) -> CommandFunction:
            """Register a command by its name and home."""
            self.homes[name or function.__name__.replace("_", "-")] = function
            return function

        return register

    def add_homes(self, homes: dict[str, str]) -> None:
        """Register commands by where they are: name to "package.module:function"."""
        self.homes.update(homes)


def with_options(command: Command) -> Command:
    """Turn every parameter that is a record of options into these options.

    Args:
        command: its parameters are annotated as `typer` wants them, or by a dataclass whose fields
            are, each with a default.

    Returns:
        A function with all options in a row; it makes the records and calls `command`.
    """
    hints = get_type_hints(command, include_extras=True)
    row: list[inspect.Parameter] = []
    records: dict[str, type] = {}
    for name, given in inspect.signature(command).parameters.items():
        if is_dataclass(hints[name]):
            records[name] = hints[name]
            own = get_type_hints(hints[name], include_extras=True)
            row += [_option(f.name, own[f.name], f.default) for f in fields(hints[name])]
        else:
            row.append(_option(name, hints[name], given.default))

    def called(**options: Any) -> None:  # noqa: ANN401 - whatever the options are
        """Call the command with records of its options."""
        made = {
            name: kind(**{f.name: options.pop(f.name) for f in fields(kind)})
            for name, kind in records.items()
        }
        command(**options, **made)

    called.__name__, text = command.__name__, inspect.getdoc(command) or ""
    called.__doc__ = text.replace("Example:", "\b\nExample:")  # copied: no line ends at a hyphen
    called.__signature__ = inspect.Signature(row)  # type: ignore[attr-defined]
    called.__annotations__ = {one.name: one.annotation for one in row}
    return called


def _option(name: str, kind: Any, default: Any) -> inspect.Parameter:  # noqa: ANN401 - Typer's own parameters
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
