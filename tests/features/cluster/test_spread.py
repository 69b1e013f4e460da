"""features.cluster.spread: whatever Dask loses, every call is made, or the run ends with a line.

The client here is one of these tests, which loses what it is told to, at the call that it is told.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import CancelledError
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from features.cluster import spread as module
from features.cluster.connection import Room, Terms, lost, mark_of, versions
from features.cluster.parallel import _client, each
from features.cluster.spread import Common, spread
from features.errors import ClusterError
from features.runtime import Taken, memory_room
from pipeline.heads.row_space import block_bytes

distributed = pytest.importorskip("distributed", reason="needs the extra cluster")


class Future:
    """What Dask's client gives for a call."""

    def __init__(self, key: str) -> None:
        self.key, self.status, self.released = key, "pending", False
        self.made: Any = None
        self.heard: list[Callable[[Any], None]] = []

    def add_done_callback(self, hear: Callable[[Any], None]) -> None:
        self.heard.append(hear)
        if self.status != "pending":
            hear(self)

    def end(self, status: str, made: Any) -> None:
        self.status, self.made = status, made
        for hear in self.heard:
            hear(self)

    def result(self) -> Any:
        if isinstance(self.made, Exception):
            raise self.made
        return self.made

    def release(self) -> None:
        self.released = True


class Client:
    """A client whose calls are done at once, unless `fate` of the call's number says otherwise."""

    scheduler = SimpleNamespace(address="tcp://192.0.2.7:8786")

    def __init__(self, workers: int = 2, fate: dict[int, str] | None = None) -> None:
        self.status, self.fate, self.calls = "running", fate or {}, 0
        self.workers = {f"tcp://192.0.2.{n}:1": self.worker(n) for n in range(1, workers + 1)}
        self.sent: list[tuple[str, int]] = []  # the worker, and how often before
        self.places: list[str] = []
        self.shares: list[float] = []
        self.known: list[str] = []
        self.looks = 0

    def worker(self, n: int, status: str = "running") -> dict[str, str]:
        return {"status": status, "host": f"192.0.2.{n}"}

    def scheduler_info(self, n_workers: int) -> Any:
        assert n_workers == -1
        return {"workers": dict(self.workers)}

    def processing(self) -> dict[str, list[str]]:
        self.looks += 1
        assert self.looks < 100, "it waits without end"
        return {"tcp://192.0.2.1:1": self.known}

    def scatter(self, data: list[Any], *, workers: list[str], hash: bool) -> list[Any]:
        (common,), (place,) = data, workers
        assert not hash
        if place not in self.workers:
            raise KeyError(place)  # as the scheduler does
        self.sent.append((place, sum(one == place for one, _ in self.sent)))
        return [(place, common)]

    def submit(self, there: Callable[..., Any], *arguments: Any, pure: bool) -> Future:
        assert not pure
        self.calls += 1
        function, task, (place, common), share = arguments
        assert isinstance(common, Common)
        self.places.append(place)
        self.shares.append(share)
        future = Future(f"call-{self.calls}")
        fate = self.fate.get(self.calls, "")
        if fate == "killed":
            future.end("cancelled", CancelledError("lost dependencies"))
        elif fate == "vanishes":
            pass
        elif fate == "works":
            self.known.append(future.key)
        elif fate == "scheduler":
            error = CancelledError("gone")
            error.reason = "scheduler-connection-lost"  # type: ignore[attr-defined]
            future.end("cancelled", error)
        else:
            try:
                future.end("finished", there(function, task, common, share))
            except (ValueError, ClusterError) as error:
                future.end("error", error)
        return future


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is waited for: what has not come by the first look does not come."""
    monkeypatch.setattr(module, "_LOOK", 0.0)
    monkeypatch.setattr(module, "_PAUSE", 0.0)


def times(task: int, by: int) -> int:
    return task * by


def test_each_worker_gets_what_is_common_once_and_a_call_goes_where_it_is() -> None:
    client = Client(3)
    assert sorted(spread(client, times, range(7), 3)) == [(n, 3 * n) for n in range(7)]
    assert sorted(client.sent) == [(place, 0) for place in sorted(client.workers)]
    assert set(client.places) == set(client.workers)
    assert list(spread(client, times, [], 3)) == []


def test_what_a_lost_worker_was_at_is_made_again_with_what_it_needs() -> None:
    """Its worker may come back under the same address, without what was sent."""
    client = Client(1, {2: "killed", 4: "killed"})
    assert sorted(spread(client, times, range(4), 3)) == [(n, 3 * n) for n in range(4)]
    assert client.calls == 6
    assert [before for _, before in client.sent] == [0, 1, 2]


def test_a_call_that_ends_its_worker_again_and_again_ends_the_run() -> None:
    client = Client(1, dict.fromkeys(range(1, 100), "killed"))
    with pytest.raises(ClusterError, match=r"die again and again at the same work \(out of memory"):
        list(spread(client, times, range(4), 3))
    assert client.calls == 4


def test_a_call_that_nobody_has_any_more_is_made_again() -> None:
    """Its answer was lost on the way, or the call was: Dask's client would wait without end."""
    client = Client(1, {1: "vanishes"})
    assert list(spread(client, times, [5], 3)) == [(5, 15)]
    assert client.calls == 2


