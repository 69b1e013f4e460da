"""pipeline.terminal.console: what a progress bar says of the time left."""

from __future__ import annotations

import io
import sys
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
