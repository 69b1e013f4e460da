"""pipeline.line.watch: each photograph once, a line for each part, whatever breaks in between."""

from __future__ import annotations

import csv
import errno
import io
import json
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from commands import Run, fails
from models import load, shade
from PIL import Image

from features.errors import DataError, OutputError
from pipeline.groups.rules import GroupRule
from pipeline.line import delivery, json_lines, new_files
from pipeline.line.delivery import Command, Folders, Table
from pipeline.line.forming import Forming
from pipeline.line.live_model import LiveModel
from pipeline.line.new_files import Waker
from pipeline.line.verdict_log import read_verdicts
from pipeline.line.watch import Outlets, Pace, Watch, columns_of
from pipeline.line.watch_journal import Journal

BY_PART = GroupRule("regex", r"part-(\d+)")
ALONE = GroupRule()


@pytest.fixture(scope="module")
def live(line: Path) -> LiveModel:
    return LiveModel(load(line / "model"))


class Bench:
    """A watched folder on a clock of its own, that can be started again."""

    def __init__(self, live: LiveModel, root: Path, suffix: str = ".csv", **more: object) -> None:
        self.live, self.root, self.suffix, self.more = live, root, suffix, more
        self.folder = root / "incoming"
        self.folder.mkdir(exist_ok=True)
        self.now = 0.0
        self.said: list[str] = []
        self.start()

    def start(self, rule: GroupRule = ALONE, size: int | None = None, pause: float = 5.0) -> Bench:
        """As after a crash: nothing is known but what is on the disk."""
        self.table = self.root / f"verdicts{self.suffix}"
        outlets = Outlets(Table(str(self.table), columns_of(True)), **self.more)  # type: ignore[arg-type]
        self.watch = Watch(
            self.live, self.folder, Journal(self.root / "journal.jsonl"), outlets,
            Forming(rule, pause=pause, size=size), pace=Pace(), say=self.said.append,
        )  # fmt: skip
        return self

    def put(self, name: str, seed: int = 0, bad: bool = False) -> Path:
        """Give a photograph that appears whole."""
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(shade(seed, bad)).save(file)
        return file

    def wait(self, seconds: float, each: float = 1.0) -> Bench:
        with ThreadPoolExecutor(2) as pool:
            for _ in range(round(seconds / each)):
                self.now += each
                self.watch.step(self.now, pool, threading.Event())
        return self

    @property
    def lines(self) -> list[dict[str, str]]:
        if not self.table.exists():
            return []
        text = self.table.read_text("utf-8-sig")
        if self.suffix == ".jsonl":
            return [json.loads(line) for line in text.splitlines()]
        return list(csv.DictReader(io.StringIO(text)))


@pytest.fixture
def bench(live: LiveModel, tmp_path: Path) -> Bench:
    return Bench(live, tmp_path)


def test_a_line_for_each_photograph(bench: Bench) -> None:
    """With verdict, number and outcome; also in folders below."""
    bench.put("a.png", 1)
    bench.put("b.png", 2, bad=True)
    bench.put("below/c.png", 3)
    (bench.folder / "readme.txt").write_text("no photograph")
    bench.wait(4)
    found = {one["part"]: one for one in bench.lines}
    assert {name: one["outcome"] for name, one in found.items()} == {
        "a.png": "ok", "b.png": "defect", "below/c.png": "ok",
    }  # fmt: skip
    assert sorted(one["number"] for one in bench.lines) == ["1", "2", "3"]
    assert found["b.png"]["class"] == "defects"
    assert float(found["b.png"]["probability_of_defect"]) > 0.5
    assert found["b.png"]["model"] == bench.live.fingerprint
    assert len(bench.said) == 3


