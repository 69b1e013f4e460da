"""`groups --cluster`: the same proposal, whatever becomes of a worker; pictures do not travel."""

from __future__ import annotations

import json
import os
import pickle
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import parts
import pytest
from checkout import ROOT, TESTS
from commands import Run

from features.cache.shards import open_cache
from features.cluster import parallel
from features.cluster.parallel import by_threads, each_by_threads, on_cluster
from features.errors import ClusterError
from pipeline.groups import neighbours
from pipeline.groups.along_rings import _AlongRings, _whitening
from pipeline.groups.pictures import Pictures
from pipeline.groups.proposal_cache import proposed_groups
from pipeline.groups.propose import propose

distributed = pytest.importorskip("distributed", reason="needs the extra cluster")


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Give a real scheduler with two worker processes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join((str(ROOT), str(TESTS))))
        with distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50
        ) as cluster:
            yield cluster.scheduler_address


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, toy: object) -> Path:
    """Give 60 photographs of 40 parts in cells, whose names tell nothing, asked about by fours."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(neighbours, "ALL_PAIRS", 30)
    monkeypatch.setattr(neighbours, "_ASKING", 4)
    monkeypatch.setattr(parallel, "_A_CALL", 2)
    pixels = [parts.part(number % 40, noise=number) for number in range(60)]
    classes = ["Healthy" if number % 40 % 2 else "defects" for number in range(60)]
    names = [f"{label}/{n * 7919 % 1009:x}.jpg" for n, label in enumerate(classes)]
    pictures = map(parts.encode, pixels)
    return parts.make_cache(tmp_path / "features.h5", dict(zip(names, pictures, strict=True)))


def proposal(cache: Path, progress: Callable[[int, int], None] | None = None) -> str:
    with open_cache(cache) as opened:
        return json.dumps(propose(opened, progress=progress).to_json())


def test_the_proposal_is_that_of_one_process(address: str, cache: Path, run: Run) -> None:
    """Every group, tie, doubt and question; the command names the dashboard."""
    here = proposed_groups(cache)
    assert here.shared > 0
    (cache.parent / "features.groups.json").unlink()
    code, _, err = run("groups", "--cluster", address, "--out", "../groups_of_workers")
    assert code == 0, err
    assert f"cluster  {address}, dashboard http" in err
    assert proposed_groups(cache).to_json() == here.to_json()


def test_what_other_commands_propose_is_compared_there(
    address: str, cache: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Told no groups, `compare-heads --cluster` has pictures turned and searched by workers."""
    here = proposed_groups(cache)
    (cache.parent / "features.groups.json").unlink()
    sent, spread = list[str](), parallel.spread

    def heard(client: object, numbered: object, calls: object, *common: object, **how: Any) -> Any:
        """Note what is called there."""
        sent.extend(getattr(one, "__name__", "") for one in common)
        return spread(client, numbered, calls, *common, **how)

    monkeypatch.setattr(parallel, "spread", heard)
    heads = ("--heads", "majority", "--features", "flat", "--folds", "2", "--repeats", "1")
    code, _, err = run("compare-heads", *heads, "--cluster", address)
    assert code == 0, err
    assert {"_ask", "_turned_block"} <= set(sent)
    assert proposed_groups(cache).to_json() == here.to_json()


def test_a_killed_worker_changes_nothing(address: str, cache: Path) -> None:
    """What it was at is made again."""
    here = proposal(cache)
    with distributed.Client(address) as client:
        victims = list(client.run(os.getpid).values())

    def kill(*_: int) -> None:
        """Once, as soon as the first pictures are there."""
        while victims:
            os.kill(victims.pop(), signal.SIGKILL)
            victims.clear()

    with on_cluster(address, cache, lambda _: None):
        there = proposal(cache, kill)
    assert not victims
    assert there == here


def test_pictures_do_not_travel(cache: Path) -> None:
    """What is sent says where they are; who reads others there says so."""
    rows = np.arange(60)
    pictures = Pictures.of_cache(cache, rows)
    assert len(pickle.dumps(pictures)) < 1500
    along = _AlongRings(pictures, *_whitening(pictures))
    made = along.series
    sent = pickle.dumps(along)
    assert len(sent) < along.axes.nbytes + 2000 < made.nbytes
    assert np.array_equal(pickle.loads(sent).series, made)
    other = Pictures.of_cache(cache, rows)
    vars(other)["grey"] = pictures.grey[::-1].copy()
    with pytest.raises(ClusterError, match="reads other small pictures"):
        _ = pickle.loads(pickle.dumps(other)).grey


def test_threads_give_their_results_in_order() -> None:
    """Here and, of what is asked here, within a cluster; without tasks there is nothing."""
    for way in (by_threads, each_by_threads):
        assert list(way(pow, range(40), 2)) == [number**2 for number in range(40)]
        assert list(way(pow, [], 2)) == []
