"""Calls on the workers of a cluster, one at a time on each, whatever becomes of single workers.

What many calls need is sent to each worker once, as an object of that worker's own, and a call
goes where its object is: Dask then has nothing to copy between workers and nothing to place. It
may wait without end where a worker goes while an object is sent to all of them, where its client
misses an answer, or where the scheduler goes; so each of these is looked for here, every few
seconds, and ends as a call that is made again or as a line.
"""

from __future__ import annotations

import queue
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from features.cluster.connection import Terms, host_of, load_dask, meet, scheduler_gone
from features.errors import ClusterError
from features.runtime import MEMORY_VARIABLE, Taken, shared_memory

_LOOK = 5.0  # seconds without a result after which it is looked whether anybody still works
_PATIENCE = 60.0  # seconds without a worker before a run gives up
_PAUSE = 0.2  # seconds between two looks for a first worker
_TRIES = 4  # of a call
_MISSED = 2  # looks at which nobody had a call, before it is made again
Task = TypeVar("Task")
Made = TypeVar("Made")


def spread(
    client: Any,  # noqa: ANN401 - Dask has few types
    function: Callable[..., Made],
    tasks: Iterable[Task],
    *common: Any,  # noqa: ANN401 - whatever the function takes
    terms: Terms | None = None,
    taken: Taken | None = None,
) -> Iterator[tuple[Task, Made]]:
    """Call `function(task, *common)` on the workers, and yield what comes, in no fixed order.

    As many calls are under way as there are workers at that moment, so that each does one thing at
    a time and those that join later get their share. What a lost worker was at is called again.
    Workers of one computer share its memory: no more of them get calls than it holds, and each of
    these has its part of the limit (`features.runtime.memory_room`).

    Args:
        client: of Dask.
        function: of a module that workers can import.
        tasks: small things, taken as they are needed.
        common: arguments of every call, which each worker gets once.
        terms: what a worker has to have before it makes its first call; None to take any.
        taken: memory of a call; what is shared is held here, and once more by each worker.

    Raises:
        ClusterError: the scheduler went away, no worker is left, a call ended its worker again
            and again, or no computer has the memory for one.
        OnepassError: what `function` raises.
    """
    waiting, again = iter(tasks), deque[_Call[Task]]()
    crew = _Crew[Task](client, function, Common(common, terms), taken or Taken())
    while True:
        if not (again or crew.under_way):  # is there more to do, whether or not anybody is there?
            if (call := _next_of(waiting)) is None:
                return
            again.append(call)
        for place in crew.free():
            call = again.popleft() if again else _next_of(waiting)
            if call is None:
                break
            if not crew.send(call, place):
                again.append(call.to_be_made_again())
        for call, made in crew.wait():
            if made is not None:
                yield call.task, made[0]
            else:
                again.append(call.to_be_made_again())


@dataclass
class _Call(Generic[Task]):
    """One call to make: how often it was begun, and looks in a row at which nobody had it."""

    task: Task
    tries: int = 0
    missed: int = 0

    def to_be_made_again(self) -> _Call[Task]:
        """Give this call, unless it was begun too often.

        Raises:
            ClusterError: it was.
        """
        if self.tries < _TRIES:
            return self
        raise ClusterError(
            "workers die again and again at the same work (out of memory?); look at their own "
            "output, give them more memory, and run the same command again"
        )


def _next_of(tasks: Iterator[Task]) -> _Call[Task] | None:
    for task in tasks:
        return _Call(task)
    return None


@dataclass(frozen=True)
class Common:
    """Hold what all calls need, packed as one thing: what two of them share travels once."""

    arguments: tuple[Any, ...]
    terms: Terms | None


def call_there(function: Callable[..., Made], task: Any, common: Common, share: float) -> Made:  # noqa: ANN401
    """Make one call, on a worker that may take this share of its computer's memory."""
    if common.terms is not None:
        meet(common.terms)
    with shared_memory(share):
        return function(task, *common.arguments)


