"""Photographs in a bucket: the same rows, verdicts and refusals as from a folder on the disk."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from commands import Run, fails
from models import write_parts
from toy import ToyBackbone, photograph

import pipeline
from features.cache.shards import open_cache
from features.errors import BucketError
from features.files import address_of
from features.photographs import bucket
from features.photographs.file import read_photograph, stat_photograph

s3fs = pytest.importorskip("s3fs", reason="needs the extra s3")
moto = pytest.importorskip("moto.server", reason="needs moto, a store to test against")

PARTS = "s3://photographs/parts"


@pytest.fixture(scope="module")
def store() -> Iterator[Any]:
    """Give the file system of a local store."""
    server = moto.ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    with pytest.MonkeyPatch.context() as patch:
        host, port = server.get_host_and_port()
        for name, value in (
            ("ACCESS_KEY_ID", "test"), ("SECRET_ACCESS_KEY", "test"),
            ("DEFAULT_REGION", "us-east-1"),
            ("ENDPOINT_URL", f"http://{host}:{port}"), ("EC2_METADATA_DISABLED", "true"),
        ):  # fmt: skip
            patch.setenv(f"AWS_{name}", value)
        found = s3fs.S3FileSystem(skip_instance_cache=True)
        found.makedirs("photographs", exist_ok=True)  # one process may set this up twice
        yield found
    server.stop()


@pytest.fixture
def data(store: Any, tmp_path: Path) -> Path:
    """Give a folder on the disk whose files are in the bucket, too, and nothing else is."""
    with contextlib.suppress(FileNotFoundError):
        store.rm(PARTS, recursive=True)
    data = write_parts(tmp_path / "data", 8)
    (data / "Healthy" / "broken.png").write_bytes(b"no photograph")
    (data / ".hidden.png").write_bytes(b"no photograph")
    for file in data.rglob("*"):
        if file.is_file():
            store.pipe_file(f"{PARTS}/{file.relative_to(data).as_posix()}", file.read_bytes())
    return data


def seen(cache: Path) -> tuple[dict[Any, bytes], list[tuple[str, ...]], str]:
    """Give rows, photographs and the folder of a cache."""
    with open_cache(cache) as found:
        rows = dict(zip(found.keys, map(bytes, found.take(range(len(found)))), strict=True))
        table = [(s.path, s.label, s.group, s.digest, s.reason) for s in found.table_rows]
        return rows, table, str(found.note["root"])


def table_of(cache: Path) -> list[Any]:
    with open_cache(cache) as found:
        return list(found.table_rows)


EXTRACT = ("--weights", "random", "--group-regex", r"part-(\d+)", "--cache")


def test_the_whole_road(data: Path, store: Any, run: Run, tmp_path: Path) -> None:
    """Same rows as from the disk; what did not change is not read; verdicts."""
    run("extract", "data", *EXTRACT, "disk.h5")
    code, out, err = run("extract", PARTS, *EXTRACT, "bucket.h5")
    assert code == 3, err
    assert "1 hidden" in out
    disk, found = seen(tmp_path / "disk.h5"), seen(tmp_path / "bucket.h5")
    assert found[:2] == disk[:2]
    assert found[2] == PARTS
    assert [reason for *_, path, reason in [(*r[1:4], r[0], r[4]) for r in found[1]] if reason]

    read: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        whole = bucket.read_from_bucket
        patch.setattr("features.cache.sample_table._TICK_NS", -(10**10))  # nothing is too new
        patch.setattr(
            "features.photographs.file.read_from_bucket",
            lambda file, size: read.append(file.name) or whole(file, size),
        )
        changed = next(path for path, *_, reason in found[1] if not reason)
        content = bytearray(store.cat_file(f"{PARTS}/{changed}"))
        content[-13] ^= 1  # in the last chunk of pixels: other bytes of the same size
        store.pipe_file(f"{PARTS}/{changed}", bytes(content))
        run("extract", PARTS, "--cache", "bucket.h5")
    assert sorted(set(read)) == sorted({Path(changed).name, "broken.png"})

    pipeline.fit(
        pipeline.load_dataset(tmp_path / "bucket.h5"), tmp_path / "model",
        pipeline.FitOptions(head="ridge", optimism=False),
    )  # fmt: skip
    code, out, err = run("predict", "model", PARTS, "--cache", "bucket.h5", "--heatmaps", "maps")
    assert (code, err.count("error")) == (3, 0), err
    assert len(list((tmp_path / "maps").glob("*.png"))) == 23  # and two that are broken
    verdicts = (tmp_path / "predictions.csv").read_text("utf-8-sig")
    assert f"{PARTS}/Healthy/" in verdicts


def test_a_store_that_goes_in_the_middle_is_one_line(
    data: Path, store: Any, run: Run, tmp_path: Path
) -> None:
    """Its photographs are not called unreadable, and the same command goes on where it ended."""
    with pytest.MonkeyPatch.context() as patch:
        server = moto.ThreadedMotoServer("127.0.0.1", port=0, verbose=False)  # of the same buckets
        server.start()
        host, port = server.get_host_and_port()
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.setenv("AWS_MAX_ATTEMPTS", "1")  # its library would try for seconds
        patch.setattr(s3fs.S3FileSystem, "retries", 1)
        s3fs.S3FileSystem.clear_instance_cache()
        reads, lock, read = iter(range(100)), threading.Lock(), bucket.read_from_bucket

        def goes(file: Path, size: int) -> bytes:
            with lock:
                if next(reads) == 9:
                    server.stop()
            return read(file, size)

        patch.setattr("features.photographs.file.read_from_bucket", goes)
        fails(
            run("extract", PARTS, *EXTRACT, "bucket.h5", "--max-failures", "1"),
            f"the store of {PARTS}/", "does not answer", "run the same command again",
        )  # fmt: skip
    s3fs.S3FileSystem.clear_instance_cache()
    assert next(reads) >= 9
    if (tmp_path / "bucket.h5").exists():
        assert table_of(tmp_path / "bucket.h5") == []
    assert run("extract", PARTS, *EXTRACT, "bucket.h5")[0] == 3
    run("extract", "data", *EXTRACT, "disk.h5")
    assert seen(tmp_path / "bucket.h5")[:2] == seen(tmp_path / "disk.h5")[:2]


def test_a_file_that_changes_is_another(
    store: Any, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its time or its content's mark; one that is cut short is refused."""
    file = Path(f"{PARTS}/one.png")
    store.pipe_file(address_of(file), photograph(1))
    before = stat_photograph(file)
    assert read_photograph(file) == photograph(1)
    store.pipe_file(address_of(file), photograph(1)[:-1] + b"x")
    bucket.list_bucket(Path(PARTS))  # as every run begins
    after = stat_photograph(file)
    assert after.st_size == before.st_size
    assert after.st_ctime_ns != before.st_ctime_ns
    own = bucket._store(PARTS)
    whole = own.cat_file
    monkeypatch.setattr(own, "cat_file", lambda *a, **k: whole(*a, **k)[:-1])
    with pytest.raises(BucketError, match="it changed meanwhile"):
        read_photograph(file)
    store.pipe_file(f"{PARTS}/../up.png", b"")
    store.pipe_file(f"{PARTS}/a//b.png", b"")
    files, odd = bucket.list_bucket(Path(PARTS))
    assert odd == 2
    assert not [file for file, _ in files if file.name in ("up.png", "b.png")]


