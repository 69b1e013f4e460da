"""decode_worker_pool: what crashes, hangs or swells a decoder costs one photograph."""

from __future__ import annotations

import errno
import itertools
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from pictures import pool
from toy import photograph

from features.errors import DecoderError, ImageError
from features.photographs import decoder as decoder_module
from features.photographs.decode import MAX_PIXELS, decode, thumbnail
from features.photographs.decode_process import Nursery, can_fork
from features.photographs.decode_worker_pool import Decoders, decode_apart, thumbnail_apart
from features.photographs.decoder import Decoder
from features.photographs.file import read_photograph
from features.photographs.file_header import Declared
from features.photographs.recipe import RECIPES
from torture.bombs import jpeg_of_scans

IMAGENET = RECIPES["imagenet"]
REQUEST = {"recipe": IMAGENET.fields(), "views": ["full"]}


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_the_pixels_are_those_of_the_decoder_itself(recipe: object) -> None:
    """Whoever decodes, the pixels are the same; and the array may be written to."""
    for kind in ("PNG", "JPEG", "WEBP"):
        data = photograph(3, (300, 200), kind)
        pixels = decode_apart(data, recipe)
        assert np.array_equal(pixels, decode(data, recipe))
        assert pixels.flags.writeable
        assert np.array_equal(thumbnail_apart(data, 90), thumbnail(data, 90))


def test_reasons_come_through_and_the_process_goes_on() -> None:
    """An unreadable file is an ImageError with its reason, and the next file is read."""
    for _ in range(3):
        with pytest.raises(ImageError, match="starts like a PDF"):
            decode_apart(b"%PDF-1.7", IMAGENET)
        with pytest.raises(ImageError, match="cut off"):
            decode_apart(photograph(1)[:300], IMAGENET)
        with pytest.raises(ImageError, match="raise --max-pixels"):
            decode_apart(photograph(1), IMAGENET, max_pixels=100)
        with pytest.raises(ImageError, match="10,000 passes"):
            decode_apart(jpeg_of_scans(4000, 4000, 10_000), IMAGENET)
        assert decode_apart(photograph(1), IMAGENET).shape == (224, 224, 3)


@pytest.mark.parametrize(
    "body",
    ["time.sleep(600)", "while True: pass", "re.match('(a+)+$', 'a' * 60 + 'b')"],
    ids=["waits", "loops", "holds-the-interpreter"],
)
def test_what_takes_too_long_is_ended(body: str) -> None:
    """A decoder that never comes back is a reason after the time limit, even in C code."""
    decoders = pool(body, seconds=0.4)
    started = time.monotonic()
    with pytest.raises(ImageError, match=r"decoding took more than 0.4 s"):
        decoders.ask(REQUEST, photograph(1), MAX_PIXELS)
    assert time.monotonic() - started < 300  # and not the ten minutes, or for ever


def test_what_crashes_its_decoder_is_named() -> None:
    """A crash of the process is a reason; it was tried twice; the next file is read."""
    decoders = pool(
        "if len(data) < 200: os.abort()\n    return np.zeros((1, 1, 3), np.uint8)", seconds=30
    )
    with pytest.raises(ImageError, match="crashed the decoder"):
        decoders.ask(REQUEST, photograph(1)[:100], MAX_PIXELS)
    assert decoders.ask(REQUEST, photograph(1), MAX_PIXELS).pixels.shape == (1, 1, 1, 3)
    decoders.close()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits the address space")
def test_what_swells_its_decoder_is_refused() -> None:
    """More memory than the file's own header justifies is not to be had."""
    decoders = pool("return np.ones((20_000, 20_000, 3), np.uint8)")
    with pytest.raises(ImageError, match="does not fit into memory"):
        decoders.ask(REQUEST, photograph(1), MAX_PIXELS)
    decoders.close()


