"""features.cluster: the same rows from several processes, whatever becomes of one of them."""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import errno
import json
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checkout import ROOT, TESTS
from commands import Run
from toy import ToyBackbone, toy_settings, write_folder

from features.cache.cache import Cache
from features.cache.shards import MANIFEST, open_cache
from features.cluster import connection
from features.cluster.connection import Cluster, Described, Room, check_workers
from features.cluster.extraction import extract_on
from features.cluster.parallel import on_cluster
from features.cluster.worker import RUN_FILE, ShardTask, make_shard
from features.errors import CacheError, ClusterError, OutputError
from features.extract import extract
from features.extract_outcome import Extraction, RunOptions
from features.photographs.file import Photograph
from pipeline.audit.run import audit_dataset
from pipeline.data.dataset import load_dataset
from pipeline.data.folder import scan_folder
from pipeline.feature_specs.spec import FeatureSpec
from pipeline.heads.gram import GramSide
from pipeline.training.compare_heads import compare_heads
from pipeline.training.cross_validate import CompareOptions, compare
from pipeline.training.fit import FitOptions, fit
from pipeline.training.learning_curve import CurveOptions, learning_curve

distributed = pytest.importorskip("distributed", reason="needs the extra cluster")

FEW = RunOptions(batch_size=4, workers=1)