def test_what_cannot_be_is_one_line(store: Any, data: Path, run: Run, tmp_path: Path) -> None:
    """No bucket, no photographs, tables in it, another store, writing there, no package."""
    rows = ("--weights", "random", "--cache", "f.h5")
    fails(run("extract", "s3://nowhere/parts", *rows), "s3://nowhere/parts", "no such bucket")
    fails(run("extract", f"{PARTS}/none", *rows), f"no photographs in {PARTS}/none (empty)")
    fails(run("extract", "gs://photographs/parts", *rows), "expected a folder on a disk, or s3://")
    fails(run("extract", PARTS, "--cache", "s3://photographs/f.h5"), "HDF5 needs a disk")
    store.pipe_file(f"{PARTS}/labels.csv", b"path,label\n")
    fails(run("extract", PARTS, *rows), "labels.csv", "--labels COPY")
    assert run("extract", PARTS, *rows, "--labels", "none")[0] == 3
    fails(run("fit", "--cache", "f.h5", "--out", "s3://photographs/model"), "only photographs are")
    assert not (tmp_path / "s3:").exists()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bucket.importlib.util, "find_spec", lambda _: None)
        fails(run("extract", PARTS, *rows), 'pip install "onepass[s3]"')
    assert ToyBackbone.photographs
