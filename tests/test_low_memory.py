"""Too little memory is one line that names what was needed, never "a mistake in this program"."""

from __future__ import annotations

import errno
from pathlib import Path

import numpy as np
import pytest
from commands import Run

import pipeline
from pipeline.terminal.console import explain_error, lacks_memory


def raised(act: str) -> BaseException:
    """Give the error of a piece of code, with its frames."""
    try:
        exec(act, {"np": np, "errno": errno})
    except BaseException as error:  # noqa: BLE001
        return error
    raise AssertionError("nothing was raised")


@pytest.mark.parametrize(
    ("act", "named"),
    [
        ("np.ones((10**6, 10**9))", "Unable to allocate"),
        ("raise MemoryError", "<module> in <string>"),
        ("raise OSError(errno.ENOMEM, 'Cannot allocate memory')", "Cannot allocate memory"),
        ("raise ImportError('libx.so: failed to map segment from shared object')", "libx.so"),
        ("raise RuntimeError('can\\'t start new thread')", "can't start new thread"),
        ("raise type('ResourceExhaustedError', (Exception,), {})('OOM when allocating')", "OOM"),
        ("try: raise MemoryError\nexcept MemoryError as e: raise ValueError('in it') from e", "in"),
    ],
)
def test_an_error_of_memory_is_one_line(
    act: str, named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 1; the line says what was asked for."""
    error = raised(act)
    assert lacks_memory(error)
    assert isinstance(error, Exception)
    assert explain_error(error) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: not enough memory (")
    assert named in said
    assert said.count("\n") == 1


def test_other_errors_are_none_of_memory() -> None:
    """A mistake stays one."""
    assert not lacks_memory(ValueError("out of range"))
    assert not lacks_memory(OSError(errno.ENOSPC, "No space left on device"))


def test_a_command_that_runs_out_of_memory(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it was that asked for too much."""
    (Path("x.h5")).write_bytes(b"x")

    def eat(*_: object, **__: object) -> None:
        np.ones((10**6, 10**9))

    monkeypatch.setattr(pipeline, "verify", eat)
    code, out, err = run("cache", "verify", "x.h5")
    assert (code, out) == (1, "")
    assert "Unable to allocate" in err
