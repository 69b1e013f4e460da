"""Too little memory is one line that names what was needed, never "a mistake in this program"."""

from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from checkout import ROOT
from commands import Run

import pipeline
from pipeline.terminal import address_space
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


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.parametrize("command", ["next", "drift", "compare-heads"])
def test_an_address_space_that_cannot_hold_blas_is_refused_first(command: str) -> None:
    """OpenBLAS would try for ever when it is loaded: one line, at once, whatever the command."""
    limited = (
        "import resource, sys\n"
        "resource.setrlimit(resource.RLIMIT_AS, (300 * 2**20,) * 2)\n"
        f"sys.argv = ['onepass', {command!r}]\nimport cli\ncli.main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", limited],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=60,
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 1
    assert re.fullmatch(
        r"error: not enough memory \(the address space is limited to 315 MB, and .*\n", done.stderr
    )


@pytest.mark.parametrize(("limit", "holds"), [(10**9, True), (10**9 - 1, False)])
def test_the_room_of_blas_is_counted(
    monkeypatch: pytest.MonkeyPatch, limit: int, *, holds: bool
) -> None:
    """Of what is there already, the libraries and each thread that the variables allow."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)), raising=False)
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "5")
    monkeypatch.setattr(address_space, "_limit_and_taken", lambda: (limit, 300_000_000))
    monkeypatch.delitem(sys.modules, "scipy.linalg", raising=False)
    if holds:
        loaded: list[str] = []
        monkeypatch.setattr(address_space.importlib, "import_module", loaded.append)
        address_space.refuse_too_little()
        assert loaded == ["scipy.linalg"]
    else:
        with pytest.raises(MemoryError, match="1,000 MB before its work begins, with 5 threads"):
            address_space.refuse_too_little()


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
