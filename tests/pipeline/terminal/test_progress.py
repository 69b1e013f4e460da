"""pipeline.terminal.console: what a progress bar, or a line in a log, says of the time left."""

from __future__ import annotations

import io
import sys
import time
from typing import Any

import pytest
import rich.progress

from pipeline.terminal import console


class Terminal(io.StringIO):
    """A standard error that somebody looks at."""

    def isatty(self) -> bool:
        return True


def test_a_step_that_begins_anew_has_a_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rich calls a task finished once it was; the next step's bar would stand at 0:00:00."""
    made: list[Any] = []

    class Seen(rich.progress.Progress):
        def __init__(self, *columns: Any, **more: Any) -> None:
            super().__init__(*columns, **more)
            made.append(self)

    monkeypatch.setattr(rich.progress, "Progress", Seen)
    monkeypatch.setattr(sys, "stderr", Terminal())
    with console.bar("photographs") as tell:
        for done in range(1, 4):
            tell(done, 3)
        (task,) = made[0].tasks
        assert task.finished
        tell(1, 3)
        assert not task.finished
        assert task.completed == 1


def test_where_nobody_looks_a_line_comes_now_and_then(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """None of a short command; of a long one the first after half a minute, then fewer."""
    now = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    with console.bar("photographs") as tell:
        for number in range(3600):  # an hour at one a second
            now = float(number)
            tell(number, 7200)
        tell(0, 7200)  # the next step
        now += 600
        tell(100, 7200)
    said = capsys.readouterr().err.splitlines()
    assert said[:3] == [
        "30 of 7,200 photographs; about 120 minutes to go",
        "90 of 7,200 photographs; about 118 minutes to go",
        "210 of 7,200 photographs; about 116 minutes to go",
    ]
    assert len(said) < 12
    assert said[-1] == "100 of 7,200 photographs; about 710 minutes to go"


def test_what_came_before_the_first_word_is_no_part_of_the_pace(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A minute of reading, then fifty at once: nobody knows yet how long thousands take."""
    now = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    with console.bar("photographs") as tell:
        now = 60.0
        tell(50, 6050)
        now = 180.0
        tell(2050, 6050)
    assert capsys.readouterr().err.splitlines() == [
        "50 of 6,050 photographs",
        "2,050 of 6,050 photographs; about 4 minutes to go",
    ]


def test_who_asked_for_quiet_reads_no_lines(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """--quiet holds for lines in a log, too."""
    monkeypatch.setattr(console, "_quiet", True)
    monkeypatch.setattr(console, "_FIRST_LINE", 0.0)
    with console.bar("photographs") as tell:
        tell(1, 2)
    assert capsys.readouterr().err == ""
