"""A process that has imported everything forks a child for each try: a kill costs milliseconds.

`python -m torture.children` is that process: a JSON line in for each try, and one out.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from torture.figures import ROOT
from torture.toys import call


@dataclass
class Ended:
    """How a child ended.

    Attributes:
        how: "done", "error" (an exception; `result` is its name and text), "killed" (as it was
            meant to be), "hung" (past its time), or "crashed" (by a signal that nobody sent).
        result: what the task returned.
        seconds: that it ran.
    """

    how: str
    result: Any
    seconds: float


class Nursery:
    """Forks children, one at a time, that run tasks named "module:function"."""

    def __init__(self, imports: Sequence[str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "torture.children", *imports],
            cwd=ROOT,
            env=os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(
        self,
        task: str,
        /,
        *,
        kill_after: float | None = None,
        timeout: float = 300.0,
        abrupt: bool = False,
        **arguments: Any,  # noqa: ANN401
    ) -> Ended:
        """Run a task in a child.

        Args:
            task: "module:function".
            kill_after: seconds after which it is killed.
            timeout: seconds after which it is said to hang.
            abrupt: leave out how Python ends, which takes half of a short child's time.
            arguments: of the function.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        order = {
            "task": task, "kill": kill_after, "timeout": timeout, "abrupt": abrupt,
            "arguments": arguments,
        }  # fmt: skip
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return Ended(**json.loads(self._process.stdout.readline()))

    def __enter__(self) -> Nursery:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


def _serve(imports: Sequence[str]) -> None:
    for name in imports:
        importlib.import_module(name)
    gc.freeze()  # what is imported is no child's garbage
    for line in sys.stdin:
        print(json.dumps(vars(_try(json.loads(line)))), flush=True)


def _try(order: dict[str, Any]) -> Ended:
    reader, writer = os.pipe()
    started = time.perf_counter()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _live(order, writer)
    os.close(writer)
    wait = order["timeout"] if order["kill"] is None else order["kill"]
    status = _wait(child, started + wait)
    if status is None:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        how = "hung" if order["kill"] is None else "killed"
    else:
        how = {0: "done", 1: "error"}.get(status, "crashed")  # a signal's number is another
    with os.fdopen(reader) as answer:
        text = answer.read()
    result = json.loads(text) if how in ("done", "error") else f"signal {-(status or 0)}"
    return Ended(how, result, time.perf_counter() - started)


def _live(order: dict[str, Any], writer: int) -> None:
    """Give the child's life; never returns. It ends as Python ends, as that can crash, too."""
    code, devnull = 0, os.open(os.devnull, os.O_RDWR)
    os.dup2(devnull, 0)
    os.dup2(devnull, 1)
    try:
        answer = call(order["task"], order["arguments"])
    except BaseException as error:  # noqa: BLE001 - whatever it is, the parent shall know
        code, answer = 1, f"{type(error).__name__}: {error}"
    with os.fdopen(writer, "w") as out:
        json.dump(answer, out)
    if order["abrupt"]:
        os._exit(code)
    sys.exit(code)


def _wait(child: int, until: float) -> int | None:
    """Give the exit status of a child, or None if it still lives at that time."""
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
        left = until - time.perf_counter()
        if left <= 0:
            return None
        time.sleep(min(left, 0.0005 if left < 0.01 else 0.002))


if __name__ == "__main__":
    _serve(sys.argv[1:])