def test_without_shared_memory_files_go_through_the_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system has none, and where it lets nothing be written there."""
    expected = decode_apart(photograph(1), IMAGENET)

    def refused(*_: object) -> int:
        raise OSError(27, "File too large")

    for name in ("memfd_create", "pwrite"):
        with monkeypatch.context() as patch:
            patch.setattr(os, name, refused, raising=False)
            decoders = Decoders()
            found = decoders.ask(REQUEST, photograph(1), MAX_PIXELS).pixels
            decoders.close()
        np.testing.assert_array_equal(found[0], expected)


def test_a_file_read_into_a_decoders_memory_is_decoded_from_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not copied again, a longer one follows a shorter one, and other files go on as ever."""
    decoders = Decoders()
    for number, size in enumerate([(60, 40), (900, 700), (30, 20)]):
        file = tmp_path / f"{number}.png"
        file.write_bytes(photograph(number, size))
        with decoders.lend() as decoder:
            data = read_photograph(file, room=decoder.room)
            assert (
                isinstance(data, memoryview) == decoder.holds(data) == hasattr(os, "memfd_create")
            )
            assert bytes(data) == file.read_bytes()
            with monkeypatch.context() as patch:
                patch.setattr(os, "pwrite", lambda *_: pytest.fail("was copied"), raising=False)
                found = decoders.ask(REQUEST, data, MAX_PIXELS).pixels[0]
            other = decoders.ask(REQUEST, photograph(9), MAX_PIXELS).pixels[0]
            assert np.array_equal(found, decode(file.read_bytes(), IMAGENET))
            assert np.array_equal(other, decode(photograph(9), IMAGENET))
            assert np.array_equal(decoders.ask(REQUEST, data, MAX_PIXELS).pixels[0], found)
    decoders.close()