class _Crew(Generic[Task]):
    """The workers that there are, which come and go, and what each is at."""

    def __init__(
        self,
        client: Any,  # noqa: ANN401 - Dask has few types
        function: Callable[..., Any],
        common: Common,
        taken: Taken,
    ) -> None:
        self._client, self._function, self._common = client, function, common
        self._taken, self._rooms = taken, dict(common.terms.rooms if common.terms else ())
        self._shares: dict[str, float] = {}  # of its computer's memory, by the worker's address
        self._there: dict[str, Any] = {}  # what was sent, by the worker's address
        self.under_way: dict[Any, tuple[_Call[Task], str]] = {}
        self._ended: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._heard = time.monotonic()

    def free(self) -> list[str]:
        """Give the workers that may take a call now."""
        workers = running_workers(self._client)
        for gone in self._there.keys() - workers.keys():
            del self._there[gone]
        if workers:
            self._heard = time.monotonic()
            self._share_memory(workers)
        busy = {place for _, place in self.under_way.values()}
        return [place for place in workers if place in self._shares and place not in busy]

    def _share_memory(self, workers: Iterable[str]) -> None:
        """Choose who gets calls: of each computer as many as it has memory for.

        Those that have something to do, or what all calls need, come first.

        Raises:
            ClusterError: no computer has the memory for one.
        """
        at_work = {place for _, place in self.under_way.values()}
        by_host: dict[str, list[str]] = {}
        for place in sorted(workers, key=lambda one: (one not in at_work, one not in self._there)):
            by_host.setdefault(host_of(place), []).append(place)
        self._shares = {}
        for host, places in by_host.items():
            chosen = places[: self._most_on(host, len(places))]
            self._shares |= dict.fromkeys(chosen, 1 / max(len(chosen), 1))
        if not self._shares:
            needed = 2 * self._taken.shared + self._taken.each
            raise ClusterError(
                f"a call takes some {needed / 1e9:.3g} GB with what is sent to its worker; no "
                "computer of the cluster may take as much; expected one with more memory; set "
                f"{MEMORY_VARIABLE} (GB) there, or leave out --cluster"
            )

    def _most_on(self, host: str, workers: int) -> int:
        """Say how many workers of a computer may get calls; one of which nobody knows, all."""
        room = self._rooms.get(host)
        if room is None or not any(self._taken):
            return workers
        shared, each = self._taken
        return min(workers, (room.limit - shared * room.here) // max(shared + each, 1))

    def send(self, call: _Call[Task], place: str) -> bool:
        """Let a worker make a call; False where it has gone meanwhile."""
        call.tries += 1
        call.missed = 0
        if place not in self._there:
            try:
                self._there[place] = self._client.scatter(
                    [self._common], workers=[place], hash=False
                )[0]
            except (KeyError, OSError):  # OSError is Dask's TimeoutError, too
                refuse_gone(self._client)
                return False
        future = self._client.submit(
            call_there, self._function, call.task, self._there[place], self._shares[place],
            pure=False,
        )  # fmt: skip
        self.under_way[future] = call, place
        future.add_done_callback(self._ended.put)
        return True

    def wait(self) -> list[tuple[_Call[Task], tuple[Any] | None]]:
        """Give a call that is done with, and its result; None where it is to be made again.

        Nothing, after a while in which nothing came: then it was looked at what the workers are at.
        """
        try:
            future = self._ended.get(timeout=_LOOK if self.under_way else _PAUSE)
        except queue.Empty:
            return [(call, None) for call in self._look()]
        if future not in self.under_way:  # it was made again
            return []
        self._heard = time.monotonic()
        made = self._result(future)
        call, place = self.under_way.pop(future)
        if made is None:  # its worker is gone, or what was sent to it is
            self._there.pop(place, None)
        return [(call, made)]

    def _look(self) -> list[_Call[Task]]:
        """See that somebody works; give the calls that nobody has, which are dropped.

        Raises:
            ClusterError: the scheduler is gone, or for a minute nobody worked.
        """
        refuse_gone(self._client)
        known = {key for keys in self._client.processing().values() for key in keys}
        lost = []
        for future, (call, place) in list(self.under_way.items()):
            call.missed = 0 if future.key in known else call.missed + 1
            if call.missed >= _MISSED and future.status == "pending":
                del self.under_way[future]
                future.release()
                self._there.pop(place, None)
                lost.append(call)
        if running_workers(self._client) or known & {one.key for one in self.under_way}:
            self._heard = time.monotonic()
        elif time.monotonic() - self._heard >= _PATIENCE:
            raise ClusterError(
                "no worker takes work any more: all are gone, or paused for lack of memory; what "
                "is done is kept: start some, and run the same command again"
            )
        return lost

    def _result(self, future: Any) -> tuple[Any] | None:  # noqa: ANN401 - Dask has few types
        """Fetch what a call returned; None where its worker died at it.

        Raises:
            ClusterError: the scheduler is gone.
            Exception: what the call raised.
        """
        distributed = load_dask()
        try:
            return (future.result(),)
        except (distributed.CancelledError, distributed.KilledWorker) as error:
            if getattr(error, "reason", "") == "scheduler-connection-lost":
                raise scheduler_gone(self._client) from None
            refuse_gone(self._client)
            return None
        except Exception:
            if future.status != "error":  # of the way here, not of the call
                refuse_gone(self._client)
            raise


def refuse_gone(client: Any) -> None:  # noqa: ANN401 - Dask has few types
    """Raise ClusterError where the client has no scheduler: one that comes again knows nothing."""
    if client.status != "running":
        raise scheduler_gone(client)


def running_workers(client: Any) -> Mapping[str, Any]:  # noqa: ANN401 - Dask has few types
    """Give what the scheduler knows of its workers that take work now, by their addresses.

    Raises:
        ClusterError: the scheduler is gone.
    """
    known = client.scheduler_info(n_workers=-1)["workers"]
    refuse_gone(client)
    return {address: one for address, one in known.items() if one["status"] == "running"}
