"""Corrections: an append-only log with undo, and copies that `extract` reads as data."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from checkout import ROOT
from toy import photograph

from features.errors import BundleError, DataError, OutputError
from pipeline.data.folder import scan_folder
from pipeline.groups.rules import GroupRule, apply_rule
from pipeline.line import corrections
from pipeline.line.corrections import Correction, Inbox, Shown, model_fingerprint
from pipeline.line.json_lines import append_lines, read_lines
from pipeline.line.verdict_log import LoggedVerdict, append_verdicts, read_verdicts

ONE, TWO, THREE = (photograph(seed) for seed in (1, 2, 3))


def correct(inbox: Inbox, *files: bytes, part: str = "part 7", **said: Any) -> Correction:
    asked = {"judgement": "wrong", "label": "defects"} | said
    shown = Shown(part, "Healthy", 0.2, "0" * 16)
    return inbox.correct([(data, ".PNG") for data in files], shown, **asked)


def tree(inbox: Inbox) -> list[str]:
    files = (file for file in inbox.folder.rglob("*") if file.suffix == ".png")
    return sorted(file.relative_to(inbox.folder).as_posix() for file in files)


def test_a_correction_is_a_line_and_copies_that_extract_reads(tmp_path: Path) -> None:
    """What was said stands in the log, and the folder is read with class and part."""
    inbox = Inbox(tmp_path / "inbox")
    made = correct(inbox, ONE, TWO, note="scratch\n<b>", by="Ada")
    correct(inbox, THREE, part="part/8", judgement="right", label="Healthy")
    first, second = inbox.corrections()
    assert first == made
    assert (second.part, second.label) == ("part/8", "Healthy")
    assert first.note == "scratch\n<b>"
    for one, file in zip((ONE, TWO), first.files, strict=True):
        assert (inbox.folder / file).read_bytes() == one
    scan = scan_folder(inbox.data)
    assert scan.class_names == ["Healthy", "defects"]
    rule = GroupRule("file", str(inbox.folder / "groups.csv"))
    grouped = apply_rule(rule, scan.photographs).photographs
    assert sorted(p.group for p in grouped) == ["inbox-part 7", "inbox-part 7", "inbox-part/8"]
    assert {(p.path, p.label, p.group) for p in grouped} == {
        (p.path, p.label, p.group) for p in inbox.photographs()
    }


def test_nothing_is_overwritten_and_the_latest_word_counts(tmp_path: Path) -> None:
    """The log only grows; a later correction of one photograph leaves the other alone."""
    inbox = Inbox(tmp_path)
    first = correct(inbox, ONE, TWO)
    before = inbox.log.read_bytes()
    second = correct(inbox, TWO, label="Healthy", part="part 7")
    assert inbox.log.read_bytes().startswith(before)
    assert sorted(p.label for p in inbox.photographs()) == ["Healthy", "defects"]
    assert [name.split("/")[:2] for name in tree(inbox)[:2]] == [
        ["photographs", "Healthy"],
        ["photographs", "defects"],
    ]
    assert inbox.undo(second.id) == second
    assert inbox.corrections() == [first]
    assert [p.label for p in inbox.photographs()] == ["defects", "defects"]
    assert all((inbox.folder / name).is_file() for name in first.files)
    inbox.undo(first.id)
    assert inbox.photographs() == []
    assert not any(name.startswith("photographs") for name in tree(inbox))
    assert len(read_lines(inbox.log)) == 4
    with pytest.raises(DataError, match="taken back already"):
        inbox.undo(first.id)


def test_cannot_tell_counts_for_no_class(tmp_path: Path) -> None:
    """It is kept, with its photograph, and is no training data."""
    inbox = Inbox(tmp_path)
    made = correct(inbox, ONE, judgement="unsure", label="")
    assert inbox.corrections() == [made]
    assert inbox.photographs() == []
    assert (tmp_path / made.files[0]).read_bytes() == ONE
    correct(inbox, ONE)
    assert [p.label for p in inbox.photographs()] == ["defects"]


@pytest.mark.parametrize(
    "said",
    [
        {"judgement": "maybe"},
        {"label": ""},
        {"judgement": "unsure"},
        {"label": "../x"},
        {"label": ".x"},
        {"label": "a/b"},
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path: Path, said: dict[str, str]) -> None:
    """Another judgement, a class too much or too few, a class that leads elsewhere."""
    with pytest.raises(DataError, match=r"expected|folder"):
        correct(Inbox(tmp_path), ONE, **said)
    with pytest.raises(DataError, match="no photograph"):
        correct(Inbox(tmp_path))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("part", ["../../etc/passwd", "C:\\x", "a\0b", "…", "x" * 500, ""])
def test_a_part_name_never_becomes_a_path(tmp_path: Path, part: str) -> None:
    """Whatever a part is called, its copy lies in its class's folder."""
    inbox = Inbox(tmp_path / "in")
    made = correct(inbox, ONE, part=part)
    assert inbox.corrections()[0].part == part
    assert [path.parent for path in tmp_path.rglob("*.png")] == [inbox.data / "defects"]
    assert made.files[0].startswith("photographs/defects/")


