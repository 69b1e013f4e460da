"""Commands that messages and reports name are what a person can type."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.output.names import command_line


@given(st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12), max_size=4))
def test_a_command_comes_out_as_it_went_in(words: list[str]) -> None:
    """Whatever the words hold, a shell takes the line apart into these again."""
    assert shlex.split(command_line(words)) == words


@pytest.mark.parametrize(
    ("word", "line"),
    [
        (r"part-(\d+)", r'"part-(\d+)"'), (r"[A-Z]+_(\d+)[.]jpg$", r"'[A-Z]+_(\d+)[.]jpg$'"),
        ("my data", '"my data"'), ("data/ok", "data/ok"), ("k=7", "k=7"),
        ("flat,avg:root", "flat,avg:root"), (r"C:\parts", r'"C:\parts"'), ("", '""'),
    ],
)  # fmt: skip
def test_quotes_are_those_of_every_shell(word: str, line: str) -> None:
    """Double quotes where they hold the word: single ones are letters to cmd.exe of Windows."""
    assert command_line([word]) == line