def test_a_call_that_somebody_works_at_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also by a worker that takes no other work, for lack of memory, however long it takes."""
    monkeypatch.setattr(module, "_PATIENCE", 0.0)
    client = Client(1, {1: "works"})
    futures: list[Future] = []
    submit = client.submit
    monkeypatch.setattr(
        client, "submit", lambda *call, **how: futures.append(submit(*call, **how)) or futures[-1]
    )

    look = client.processing

    def processing() -> dict[str, list[str]]:
        client.workers = {"tcp://192.0.2.1:1": client.worker(1, "paused")}
        if client.looks == 8:
            futures[0].end("finished", 15)
        return look()

    monkeypatch.setattr(client, "processing", processing)
    assert list(spread(client, times, [5], 3)) == [(5, 15)]
    assert (client.calls, client.looks) == (1, 9)


@pytest.mark.parametrize("status", ["gone", "paused"])
def test_without_a_worker_the_run_ends(monkeypatch: pytest.MonkeyPatch, status: str) -> None:
    monkeypatch.setattr(module, "_PATIENCE", 0.0)
    client = Client(0)
    if status == "paused":
        client.workers = {"tcp://192.0.2.1:1": client.worker(1, "paused")}
    with pytest.raises(ClusterError, match="all are gone, or paused for lack of memory"):
        list(spread(client, times, [5], 3))
    assert client.calls == 0


def test_a_worker_that_goes_while_it_is_sent_something_is_another_ones_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The scheduler says KeyError; and where it is said of all for ever, the run ends."""
    client = Client(2)
    known = client.scheduler_info(-1)
    del client.workers["tcp://192.0.2.1:1"]
    answers = [known]
    monkeypatch.setattr(
        client,
        "scheduler_info",
        lambda n_workers: answers.pop() if answers else {"workers": client.workers},
    )
    assert sorted(spread(client, times, range(4), 3)) == [(n, 3 * n) for n in range(4)]
    assert {place for place, _ in client.sent} == {"tcp://192.0.2.2:1"}
    client.workers.clear()
    monkeypatch.setattr(client, "scheduler_info", lambda n_workers: known)
    with pytest.raises(ClusterError, match="die again and again"):
        list(spread(client, times, range(4), 3))


@pytest.mark.parametrize("moment", ["before", "look", "result", "reconnected"])
def test_without_a_scheduler_the_run_ends(monkeypatch: pytest.MonkeyPatch, moment: str) -> None:
    """Before the first call, while one is waited for, with its result, or after it came back."""
    client = Client(1, {1: "scheduler" if moment == "reconnected" else "vanishes"})
    if moment == "before":
        client.status = "connecting"
    elif moment == "look":
        monkeypatch.setattr(client, "processing", lambda: pytest.fail("nobody is there to ask"))
        submit = client.submit

        def goes(*call: Any, **how: Any) -> Future:
            client.status = "connecting"
            return submit(*call, **how)

        monkeypatch.setattr(client, "submit", goes)
    elif moment == "result":
        client.fate = {}

        def result(_: Future) -> Any:
            client.status = "connecting"
            raise AttributeError("'NoneType' object has no attribute 'with_traceback'")  # Dask's

        monkeypatch.setattr(Future, "result", result)
    with pytest.raises(ClusterError, match=r"the scheduler at tcp://192\.0\.2\.7:8786 went away"):
        list(spread(client, times, [5], 3))