@pytest.fixture(scope="module")
def hold(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the name of the file that lets the workers stay in their second batch."""
    return tmp_path_factory.mktemp("hold") / "hold"


@pytest.fixture(scope="module")
def address(hold: Path) -> Iterator[str]:
    """Give a real scheduler with two worker processes, which see with the toy."""
    import dask

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join((str(ROOT), str(TESTS))))
        patch.setenv("ONEPASS_TOY_HOLD", str(hold))
        preload = {"distributed.worker.preload": ["cluster_preload"]}
        with (
            dask.config.set(preload),
            distributed.LocalCluster(
                n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50
            ) as cluster,
        ):
            yield cluster.scheduler_address


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> list[Photograph]:
    folder = write_folder(tmp_path_factory.mktemp("photographs"), {"Healthy": 15, "defects": 9})
    (folder / "defects" / "copy.png").write_bytes(next(folder.rglob("*.png")).read_bytes())
    (folder / "Healthy" / "broken.png").write_bytes(b"no photograph")
    return scan_folder(folder).photographs


def sync(
    address: str, photographs: list[Photograph], folder: Path, **more: Any
) -> tuple[Extraction, list[str]]:
    said: list[str] = []
    options = dataclasses.replace(FEW, **more.pop("options", {}))
    settings = toy_settings()
    done = extract_on(
        Cluster(address), photographs, settings, folder, options, note={}, told=said.append, **more
    )
    return done, said


def rows_of(path: Path) -> dict[tuple[bytes, bytes], bytes]:
    with open_cache(path) as cache:
        rows = cache.take(range(len(cache)))
        return {key: row.tobytes() for key, row in zip(cache.keys, rows, strict=True)}


def placed(path: Path) -> list[tuple[str, str, str, bool]]:
    with open_cache(path) as cache:
        return [(s.path, s.digest, s.reason, s.row >= 0) for s in cache.table_rows]


def test_rows_and_table_are_those_of_one_process(
    address: str, photographs: list[Photograph], tmp_path: Path, toy: Any
) -> None:
    """Bit for bit, copies seen once, unreadable ones with their reason; a second run is free."""
    extract(photographs, toy_settings(), tmp_path / "one.h5", FEW, note={})
    heard: list[tuple[int, int]] = []
    done, said = sync(
        address, photographs, tmp_path / "many", progress=lambda *now: heard.append(now)
    )
    assert (done.extracted, done.rows, len(done.failed)) == (24, 24, 1)
    assert rows_of(tmp_path / "many") == rows_of(tmp_path / "one.h5")
    assert placed(tmp_path / "many") == placed(tmp_path / "one.h5")
    assert heard[0] == (0, 26)
    assert heard[-1][0] >= 25
    assert said[0].startswith(f"cluster  {address}, dashboard ")
    with Cache.read(next((tmp_path / "many").glob("shard-*.h5"))) as shard:
        assert 0 < len(shard) < 24  # an ordinary cache
    again, _ = sync(address, photographs, tmp_path / "many")
    assert (again.extracted, again.reused) == (0, 25)
    names = {file.name for file in (tmp_path / "many").iterdir()}
    assert not [name for name in names if name.startswith("partial") or name == RUN_FILE]


def test_workers_have_the_memory_for_their_networks(
    address: str, photographs: list[Photograph], tmp_path: Path
) -> None:
    """A cluster none of whose computers holds one network is refused in a line."""
    with pytest.raises(ClusterError, match=r"a call takes some 8e\+05 GB .*ONEPASS_MEMORY"):
        sync(address, photographs, tmp_path / "many", options={"batch_size": 10**8})


def test_a_shard_that_is_gone_is_made_again(
    address: str, photographs: list[Photograph], tmp_path: Path
) -> None:
    """The note says which; the others' photographs are not looked at."""
    sync(address, photographs, tmp_path / "many")
    whole = rows_of(tmp_path / "many")
    gone = next((tmp_path / "many").glob("shard-*.h5"))
    with Cache.read(gone) as cache:
        count = len(cache)
    gone.unlink()
    with pytest.raises(CacheError, match=f"{gone.name} is missing"):
        open_cache(tmp_path / "many")
    done, said = sync(address, photographs, tmp_path / "many")
    assert done.extracted == count
    assert [gone.name in line for line in said] == [False, True]
    assert rows_of(tmp_path / "many") == whole


def test_a_killed_worker_costs_a_batch(
    address: str, hold: Path, photographs: list[Photograph], tmp_path: Path
) -> None:
    """What it had committed is taken over, and the rest goes to others."""
    with distributed.Client(address) as client:
        victim = next(iter(client.run(os.getpid).values()))
    begun: list[Path] = []

    def kill() -> None:
        """Once both workers have committed a batch, and stay in the next."""
        until = time.monotonic() + 120
        while len(begun) < 2 and time.monotonic() < until:
            time.sleep(0.02)
            begun[:] = filter(holds_rows, (tmp_path / "many").glob("partial-*.h5"))
        os.kill(victim, signal.SIGKILL)
        hold.unlink()

    hold.touch()
    killer = threading.Thread(target=kill)
    killer.start()
    done, _ = sync(address, photographs, tmp_path / "many")
    killer.join()
    assert len(begun) == 2
    assert 24 - 4 <= done.rows < 24  # the dead worker's batch is taken over, and not told of
    assert len(rows_of(tmp_path / "many")) == 24
    assert len({row.digest for row in scan(tmp_path / "many")}) == 25


def holds_rows(path: Path) -> bool:
    """Say whether a shard that is not whole has rows by now."""
    with contextlib.suppress(CacheError), Cache.read(path) as cache:
        return len(cache) > 0
    return False


def scan(path: Path) -> list[Any]:
    with open_cache(path) as cache:
        return cache.table_rows


@pytest.fixture
def task(photographs: list[Photograph], tmp_path: Path) -> ShardTask:
    """Give a shard to be made in this process."""
    (tmp_path / RUN_FILE).write_text("now")
    some = [one for one in photographs if "broken" not in one.path and "copy" not in one.path][:20]
    import hashlib

    digests = [hashlib.sha256(one.file.read_bytes()).hexdigest() for one in some]
    return ShardTask(
        tmp_path, "now", 0, some, digests, toy_settings(), FEW, frozenset(), None, None
    )


def test_a_later_try_begins_with_the_rows_of_the_one_before(
    task: ShardTask, toy: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that dies after two batches: its rows are copied, the third batch is done again."""
    run = ToyBackbone.run

    def dies(self: ToyBackbone, pixels: Any) -> Any:
        if ToyBackbone.calls == 3:
            raise ConnectionError("the machine is gone")
        return run(self, pixels)

    monkeypatch.setattr(ToyBackbone, "run", dies)
    with pytest.raises(ConnectionError):
        make_shard(task)
    monkeypatch.setattr(ToyBackbone, "run", run)
    seen = ToyBackbone.photographs
    made = make_shard(task)
    assert made.shard is not None
    assert made.shard.rows == 20
    assert ToyBackbone.photographs - seen <= 9 + 1  # the drift probe rides in the first batch
    assert made.rows == 20 - 11


def test_who_is_no_longer_meant_stops_at_its_next_batch(task: ShardTask, toy: Any) -> None:
    """Another run took the folder over: at most one batch is done in vain."""
    (task.folder / RUN_FILE).write_text("later")
    with pytest.raises(ClusterError, match="took this shard over"):
        make_shard(task)
    assert ToyBackbone.photographs <= 4
    assert not list(task.folder.glob("shard-*.h5"))


@pytest.mark.parametrize("said", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b""])
def test_a_page_in_the_schedulers_place_is_called_no_scheduler(
    said: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dask takes "HTTP/1.1" for the length of what follows; for who is silent it waits."""
    monkeypatch.setattr(connection, "_CONNECT", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        callers = []

        def answer() -> None:
            with contextlib.suppress(OSError):
                while True:
                    callers.append(server.accept()[0])
                    callers[-1].sendall(said)

        threading.Thread(target=answer, daemon=True).start()
        with pytest.raises(ClusterError, match="is no scheduler"), Cluster(address).connect():
            pass
        server.shutdown(socket.SHUT_RDWR)
    for caller in callers:
        caller.close()


def test_what_cannot_work_is_said_in_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, run: Run
) -> None:
    """No scheduler, no such place, no Dask, other versions, no shared disk, somebody's folder."""
    write_folder(tmp_path / "data", {"Healthy": 2, "defects": 2})
    monkeypatch.setattr(connection, "_CONNECT", 0.3)
    extracting = ("extract", "data", "--weights", "random", "--look", "plain")
    for options, expected in (
        (("--cluster", "tcp://127.0.0.1:9", "--cache", "f"), "no scheduler answers at tcp://127"),
        (("--cluster", "localhost", "--cache", "f"), "found --cluster 'localhost'; expected local"),
        (("--cluster", "local:1", "--cache", "data"), "data holds Healthy, which is no part"),
        (("--cluster", "local:1", "--cache", "s3://bucket/f"), "s3://bucket/f is an address"),
    ):
        code, _, err = run(*extracting, *options)
        assert code == 1
        assert expected in err, err
        assert err.count("\n") == 1
    assert not (tmp_path / "f" / MANIFEST).exists()

    class Workers:
        def run(self, *_: Any) -> Any:
            return {"tcp://192.0.2.7:1": Described(*self.said, Room(10**9, here=False))}

    client = Workers()
    client.said = (connection.versions(), "")  # type: ignore[attr-defined]
    with pytest.raises(ClusterError, match=r"does not see .*; expected .* may write to"):
        check_workers(client, tmp_path, writing=True)
    client.said = ({**connection.versions(), "numpy": "1.0"}, "")  # type: ignore[attr-defined]
    with pytest.raises(ClusterError, match=r"other versions: numpy 1\.0 there"):
        check_workers(client, tmp_path, writing=True)
    monkeypatch.setattr(connection.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(ClusterError, match=r'pip install "onepass\[cluster\]"'):
        Cluster("local:2")


class Alone:
    """A client whose one worker is this process."""

    def run(self, function: Any, *arguments: Any) -> Any:
        return {"tcp://192.0.2.7:1": function(*arguments)}


def test_a_disk_that_may_not_be_written_to(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who reads the cache writes nothing there; who writes is told in a line, here or there."""

    def refuse(path: Path, *_: Any, **__: Any) -> Any:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), path)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "touch", refuse)
        with pytest.raises(ClusterError, match="every worker may write to"):
            check_workers(Alone(), tmp_path, writing=True)
        patch.setattr(Path, "write_bytes", refuse)
        patch.setattr(Path, "write_text", refuse)
        with pytest.raises(OutputError, match="cannot be written"):
            check_workers(Alone(), tmp_path, writing=True)
        check_workers(Alone(), cache, writing=False)
    for other in ("", "0" * 32):
        with monkeypatch.context() as patch:
            one = Described(connection.versions(), other, Room(10**9, here=False))
            said = {"tcp://192.0.2.7:1": one}
            patch.setattr(Alone, "run", lambda *_, said=said: said)
            with pytest.raises(ClusterError, match=r"does not see .*features.h5; .* may read"):
                check_workers(Alone(), cache, writing=False)


def without_seconds(table: Path) -> list[dict[str, str]]:
    with table.open(encoding="utf-8-sig") as file:
        return [
            {name: value for name, value in row.items() if "seconds" not in name}
            for row in csv.DictReader(file)
        ]


def test_tables_are_those_of_one_process(
    address: str, cache: Path, run: Run, tmp_path: Path
) -> None:
    """To the last digit: heads on rows and on matrices, folds, and the learning curve."""
    data, one, many = load_dataset(cache), tmp_path / "one", tmp_path / "many"
    few = ("--heads", "ridge,majority", "--repeats", "1", "--folds", "2")
    options = CompareOptions(heads=["ridge", "majority"], repeats=1, folds=2, jobs=1)
    compare_heads(data, one, options)
    code, _, err = run("compare-heads", *few, "--cluster", address, "--out", "many")
    assert code == 0, err
    assert f"cluster  {address}, dashboard http" in err
    tables = [without_seconds(out / "comparison.csv") for out in (one, many)]
    assert tables[0] == tables[1]
    learning_curve(data, one, CurveOptions(heads=["ridge"], draws=2, jobs=1))
    few = ("--heads", "ridge", "--draws", "2")
    assert run("learning-curve", *few, "--cluster", address, "--out", "many")[0] == 0
    curves = [(out / "learning-curve.csv").read_bytes() for out in (one, many)]
    assert curves[0] == curves[1]


def test_the_model_and_the_audit_are_those_of_one_process(
    address: str, cache: Path, run: Run, tmp_path: Path
) -> None:
    """Head, spec and thresholds are chosen the same; files have the same bytes but for times."""
    options = FitOptions(features=FeatureSpec.parse("flat"), optimism=False)
    fit(load_dataset(cache), tmp_path / "one", options)
    few = ("--features", "flat", "--no-optimism", "--out", "many")
    code, _, err = run("fit", *few, "--cluster", address)
    assert code == 0, err
    one, many = ({file.name: file.read_bytes() for file in (tmp_path / out).rglob("*.*")}
                 for out in ("one", "many"))  # fmt: skip
    records = [json.loads(files.pop("model.json")) for files in (one, many)]
    for record, files in zip(records, (one, many), strict=True):
        files.pop("report.html", None)
        for name in ("created", "fit_seconds", "mark"):
            record.pop(name)
        record["decision"]["unseen"].pop("seconds")
    assert one == many
    assert records[0] == records[1]
    here = audit_dataset(load_dataset(cache), shuffles=3)
    with on_cluster(address, tmp_path, lambda _: None):
        there = audit_dataset(load_dataset(cache), shuffles=3)
    assert dataclasses.replace(here, seconds=0) == dataclasses.replace(there, seconds=0)


def test_the_gram_matrix_is_sent_once(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To each of two workers, and not with every fold: it is packed once for each."""
    packed: list[int] = []

    def pack(self: GramSide) -> dict[str, Any]:
        packed.append(1)
        return self.__dict__

    monkeypatch.setattr(GramSide, "__getstate__", pack)
    rng = np.random.default_rng(0)
    y = np.arange(30) % 2
    rows = (rng.normal(size=(30, 48)) + y[:, None]).astype(np.float32)
    options = CompareOptions(heads=["ridge", "knn"], folds=5, repeats=2, jobs=1)
    here = compare(rows, y, np.arange(30), options)
    assert not packed
    with on_cluster(address, tmp_path, lambda _: None):
        there = compare(rows, y, np.arange(30), options)
    assert len(packed) <= 2
    for one, other in zip(here.results, there.results, strict=True):
        assert one.probabilities.tobytes() == other.probabilities.tobytes()
