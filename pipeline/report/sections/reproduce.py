"""Show how to get the same numbers again: commands, settings, versions, fingerprint, seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.output.names import command_line
from pipeline.report.html import Child, element, facts, join
from pipeline.report.page import Section, paragraphs

CLOSE = "The numbers are then the same, up to small differences between processors and versions."


@dataclass(frozen=True)
class Reproduction:
    """The input of this section.

    Attributes:
        commands: each as its words, in the order in which they are typed.
        facts: names with values, such as the seed.
        versions: of the packages, by name.
        note: how close a repetition comes.
    """

    commands: Sequence[Sequence[str]]
    facts: Sequence[tuple[str, Child]]
    versions: Mapping[str, str]
    note: str = ""


def section(made: Reproduction) -> Section:
    """Show commands to copy, and all that decides the numbers."""
    lines = "\n".join(map(command_line, made.commands))
    versions = ", ".join(f"{package} {version}" for package, version in made.versions.items())
    body = [
        paragraphs("These commands give this report again, with the same photographs and weights:"),
        element("pre", element("code", lines), tabindex=0),
        facts([*made.facts, ("versions", versions)]),
        paragraphs(made.note or None),
    ]
    return Section("reproduce", "Reproduction: how to get this again", join(body))