def test_who_joins_later_has_to_have_what_the_others_have(tmp_path: Path) -> None:
    """Its versions and its cache are looked at before its first call."""
    cache = tmp_path / "features.h5"
    cache.write_bytes(b"x" * 100)
    ours = Terms(tuple(versions().items()), cache, mark_of(cache))
    assert list(spread(Client(1), times, [5], 3, terms=ours)) == [(5, 15)]
    theirs = tuple((versions() | {"numpy": "1.0"}).items())
    (tmp_path / "run").write_text("abc")
    shards = Terms(ours.versions, tmp_path / "run", "abc", writing=True)
    assert list(spread(Client(1), times, [5], 3, terms=shards)) == [(5, 15)]
    for other, said in (
        (replace(shards, mark="abd"), r"does not see .*; .* may write to"),
        (replace(shards, cache=tmp_path / "o" / "run"), r"does not see \S*/o; .* may write to"),
        (Terms(theirs), r"has other versions: numpy .* there, 1\.0 here"),
        (Terms(ours.versions, cache, "0" * 32), r"does not see .*features\.h5; .* may read"),
        (Terms(ours.versions, tmp_path / "none.h5", ours.mark), "does not see"),
    ):
        with pytest.raises(ClusterError, match=said):
            list(spread(Client(1), times, [5], 3, terms=other))


def test_what_a_call_raises_is_raised_here() -> None:
    def refuse(task: int, by: int) -> int:
        raise ValueError(f"no {task}")

    client = Client(1)
    with pytest.raises(ValueError, match="no 5") as caught:
        list(spread(client, refuse, [5], 3))
    assert lost("there", caught.value) is caught.value


def room(task: int) -> tuple[int, int]:
    """Give what a call may take, and the blocks that rows are read in."""
    return memory_room(), block_bytes()


def test_workers_of_one_computer_share_its_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each may take its part; blocks, which decide last bits, are those of the whole."""
    monkeypatch.setenv("ONEPASS_MEMORY", "0.001")
    client = Client(2)
    client.workers["tcp://192.0.2.2:2"] = client.worker(2)
    blocks = block_bytes()
    made = dict(spread(client, room, range(3)))
    assert sorted(made.values()) == [(500_000, blocks), (500_000, blocks), (1_000_000, blocks)]
    assert memory_room() == 1_000_000


@pytest.mark.parametrize(("taken", "here", "places"), [
    (Taken(0, 400), False, [1, 2, 1, 2]),  # as much as both have
    (Taken(0, 500), True, [1, 2, 1, 2]),
    (Taken(100, 400), True, [1, 1, 1, 1]),  # what is shared is here as well
    (Taken(100, 400), False, [1, 2, 1, 2]),
    (Taken(0, 900), False, [1, 1, 1, 1]),
])  # fmt: skip
def test_no_more_workers_of_a_computer_get_calls_than_it_has_memory_for(
    taken: Taken, here: bool, places: list[int]
) -> None:
    """What all calls need goes to no other."""
    client = Client(1)
    client.workers["tcp://192.0.2.1:2"] = client.worker(1)
    terms = Terms(tuple(versions().items()), rooms=(("tcp://192.0.2.1", Room(1000, here)),))
    made = dict(spread(client, times, range(4), 3, terms=terms, taken=taken))
    assert made == {0: 0, 1: 3, 2: 6, 3: 9}
    assert [int(place[-1]) for place in client.places] == places
    assert len(client.sent) == len(set(places))
    assert client.shares == [1 / len(set(places))] * 4


def test_no_computer_with_the_memory_for_a_call_is_a_line() -> None:
    terms = Terms(tuple(versions().items()), rooms=(("tcp://192.0.2.1", Room(10**9, True)),))
    with pytest.raises(ClusterError, match=r"takes some 1\.1 GB .*ONEPASS_MEMORY \(GB\) there, or"):
        list(spread(Client(1), times, [5], 3, terms=terms, taken=Taken(4 * 10**8, 3 * 10**8)))


def test_results_are_in_order_unless_they_need_not_be() -> None:
    """The second of three calls is lost on the way once."""
    for ordered, expected in ((True, [0, 3, 6]), (False, [0, 6, 3])):
        token = _client.set(Client(2, {2: "killed"}))
        try:
            assert list(each(times, range(3), 3, ordered=ordered)) == expected
        finally:
            _client.reset(token)