def test_what_has_no_room_in_a_decoders_memory_is_read_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it is too large, where it grew since it was looked at, and where nothing is shared."""
    monkeypatch.setattr(decoder_module, "KEPT", 1000)
    (file := tmp_path / "1.png").write_bytes(photograph(1, (90, 60)))
    assert file.stat().st_size > 1000
    decoders = Decoders()
    with decoders.lend() as decoder:
        data = read_photograph(file, room=decoder.room)
        pixels = [decoders.ask(REQUEST, some, MAX_PIXELS).pixels[0] for some in (data, data)]
    decoders.close()
    assert isinstance(data, bytes)
    assert np.array_equal(pixels, [decode(data, IMAGENET)] * 2)
    for length in (0, 10, len(data) - 1, len(data) + 1):
        assert read_photograph(file, room=lambda _, n=length: memoryview(bytearray(n))) == data


def test_a_decoder_gets_a_file_with_its_size_wherever_that_stands() -> None:
    """In memory that is shared, a JPEG's size is looked for at its start, then in all of it."""
    plain, decoders = photograph(1, (300, 200), "JPEG"), Decoders()
    for room in (0, 2**15, 2**17):
        comments = b"\xff\xfe\x7f\xff" + bytes(2**15 - 3)
        data = plain[:2] + comments * (room // 2**15) + plain[2:]
        for given in (data, memoryview(data)):
            found = decoders.ask(REQUEST, given, MAX_PIXELS)
            assert found.declared == Declared("JPEG", 300, 200)
            assert np.array_equal(found.pixels[0], decode(plain, IMAGENET))
    decoders.close()


def test_a_process_that_somebody_ended_is_replaced() -> None:
    """A decoder killed while it waited (by the system, for its memory) costs nothing."""
    decoders = Decoders()
    decoders.ask(REQUEST, photograph(1), MAX_PIXELS)
    for decoder in decoders._idle:
        decoder.start()._process.kill()
        decoder.start()._process.wait()
    assert decoders.ask(REQUEST, photograph(1), MAX_PIXELS).pixels.shape == (1, 224, 224, 3)
    decoders.close()


def parent_of(decoder: Decoder) -> int:
    """Give the process that forked a decoder's."""
    known = Path(f"/proc/self/fdinfo/{decoder.start()._process._pidfd}").read_text()
    pid = int(known.split("Pid:")[1].split()[0])
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


@pytest.mark.skipif(not can_fork(), reason="nothing is forked without pidfd, which Linux has")
def test_decoders_are_forked_from_one_process_and_end_with_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One that imported everything; another takes its place where somebody ended it."""
    decoders = Decoders()
    with decoders.lend() as one, decoders.lend() as other:
        nursery = parent_of(one)
        assert parent_of(other) == nursery
        os.kill(nursery, signal.SIGKILL)
        other.end()
        assert parent_of(other) not in (nursery, os.getpid())
        assert decoders.ask(REQUEST, photograph(1), MAX_PIXELS).pixels.shape == (1, 224, 224, 3)
        other.end()
        with monkeypatch.context() as patch:  # its answer is nobody else's
            patch.setattr(socket, "recv_fds", mock.Mock(side_effect=KeyboardInterrupt))
            with pytest.raises(KeyboardInterrupt):
                other.start()
        assert decoders.ask(REQUEST, photograph(1), MAX_PIXELS).pixels.shape == (1, 224, 224, 3)
        last = other.start()
        decoders._nursery.close()
        assert last.ask(b"{}", b"", shared=False) is None
    decoders.close()


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (["no-such-python"], "cannot be started"),
        ([sys.executable, "-c", "raise SystemExit('no pillow here')"], "no pillow here"),
    ],
)
def test_a_decoder_that_does_not_start_is_an_error_of_the_run(
    command: list[str], expected: str
) -> None:
    """No photograph is blamed for a broken installation."""
    with pytest.raises(DecoderError, match=expected):
        Decoders(command).ask(REQUEST, photograph(1), MAX_PIXELS)
    if can_fork():
        with pytest.raises(DecoderError, match=expected):
            Nursery(command).begin(-1)


def open_now() -> set[str]:
    """Name the descriptors of this process, but that of looking."""
    return {link.name for link in Path("/proc/self/fd").iterdir()}


@pytest.mark.skipif(not can_fork(), reason="nothing is forked without pidfd, which Linux has")
@pytest.mark.parametrize("at", [1, 2, "answer"])
def test_without_descriptors_a_decoder_is_an_error_of_the_run(
    monkeypatch: pytest.MonkeyPatch, at: int | str
) -> None:
    """It is said, nothing is left open, and the decoders that are there go on."""

    def exhausted(*_: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    decoders = Decoders()
    with decoders.lend() as one, decoders.lend() as other:
        nursery = parent_of(one)
        real_pipe, real_receive = os.pipe, socket.recv_fds
        pipes = [real_pipe] * (at - 1) + [exhausted] if isinstance(at, int) else [real_pipe] * 2

        def receive(*given: int) -> tuple[bytes, list[int], int, object]:
            said, found, *rest = real_receive(*given)
            for descriptor in found:  # the system closes what finds no place
                os.close(descriptor)
            return said, [], *rest

        open_before = open_now()
        with monkeypatch.context() as patch:
            patch.setattr(os, "pipe", lambda: pipes.pop(0)())
            patch.setattr(socket, "recv_fds", receive)
            with pytest.raises(DecoderError, match="Too many open files"):
                other.start()
        assert open_now() == open_before
        assert parent_of(one) == nursery
        assert parent_of(other) == nursery
    decoders.close()


@pytest.mark.skipif(not can_fork(), reason="nothing is forked without pidfd, which Linux has")
def test_where_nothing_may_be_forked_decoders_are_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """A system that forbids to hand descriptors over, or signals by them, costs time alone."""
    decoders = Decoders()
    monkeypatch.setattr(socket, "send_fds", mock.Mock(side_effect=PermissionError))
    assert decoders.ask(REQUEST, photograph(1), MAX_PIXELS).pixels.shape == (1, 224, 224, 3)
    decoders.close()
    monkeypatch.setattr(signal, "pidfd_send_signal", mock.Mock(side_effect=PermissionError))
    assert not can_fork()


def test_no_photograph_is_blamed_for_too_many_open_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would be listed as one that cannot be read."""
    (file := tmp_path / "1.png").write_bytes(photograph(1))
    monkeypatch.setattr(
        Path, "open", mock.Mock(side_effect=OSError(errno.EMFILE, "Too many open files"))
    )
    with pytest.raises(DecoderError, match="ulimit -n"):
        read_photograph(file)


def test_large_photographs_are_decoded_one_at_a_time() -> None:
    """However many threads ask: together they hold no more pixels than one photograph may."""
    decoders = pool(
        "start = time.monotonic(); time.sleep(0.2)\n"
        "    return np.array([[[start, time.monotonic(), 0]]], np.float64).view(np.uint8)"
        ".reshape(1, 8, 3)"
    )
    seen = []

    def ask() -> None:
        answer = decoders.ask(REQUEST, photograph(1, (30, 20)), 700).pixels  # 600 of 700 pixels
        seen.append(tuple(answer.reshape(-1).view(np.float64)[:2]))

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seen.sort()
    assert len(seen) == 3
    assert all(one[1] <= other[0] for one, other in itertools.pairwise(seen))
    decoders.close()
