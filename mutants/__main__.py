"""Break each promise in a copy of the project, run the test that has to fail, and restore it.

Two at once. Exits with 1 where a mutant survives (its test does not fail), where its test does not
end (which shows nothing, but where the mutant says that this is its proof), where the lines to
break are no longer there, or where a test fails or is missing without any mutant.

--docs prints the table of docs/promises.md.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Queue
from typing import NamedTuple

from mutants.mutant import ROOT, MovedError, Mutant, mutated
from mutants.table import MUTANTS

KILLED, SURVIVED, MOVED, BROKEN = "killed", "SURVIVED", "MOVED", "NO TEST"
TIMEOUT = "TIME-OUT"
_AT_ONCE = 2
_SECONDS = 300  # that one test may take
_NOT_COPIED = ("site", "build", "demo", "results", "models", "*.h5", "__pycache__", "*.egg-info")
_FAILED = 1  # pytest's exit code where tests ran and some failed
_NO_END = 124  # no exit code of pytest's: that of timeout(1)


class End(NamedTuple):
    """How it ended with one mutant."""

    mutant: Mutant
    how: str
    why: str
    seconds: float


def docs_table(mutants: Sequence[Mutant] = MUTANTS) -> str:
    """Give the table of docs/promises.md: each promise, its test, and the mutant that shows it."""
    lines = ["| promise | the test that fails were it broken | the mutant |", "|---|---|---|"]
    for one in mutants:
        changes = f"`{_short(one.before)}` becomes `{_short(one.after)}`"
        cells = (one.promise, f"`{one.test}`", f"`{one.file}`: {changes}")
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def _short(code: str) -> str:
    return " ⏎ ".join(line.strip() for line in code.splitlines())


def copy_project(folder: Path, root: Path = ROOT) -> Path:
    """Copy the project's code and tests, without what was made of them."""
    target = folder / "project"
    hidden = shutil.ignore_patterns(".*", *_NOT_COPIED)

    def left_out(place: str, names: list[str]) -> set[str]:
        # Only what lies beside cli.py is a result: packages may be called so, too.
        return (
            set(hidden(place, names))
            if Path(place) == root
            else set(shutil.ignore_patterns("__pycache__")(place, names))
        )

    shutil.copytree(root, target, ignore=left_out)
    return target


def run_tests(project: Path, tests: Sequence[str]) -> tuple[int, str]:
    """Run tests in a copy; the exit code of pytest, or _NO_END, and what it said."""
    # Without compiled files: one of a mutant would outlive it where the clock stands still.
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "pytest", "-n0", "-p", "no:cacheprovider", *tests]
    try:
        done = subprocess.run(
            command, cwd=project, env=environment, capture_output=True, text=True,
            encoding="utf-8", errors="replace", check=False, timeout=_SECONDS,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return _NO_END, f"no end within {_SECONDS} s"
    return done.returncode, done.stdout + done.stderr


def check(mutant: Mutant, project: Path) -> End:
    """Break the promise, run its test, and restore the file."""
    started, path = time.perf_counter(), project / mutant.file
    try:
        text = mutated(mutant, project)
    except MovedError as error:
        return End(mutant, MOVED, str(error), 0.0)
    whole = path.read_bytes()
    path.write_bytes(text.encode("utf-8"))
    try:
        code, said = run_tests(project, [mutant.test])
    finally:
        path.write_bytes(whole)
    seconds = time.perf_counter() - started
    if code == _FAILED or (code == _NO_END and mutant.hangs):
        return End(mutant, KILLED, "", seconds)
    if code == _NO_END:
        return End(mutant, TIMEOUT, f"{said}: whether the test would fail is not known", seconds)
    if code == 0:
        return End(mutant, SURVIVED, "its test passes though the promise is broken", seconds)
    return End(mutant, BROKEN, f"pytest ends with {code}: {_last(said)}", seconds)


def check_all(mutants: Sequence[Mutant], root: Path = ROOT) -> list[End]:
    """Check every mutant, in order, in copies of the project; the tests must pass without any."""
    with tempfile.TemporaryDirectory() as name:
        copies: Queue[Path] = Queue()
        for number in range(_AT_ONCE):
            copies.put(copy_project(Path(name) / str(number), root))

        def one(mutant: Mutant) -> End:
            project = copies.get()
            try:
                end = check(mutant, project)
            finally:
                copies.put(project)
            print(
                f"{end.seconds:5.1f} s  {end.how:8}  {mutant.promise}", file=sys.stderr, flush=True
            )
            return end

        def faults(tests: Sequence[str]) -> dict[str, str]:
            project = copies.get()
            try:
                code, said = run_tests(project, tests)
            finally:
                copies.put(project)
            if code == 0:
                return {}
            if code == _NO_END:
                return dict.fromkeys(tests, said)
            failed = [line for line in said.splitlines() if line.startswith(("FAILED", "ERROR"))]
            found = {test: line for test in tests for line in failed if f" {test}" in line}
            return found or dict.fromkeys(tests, f"pytest ends with {code}: {_last(said)}")

        with ThreadPoolExecutor(_AT_ONCE) as pool:
            tests = list(dict.fromkeys(mutant.test for mutant in mutants))
            shares = [tests[at::_AT_ONCE] for at in range(min(_AT_ONCE, len(tests)))]
            print("the tests without any mutant …", file=sys.stderr, flush=True)
            bad = {test: why for found in pool.map(faults, shares) for test, why in found.items()}
            ends = pool.map(one, [mutant for mutant in mutants if mutant.test not in bad])
            done = {end.mutant: end for end in ends}
        return [
            done.get(mutant)
            or End(mutant, BROKEN, f"fails without any mutant: {bad[mutant.test]}", 0.0)
            for mutant in mutants
        ]


def _last(said: str) -> str:
    lines = [line for line in said.splitlines() if line.strip()]
    told = [line for line in lines if line.startswith(("FAILED", "ERROR"))]
    return "; ".join(told[:5] or lines[-1:])


def main(arguments: Sequence[str] | None = None) -> int:
    """Check the mutants whose promise, file or test has one of the words, or all."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("words", nargs="*", metavar="WORD", help="of promise, file or test")
    parser.add_argument("--docs", action="store_true", help="print the table of the documents")
    given = parser.parse_args(arguments)
    if given.docs:
        sys.stdout.write(docs_table())
        return 0
    chosen = [
        one for one in MUTANTS
        if not given.words or any(word in " ".join((one.promise, one.file, one.test))
                                  for word in given.words)
    ]  # fmt: skip
    if not chosen:
        parser.error("no mutant has one of these words")
    started = time.perf_counter()
    ends = check_all(chosen)
    width = max(len(end.mutant.promise) for end in ends)
    for end in ends:
        print(f"{end.mutant.promise:{width}}  {end.how:8}  {end.mutant.test}")
    bad = [end for end in ends if end.how != KILLED]
    for end in bad:
        print(f"{end.how}: {end.mutant.promise} ({end.mutant.file}): {end.why}")
    minutes = (time.perf_counter() - started) / 60
    print(f"{len(ends) - len(bad)} of {len(ends)} mutants are killed, in {minutes:.1f} minutes")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