def test_a_growing_file_is_waited_for(bench: Bench) -> None:
    """As long as it changes, and a moment longer."""
    whole = bench.put("../whole.png", 1, bad=True).read_bytes()
    growing = bench.folder / "a.png"
    for end in range(100, len(whole), len(whole) // 5):
        growing.write_bytes(whole[:end])
        bench.wait(0.8, each=0.4)
        assert not bench.lines
    for _ in range(12):  # readable by now, and still written to
        growing.write_bytes(whole)
        bench.wait(0.8, each=0.4)
        assert not bench.lines
    bench.wait(3)
    assert [(one["part"], one["class"]) for one in bench.lines] == [("a.png", "defects")]


def test_half_a_copy_that_stalls_is_not_reported_before_its_time(bench: Bench) -> None:
    """Then it goes on, and has its verdict; another never does, and has a line with the reason."""
    whole = bench.put("../whole.png", 1).read_bytes()
    for name in ("a.png", "b.png"):
        (bench.folder / name).write_bytes(whole[: len(whole) // 2])
    (bench.folder / "empty.png").write_bytes(b"")
    bench.wait(8)
    assert not bench.lines
    (bench.folder / "a.png").write_bytes(whole)
    bench.wait(12)
    found = {one["part"]: one for one in bench.lines}
    assert found["a.png"]["class"] == "Healthy"
    assert found["b.png"]["class"] == ""
    assert found["b.png"]["outcome"] == "review"
    assert found["b.png"]["error"]
    assert "empty.png" not in found


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
def test_what_is_no_photograph_holds_up_nothing(bench: Bench, tmp_path: Path) -> None:
    """Pipes, circles of links, links to elsewhere, an empty file, a folder with a file's name."""
    os.mkfifo(bench.folder / "pipe.png")
    private = bench.put("../private/mine.png", seed=1)
    (bench.folder / "circle").symlink_to(bench.folder, target_is_directory=True)
    (bench.folder / "elsewhere").symlink_to(private.parent, target_is_directory=True)
    (bench.folder / "gone.png").symlink_to(tmp_path / "nowhere")
    (bench.folder / "folder.png").mkdir()
    (bench.folder / "device.png").symlink_to("/dev/zero")
    (bench.folder / "empty.png").touch()
    bench.put("folder.png/a.png", seed=2)
    huge = bench.put("huge.png", seed=3)
    os.truncate(huge, 2**33)
    bench.wait(30)
    assert sorted(line["part"] for line in bench.lines) == ["folder.png/a.png", "huge.png"]
    assert [bool(line["error"]) for line in bench.lines if line["part"] == "huge.png"] == [True]
    assert not bench.watch.files.waiting
    assert private.exists()


def test_a_forged_journal_is_refused(bench: Bench, tmp_path: Path) -> None:
    """It would have photographs moved that lie elsewhere, or end in a mistake of the program."""
    bench.put("a.png")
    bench.wait(5)
    (record, *_) = json_lines.read_lines(tmp_path / "journal.jsonl")
    for change in (
        {"photographs": [["../private/a.png", 1, 1, ""]]},
        {"photographs": [["a.png", float("inf"), 1, ""]]},
        {"photographs": 7},
        {"outcome": "elsewhere"},
        {"number": float("inf")},
        {"line": []},
    ):
        path = tmp_path / "forged.jsonl"
        path.write_text(json.dumps(record | change) + "\n")
        with pytest.raises(DataError, match="no report"):
            Journal(path)


def test_each_once_over_restarts(bench: Bench) -> None:
    """Started again, touched, or written again with its bytes: nothing; other bytes: a line."""
    a = bench.put("a.png", 1)
    bench.wait(4)
    bench.start().wait(4)
    os.utime(a, (1e9, 1e9))
    bench.wait(4)
    bench.start().wait(4)
    assert len(bench.lines) == 1
    bench.put("a.png", 2, bad=True)
    bench.start().wait(4)
    assert [one["class"] for one in bench.lines] == ["Healthy", "defects"]
    assert "reported before (line 1)" in bench.lines[1]["note"]


def test_another_model_takes_over(line: Path, bench: Bench, tmp_path: Path) -> None:
    """One that was put in its place is asked from then on; one that cannot be read is not."""
    model = Path(shutil.copytree(line / "model", tmp_path / "model"))
    bench.live = LiveModel(load(model))
    bench.start()
    bench.watch.renew = lambda: LiveModel(load(model))
    bench.put("a.png", 1)
    bench.wait(4)
    about = json.loads((model / "model.json").read_text("utf-8"))
    (model / "model.json").write_text("{", "utf-8")
    bench.put("b.png", 2)
    bench.wait(4)
    about["decision"] |= {"pass_below": 0.0, "reject_from": 0.0}
    (model / "model.json").write_text(json.dumps(about), "utf-8")
    bench.put("c.png", 3)
    bench.wait(4)
    assert [one["class"] for one in bench.lines] == ["Healthy", "Healthy", "defects"]
    first, second, third = (one["model"] for one in bench.lines)
    assert first == second != third


class CrashError(BaseException):
    """What no handler of errors catches, as a kill."""


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("nth", range(1, 7))
@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_a_crash_at_any_write_loses_and_repeats_nothing(
    live: LiveModel,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    nth: int,
    after: bool,
    suffix: str,
) -> None:
    """Killed before or after each write to the disk, and started again: one line each."""
    bench = Bench(live, tmp_path, suffix)
    bench.put("a.png", 1)
    bench.put("b.png", 2, bad=True)
    count, real = 0, json_lines._append

    def crash(path: Path, lines: bytes) -> None:
        nonlocal count
        count += 1
        if count == nth and not after:
            raise CrashError
        real(path, lines)
        if count == nth:
            raise CrashError

    monkeypatch.setattr(json_lines, "_append", crash)
    with pytest.raises(CrashError):
        bench.wait(6)
    monkeypatch.undo()
    bench.start().wait(6)
    assert sorted(one["part"] for one in bench.lines) == ["a.png", "b.png"]
    assert sorted(int(one["number"]) for one in bench.lines) == [1, 2]


def test_a_torn_line_is_mended(bench: Bench) -> None:
    """Half a line that a power cut left in table and journal goes; its photograph is reported."""
    bench.put("a.png", 1)
    bench.wait(4)
    for file in (bench.table, bench.root / "journal.jsonl"):
        with file.open("ab") as out:
            out.write(b'{"part": "b.p')
    bench.put("b.png", 2)
    bench.start().wait(4)
    assert [one["part"] for one in bench.lines] == ["a.png", "b.png"]


def test_a_full_disk_is_said_and_waited_for(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing is lost, nothing twice, and it is said once, not every second."""
    real, full = os.write, True

    def write(descriptor: int, data: bytes) -> int:
        if full:
            real(descriptor, bytes(data)[:7])  # what still went in
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(descriptor, data)

    monkeypatch.setattr(json_lines.os, "write", write)
    for number in range(3):
        bench.put(f"{number}.png", number)
    bench.wait(30)
    assert not bench.lines
    assert sum("No space left" in text for text in caplog.messages) == 1
    full = False
    bench.wait(12)
    assert sorted(one["part"] for one in bench.lines) == ["0.png", "1.png", "2.png"]


def test_a_table_that_cannot_be_written_waits(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where a spreadsheet holds it on Windows: reported once it is free, each line once."""
    real, held = delivery.append_bytes, True

    def add(path: Path, data: bytes) -> None:
        if held:
            raise OutputError(f"{path} cannot be written (Permission denied)")
        real(path, data)

    monkeypatch.setattr(delivery, "append_bytes", add)
    bench.put("a.png", 1)
    bench.wait(12)
    bench.put("b.png", 2)
    held = False
    bench.wait(12)
    assert [one["part"] for one in bench.lines] == ["a.png", "b.png"]


def test_a_share_that_goes_and_comes_back(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """It is said once each way, and watched again."""
    bench.put("a.png", 1)
    bench.wait(4)
    bench.folder.rename(bench.root / "gone")
    bench.wait(20)
    (bench.root / "gone").rename(bench.folder)
    bench.put("b.png", 2)
    bench.wait(10)
    assert [one["part"] for one in bench.lines] == ["a.png", "b.png"]
    assert sum("cannot be listed" in text for text in caplog.messages) == 1
    assert sum("is back" in text for text in caplog.messages) == 1


def test_a_part_is_told_once_it_is_complete(bench: Bench) -> None:
    """With so many photographs, or after a pause; one that comes later has a line that says so."""
    bench.start(BY_PART, size=3)
    for view in range(2):
        bench.put(f"part-7_{view}.png", view, bad=True)
    bench.put("stray.png", 9)
    bench.wait(4)
    assert [one["part"] for one in bench.lines] == ["stray.png"]
    assert "names no part" in bench.lines[0]["note"]
    bench.put("part-7_2.png", 2, bad=True)
    bench.wait(3)
    assert [one["part"] for one in bench.lines] == ["stray.png", "7"]
    assert bench.lines[1]["photographs"] == "3"
    bench.put("part-8_0.png", 20)
    bench.wait(4)
    assert len(bench.lines) == 2
    bench.wait(6)
    assert (bench.lines[2]["part"], bench.lines[2]["photographs"]) == ("8", "1")
    bench.put("part-7_3.png", 3, bad=True)
    bench.wait(10)
    assert "reported before (line 2)" in bench.lines[3]["note"]


def test_a_table_says_when_a_part_is_complete(bench: Bench) -> None:
    """At the last photograph that it names, without a pause; it may grow meanwhile."""
    table = bench.root / "parts.csv"
    table.write_text("path,group\na.png,7\nb.png,7\n", "utf-8")
    bench.start(GroupRule("file", str(table)), pause=100)
    bench.put("a.png", 1)
    bench.wait(5)
    assert not bench.lines
    bench.put("b.png", 2)
    bench.wait(3)
    assert [(one["part"], one["photographs"]) for one in bench.lines] == [("7", "2")]
    table.write_text("path,group\na.png,7\nb.png,7\nc.png,8\n", "utf-8")
    os.utime(table, (2e9, 2e9))
    bench.put("c.png", 3)
    bench.wait(3)
    assert bench.lines[1]["part"] == "8"


def test_a_gap_in_time_ends_a_part(bench: Bench) -> None:
    """As soon as a photograph of the next one is there; the last after a pause."""
    bench.start(GroupRule("gap", "10s"))
    for number, taken in enumerate((1000, 1004, 1100)):
        file = bench.put(f"{number}.png", number)
        os.utime(file, (taken, taken))
    bench.wait(4)
    assert [(one["part"], one["photographs"]) for one in bench.lines] == [("0.png", "2")]
    bench.wait(12)
    assert bench.lines[1]["files"] == "2.png"


def test_photographs_are_moved_after_their_line(live: LiveModel, tmp_path: Path) -> None:
    """To three folders, which are not watched; nothing is replaced there."""
    incoming = tmp_path / "incoming"
    bench = Bench(live, tmp_path, folders=Folders("ok,look,bad", incoming))
    bench.put("a.png", 1)
    bench.put("sub/b.png", 2, bad=True)
    (bench.folder / "c.png").write_bytes(b"no picture")
    bench.wait(16)
    assert (incoming / "ok" / "a.png").is_file()
    assert (incoming / "bad" / "sub" / "b.png").is_file()
    assert (incoming / "look" / "c.png").is_file()
    before = (incoming / "ok" / "a.png").read_bytes()
    bench.put("a.png", 5)
    bench.start().wait(5)
    assert (incoming / "ok" / "a.png").read_bytes() == before
    assert (incoming / "ok" / "a-2.png").is_file()
    assert len(bench.lines) == 4


def test_what_cannot_be_moved_holds_up_nothing(
    live: LiveModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other parts have their lines; it is moved when that can be done, after a restart too."""
    folders = Folders("ok,look,bad", tmp_path / "incoming")
    bench = Bench(live, tmp_path, folders=folders)
    real, broken = delivery._move, True

    def move(source: Path, target: Path) -> None:
        if broken:
            raise OSError(errno.EACCES, "Permission denied")
        real(source, target)

    monkeypatch.setattr(delivery, "_move", move)
    bench.put("a.png", 1)
    bench.wait(4)
    bench.put("b.png", 2)
    bench.wait(8)
    assert [one["part"] for one in bench.lines] == ["a.png", "b.png"]
    broken = False
    bench.start().wait(3)
    assert sorted(file.name for file in (tmp_path / "incoming" / "ok").iterdir()) == [
        "a.png", "b.png",
    ]  # fmt: skip
    assert len(bench.lines) == 2


def _teller(tmp_path: Path, body: str) -> str:
    program = tmp_path / "tell me.py"
    program.write_text(f"import sys, time\ntext = sys.stdin.read()\n{body}\n", "utf-8")
    return f'"{sys.executable}" "{program}" "$(touch hacked); echo"'


@pytest.mark.skipif(os.name == "nt", reason="quoting as a POSIX shell has it")
def test_a_program_is_told_without_a_shell(
    live: LiveModel, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Each line once, as JSON; nothing in it or in the arguments is run."""
    told = tmp_path / "told.jsonl"
    text = _teller(tmp_path, f"open({str(told)!r}, 'a').write(text); sys.exit(len(text) > 9)")
    bench = Bench(live, tmp_path, command=Command(text, 120))
    bench.put("$(touch hacked).png", 1, bad=True)
    bench.wait(4)
    (line,) = [json.loads(one) for one in told.read_text().splitlines()]
    assert line["part"] == "$(touch hacked).png"
    assert line["outcome"] == "defect"
    assert line["number"] == 1
    assert any("ended with 1" in one for one in caplog.messages)
    assert not list(tmp_path.rglob("hacked"))


@pytest.mark.skipif(os.name == "nt", reason="quoting as a POSIX shell has it")
def test_a_program_that_hangs_is_ended(
    live: LiveModel, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Its line stands, and the next part is judged."""
    bench = Bench(live, tmp_path, command=Command(_teller(tmp_path, "time.sleep(60)"), 0.3))
    bench.put("a.png", 1)
    bench.put("b.png", 2)
    bench.wait(4)
    assert len(bench.lines) == 2
    assert sum("did not end within 0.3 s" in one for one in caplog.messages) == 2


def test_verdicts_are_logged_for_drift(live: LiveModel, tmp_path: Path) -> None:
    """Who, when, what, and of which bytes."""
    bench = Bench(live, tmp_path, log=tmp_path / "verdicts.log.jsonl")
    bench.put("a.png", 1, bad=True)
    bench.wait(4)
    (found,) = read_verdicts(tmp_path / "verdicts.log.jsonl")
    assert (found.source, found.part, found.verdict) == ("watch", "a.png", "defects")
    assert len(found.digests[0]) == 64


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda root: Folders("ok,bad", root), "expected three folders"),
        (lambda root: Folders("a,b,a", root), "expected three folders"),
        (lambda root: Folders("..,b,c", root), "itself or a folder above"),
        (lambda root: Command("no-such-program --now", 1), "no program"),
        (lambda root: Command("", 1), "nothing"),
        (lambda root: Table("verdicts.xlsx", ["part"]), r"expected \.csv or \.jsonl"),
        (lambda root: Forming(GroupRule("regex", "("), pause=1), "no regular expression"),
        (lambda root: Forming(GroupRule("file", str(root / "no.csv")), pause=1), "no.csv"),
    ],
)
def test_wishes_that_cannot_be_met_are_refused(
    tmp_path: Path, make: Callable[[Path], object], match: str
) -> None:
    """Before anything is watched."""
    with pytest.raises(DataError, match=match):
        make(tmp_path)


def test_the_command(line: Path, tmp_path: Path, run: Run) -> None:
    """`--once` reports what is there and ends; again, it has nothing to say."""
    (tmp_path / "incoming").mkdir()
    for part in (1, 3):
        for view in range(2):
            image = Image.fromarray(shade(100 * part + view, part == 3))
            image.save(tmp_path / "incoming" / f"part-{part}_{view}.png")
    shutil.copy(line / "features.h5", tmp_path)
    asked = (
        "watch", "incoming", "--model", str(line / "model"), "--once", "--settle", "0.1",
        "--polling", "--group-regex", r"part-(\d+)",
    )  # fmt: skip
    code, out, err = run(*asked, "--move-to", "ok,review,defect")
    assert code == 0, err
    assert "2 parts, 4 photographs" in err
    text = (tmp_path / "verdicts.csv").read_text("utf-8-sig")
    assert {one["part"]: one["outcome"] for one in csv.DictReader(io.StringIO(text))} == {
        "1": "ok", "3": "defect",
    }  # fmt: skip
    assert len(list((tmp_path / "incoming" / "defect").iterdir())) == 2
    code, _, err = run(*asked, "--move-to", "ok,review,defect")
    assert "0 parts" in err
    (tmp_path / "verdicts.journal.jsonl").rename(tmp_path / "elsewhere.jsonl")
    fails(run(*asked), "would be reported again")
    fails(run(*asked, "--out", "-"), "--journal FILE")
    code, out, err = run(*asked, "--out", "-", "--journal", "j.jsonl", "--move-to", "a,b,c")
    assert code == 0, err
    assert json.loads(out.splitlines()[0])["part"] in "13"


def test_a_network_drive_is_polled(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """No notice is asked for; the folder is listed again and again, and what came is judged."""
    pytest.importorskip("watchdog", reason="needs the extra line")
    asked = Waker(bench.folder, polling=True)
    assert asked.why_polling == "asked for"
    monkeypatch.setattr(new_files, "network_file_system", lambda _path: "nfs4")
    drive = Waker(bench.folder, polling=False)
    assert "network file system (nfs4)" in drive.why_polling
    monkeypatch.setattr(new_files, "network_file_system", lambda _path: None)
    local = Waker(bench.folder, polling=False)
    assert local.why_polling == ""
    local.close()
    slept: list[float] = []
    monkeypatch.setattr(drive, "sleep", lambda seconds: (slept.append(seconds), time.sleep(0.02)))
    bench.watch.pace = Pace(settle=0.05, every=0.3)
    bench.watch.files.settle = 0.05
    stop = threading.Event()
    running = threading.Thread(target=bench.watch.run, args=(stop, drive))
    running.start()
    bench.watch.forming.pause = 0.1
    bench.put("a.png")
    until = time.monotonic() + 120
    while not bench.said:
        assert time.monotonic() < until
        time.sleep(0.02)
    stop.set()
    running.join(120)
    assert [one["part"] for one in bench.lines] == ["a.png"]
    assert 0.3 in slept
    assert max(slept) == 0.3  # never the long pause of a folder that gives notice


@pytest.mark.skipif(os.name == "nt", reason="signals as POSIX has them")
def test_sigterm_ends_it_cleanly(
    line: Path, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With exit code 0; what is not complete is left for the next start."""
    before, seen, add = signal.getsignal(signal.SIGTERM), threading.Event(), Forming.add

    def added(self: Forming, *given: object) -> None:
        add(self, *given)  # type: ignore[arg-type]
        seen.set()

    def end() -> None:
        """Not before the photograph was looked at: by then the watch listens for the signal."""
        seen.wait(120)
        if signal.getsignal(signal.SIGTERM) is not before:  # else it would end the tests
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(Forming, "add", added)
    (tmp_path / "incoming").mkdir()
    Image.fromarray(shade(1, False)).save(tmp_path / "incoming" / "part-1_0.png")
    ending = threading.Thread(target=end)
    ending.start()
    asked = ("watch", "incoming", "--model", str(line / "model"), "--settle", "0.1", "--no-cache")
    code, _, err = run(*asked, "--group-regex", r"part-(\d+)", "--pause", "60")
    ending.join()
    assert code == 0, err
    assert seen.is_set()
    assert "0 parts" in err
    code, _, err = run(*asked, "--group-regex", r"part-(\d+)", "--once")
    assert "1 parts, 1 photographs" in err