def test_a_log_that_leads_outside_is_refused(tmp_path: Path) -> None:
    """A forged line has no file moved that is not the inbox's."""
    inbox = Inbox(tmp_path / "in")
    correct(inbox, ONE)
    record = read_lines(inbox.log)[0]
    for name in ("../x.png", "/etc/x", "photographs/../../x.png", "photographs/x"):
        append_lines(inbox.log, [record | {"id": "1", "files": [name]}])
        with pytest.raises(DataError, match="outside the inbox"):
            inbox.settle()
        inbox.log.write_bytes(inbox.log.read_bytes().split(b"\n")[0] + b"\n")


def test_a_torn_line_is_cut_off_and_a_broken_one_is_said(tmp_path: Path) -> None:
    """A writer killed in its line told nobody; a damaged line in the middle is another thing."""
    inbox = Inbox(tmp_path)
    first = correct(inbox, ONE)
    with inbox.log.open("ab") as file:
        file.write(b'{"kind": "corr')
    assert inbox.corrections() == [first]
    second = correct(inbox, TWO)
    assert inbox.corrections() == [first, second]
    inbox.log.write_bytes(inbox.log.read_bytes().replace(b'"kind"', b'"ki', 1))
    with pytest.raises(DataError, match="line 1 of"):
        inbox.corrections()


def test_a_copy_that_nobody_acknowledged_is_put_aside(tmp_path: Path) -> None:
    """A process killed between copy and line leaves a copy that must not be learnt from."""
    inbox = Inbox(tmp_path)
    made = correct(inbox, ONE)
    orphan = inbox.data / "defects" / "killed__0123.png"
    orphan.write_bytes(TWO)
    assert inbox.settle() == 1
    assert not orphan.exists()
    assert (tmp_path / "set-aside" / orphan.name).read_bytes() == TWO
    assert (tmp_path / made.files[0]).is_file()
    assert inbox.settle() == 0


def test_who_takes_one_back_meanwhile_puts_no_other_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between a copy and its line another client's undo settles the inbox: it waits its turn."""
    inbox = Inbox(tmp_path)
    first = correct(inbox, ONE)
    undoing = threading.Thread(target=inbox.undo, args=(first.id,))

    def append(path: Path, records: list[dict[str, Any]]) -> None:
        if records[0]["kind"] == "correction":
            undoing.start()
            undoing.join(0.2)  # where it does not wait it is done by then
        append_lines(path, records)

    monkeypatch.setattr(corrections, "append_lines", append)
    second = correct(inbox, TWO)
    undoing.join()
    assert inbox.corrections() == [second]
    assert (tmp_path / second.files[0]).read_bytes() == TWO


