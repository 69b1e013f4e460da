"""The main job with the real backbone and the network cut off: does anything call out?"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from pipeline.demo.draw_parts import draw_parts
from torture.figures import ROOT, Figure

_HOOK = """
import sys
def _refuse(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto", "socket.gethostbyname"):
        with open({log!r}, "a") as log:
            print(event, arguments[1:], file=log)
        raise OSError("no network here")
sys.addaudithook(_refuse)
"""
"""Put before every Python process of the job: notes and refuses each call of the network."""

_COMMANDS = (
    ("extract", "data", "--weights", "random", "--group-regex", r"part-(\d+)"),
    ("fit", "--head", "dense", "--set", "epochs=2"),
    ("compare-heads", "--heads", "logistic,forest,majority", "--repeats", "1", "--jobs", "2"),
    ("fit", "--head", "best"),
    ("evaluate",),
    ("predict", "model", "new", "--sheet", "sheet.png"),
    ("info", "model"),
)


def run(quick: bool) -> list[Figure]:
    """One figure: commands, and how many of them asked for the network."""
    commands = _COMMANDS[-1:] if quick else _COMMANDS
    with tempfile.TemporaryDirectory(prefix="onepass-") as name:
        folder = Path(name)
        (folder / "hook").mkdir()
        log = folder / "calls.txt"
        (folder / "hook" / "sitecustomize.py").write_text(_HOOK.format(log=str(log)))
        if not quick:
            draw_parts(folder / "data", parts=16, views=3, seed=1)
            draw_parts(folder / "new", parts=2, views=2, seed=1, lot=1)
        failed = []
        for command in commands:
            done = _run(folder, command)
            if done.returncode and not quick:
                failed.append(f"{command[0]}: {done.stderr.strip()[-300:]}")
        calls = log.read_text().splitlines() if log.exists() else []
        traced = _system_calls(folder / "trace")
    return [
        Figure(
            "commands of the main job without a network",
            len(commands),
            len(commands),
            len(failed) + len(calls) + len(traced),
            f"{len(calls) + len(traced)} calls of the network, {len(failed)} commands missed it",
            {"failed": failed, "calls": calls, "traced": traced, "how": _cut()},
        )
    ]


def _cut() -> list[str]:
    """Say what to put before a command: a namespace without a network, a trace of system calls."""
    how: list[str] = []
    if shutil.which("unshare"):
        works = subprocess.run(["unshare", "-rn", "true"], capture_output=True)
        how += [] if works.returncode else ["unshare", "-rn"]
    return how


def _run(folder: Path, command: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    trace = ["strace", "-f", "-qq", "-e", "trace=connect,sendto,sendmsg", "-A", "-o",
             str(folder / "trace")] if shutil.which("strace") else []  # fmt: skip
    return subprocess.run(
        [*_cut(), *trace, sys.executable, str(ROOT / "cli.py"), *command],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder / "hook")},
        capture_output=True,
        text=True,
    )


def _system_calls(trace: Path) -> list[str]:
    """Lines of a trace that name an address of the internet."""
    if not trace.exists():
        return []
    lines = trace.read_text("utf-8", "replace").splitlines()
    return [line for line in lines if re.search(r"AF_INET6?\b", line)]