@pytest.mark.skipif(os.name == "nt", reason="needs SIGKILL")
def test_what_was_acknowledged_survives_kill(tmp_path: Path) -> None:
    """Kill -9 in the middle of corrections: every one that was told is there, whole."""
    code = (
        "import sys; from pathlib import Path; from pipeline.line.corrections import Inbox, Shown\n"
        "inbox = Inbox(Path(sys.argv[1]))\n"
        "for number in range(10_000):\n"
        "    data = b'photograph %d' % number\n"
        "    made = inbox.correct([(data, '.png')], Shown(str(number), 'Healthy', .1, '0'),\n"
        "        judgement='wrong', label='defects')\n"
        "    print(made.id, flush=True)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    told = [process.stdout.readline().strip() for _ in range(5)]
    time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    told += process.stdout.read().split()
    process.wait()
    inbox = Inbox(tmp_path)
    inbox.settle()
    found = {one.id: one for one in inbox.corrections()}
    assert set(told) <= set(found)
    for one in found.values():
        assert (tmp_path / one.files[0]).read_bytes() == f"photograph {one.part}".encode()
    copies = [file for file in inbox.data.rglob("*.png") if not file.name.startswith(".")]
    assert len(copies) == len(found)


def test_a_full_disk_acknowledges_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The log is as before, and the error says what to do."""
    inbox = Inbox(tmp_path)
    correct(inbox, ONE)
    before = inbox.log.read_bytes()
    real = os.write

    def write(descriptor: int, data: Any) -> int:
        if bytes(data[:5]).startswith(b'{"by"'):
            real(descriptor, data[:5])
            raise OSError(28, "No space left on device")
        return real(descriptor, data)

    monkeypatch.setattr(os, "write", write)
    with pytest.raises(OutputError, match="free some space"):
        correct(inbox, TWO)
    monkeypatch.undo()
    assert inbox.log.read_bytes() == before


def test_a_correction_in_the_log_is_acknowledged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the disk was full for the table of parts, which the next one writes."""
    inbox = Inbox(tmp_path / "inbox")
    with monkeypatch.context() as patch:
        patch.setattr(Inbox, "_write_groups", Mock(side_effect=OutputError("no space left")))
        made = correct(inbox, ONE)
    assert inbox.corrections() == [made]
    assert not (inbox.folder / "groups.csv").exists()
    correct(inbox, TWO, part="8")
    table = (inbox.folder / "groups.csv").read_text("utf-8-sig")
    assert table.count("inbox-part 7") == table.count("inbox-8") == 1


def test_verdicts_are_logged_and_read_back(tmp_path: Path) -> None:
    """As they were told; only those since a time; a line of something else is refused."""
    log = tmp_path / "verdicts.jsonl"
    assert read_verdicts(log) == []
    told = [
        LoggedVerdict(float(n), "page", f"p{n}", ("ab",), "Healthy", 0.1, 0.5, "f" * 16)
        for n in range(3)
    ]
    append_verdicts(log, told[:2])
    append_verdicts(log, told[2:])
    assert read_verdicts(log) == told
    assert read_verdicts(log, since=1.0) == told[1:]
    append_lines(log, [{"time": 1}])
    with pytest.raises(DataError, match="no verdict"):
        read_verdicts(log)


def test_fingerprint_of_a_model(tmp_path: Path) -> None:
    """Another model.json is another model; none is refused."""
    (tmp_path / "model.json").write_text(json.dumps({"a": 1}))
    one = model_fingerprint(tmp_path)
    (tmp_path / "model.json").write_text(json.dumps({"a": 2}))
    assert len(one) == 16
    assert model_fingerprint(tmp_path) != one
    with pytest.raises(BundleError, match="no model"):
        model_fingerprint(tmp_path / "none")


@pytest.mark.parametrize(
    "line",
    [
        '{"kind": "correction"}',
        "[" * 100_000,
        '{"a": ' * 100_000 + "1" + "}" * 100_000,
        "7",
        '{"kind": "undo", "of": []}\n{"digests": 7, "files": 7}',
    ],
    ids=["empty", "deep", "deep objects", "number", "other types"],
)
def test_lines_of_another_hand_are_said(tmp_path: Path, line: str) -> None:
    """A log that was forged is refused in one line, whatever stands in it."""
    inbox = Inbox(tmp_path)
    inbox.log.write_text(f"{line}\n")
    with pytest.raises(DataError, match="expected what Onepass wrote"):
        inbox.corrections()
    (tmp_path / "verdicts.jsonl").write_text(f"{line}\n")
    with pytest.raises(DataError, match="expected what"):
        read_verdicts(tmp_path / "verdicts.jsonl")


@pytest.mark.parametrize(
    "change",
    [{"id": []}, {"label": 7}, {"probability": "x"}, {"probability": True}, {"verdict": [1]},
     {"part": None}, {"digests": None}, {"files": [7]}, {"unknown": 1}],
    ids=str,
)  # fmt: skip
def test_fields_of_other_types_are_said(tmp_path: Path, change: dict[str, object]) -> None:
    """A text is a text, a number one that can be counted with."""
    inbox = Inbox(tmp_path)
    correct(inbox, ONE)
    record = json.loads(inbox.log.read_text())
    inbox.log.write_text(json.dumps(record | change) + "\n")
    with pytest.raises(DataError, match=r"no correction|outside the inbox"):
        inbox.corrections()


def test_verdicts_of_other_types_are_said(tmp_path: Path) -> None:
    """Before a time is compared or a probability is drawn."""
    path = tmp_path / "verdicts.jsonl"
    append_verdicts(path, [LoggedVerdict(1.0, "page", "7", ("0",), "good", 0.5, 0.5, "0")])
    record = json.loads(path.read_text())
    for change in (
        {"time": "x"},
        {"time": float("inf")},
        {"time": True},
        {"probability": []},
        {"part": 7},
    ):
        path.write_text(json.dumps(record | change) + "\n")
        with pytest.raises(DataError, match="no verdict"):
            read_verdicts(path, since=0.0)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
def test_a_log_that_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    """A pipe would hang whoever opens it, a huge file fill the memory."""
    inbox = Inbox(tmp_path)
    os.mkfifo(inbox.log)
    with pytest.raises(DataError, match="no regular file"):
        inbox.corrections()
    inbox.log.unlink()
    inbox.log.touch()
    os.truncate(inbox.log, 2**33)
    with pytest.raises(DataError, match="more than 1,073,741,824"):
        inbox.corrections()


@pytest.mark.skipif(os.name == "nt", reason="needs symbolic links")
@pytest.mark.parametrize("name", ["photographs/defects", "photographs", "set-aside"])
def test_a_link_inside_the_inbox_is_not_followed(tmp_path: Path, name: str) -> None:
    """Whoever can write there could have photographs written, moved or read elsewhere."""
    inbox, outside = Inbox(tmp_path / "inbox"), tmp_path / "elsewhere"
    (outside / "defects").mkdir(parents=True)
    theirs = outside / "defects" / "theirs.png"
    theirs.write_bytes(ONE)
    (outside / "theirs.png").write_bytes(TWO)
    link = inbox.folder / name
    link.parent.mkdir(parents=True)
    link.symlink_to(outside, target_is_directory=True)
    before = sorted(outside.rglob("*"))
    for work in (lambda: correct(inbox, THREE), inbox.settle, inbox.photographs):
        with pytest.raises(OutputError, match="a link leads"):
            work()
    assert sorted(outside.rglob("*")) == before
    assert not inbox.log.exists()


@pytest.mark.skipif(os.name == "nt", reason="needs symbolic links")
def test_a_copy_or_a_log_that_became_a_link_is_refused(tmp_path: Path) -> None:
    """Neither is the log written through a link, nor a photograph read through one."""
    inbox, secret = Inbox(tmp_path / "inbox"), tmp_path / "secret.png"
    made = correct(inbox, ONE)
    secret.write_bytes(TWO)
    copy = inbox.folder / made.files[0]
    copy.unlink()
    copy.symlink_to(secret)
    with pytest.raises(OutputError, match="a link leads"):
        inbox.photographs()
    copy.unlink()
    lines = inbox.log.read_bytes()
    inbox.log.rename(tmp_path / "log")
    inbox.log.symlink_to(tmp_path / "log")
    for work in (lambda: correct(inbox, TWO), lambda: inbox.undo(made.id)):
        with pytest.raises(OutputError, match="a link leads"):
            work()
    assert (tmp_path / "log").read_bytes() == lines


@pytest.mark.skipif(os.name == "nt", reason="needs symbolic links")
def test_the_inbox_itself_may_be_a_link(tmp_path: Path) -> None:
    """A person named it, such as a folder on another disk."""
    (tmp_path / "disk").mkdir()
    (tmp_path / "inbox").symlink_to(tmp_path / "disk", target_is_directory=True)
    made = correct(Inbox(tmp_path / "inbox"), ONE)
    assert (tmp_path / "disk" / made.files[0]).read_bytes() == ONE
