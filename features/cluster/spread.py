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
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from features.cluster.connection import Terms, load_dask, meet, scheduler_gone
from features.errors import ClusterError

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
) -> Iterator[tuple[Task, Made]]:
    """Call `function(task, *common)` on the workers, and yield what comes, in no fixed order.

    As many calls are under way as there are workers at that moment, so that each does one thing at
    a time and those that join later get their share. What a lost worker was at is called again.

    Args:
        client: of Dask.
        function: of a module that workers can import.
        tasks: small things, taken as they are needed.
        common: arguments of every call, which each worker gets once.
        terms: what a worker has to have before it makes its first call; None to take any.

    Raises:
        ClusterError: the scheduler went away, no worker is left, or a call ended its worker again
            and again.
        OnepassError: what `function` raises.
    """
    waiting, again = iter(tasks), deque[_Call[Task]]()
    crew = _Crew[Task](client, function, Common(common, terms))
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


def call_there(function: Callable[..., Made], task: Any, common: Common) -> Made:  # noqa: ANN401
    """Make one call, on a worker."""
    if common.terms is not None:
        meet(common.terms)
    return function(task, *common.arguments)


class _Crew(Generic[Task]):
    """The workers that there are, which come and go, and what each is at."""

    def __init__(
        self,
        client: Any,  # noqa: ANN401 - Dask has few types
        function: Callable[..., Any],
        common: Common,
    ) -> None:
        self._client, self._function, self._common = client, function, common
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
        busy = {place for _, place in self.under_way.values()}
        return [place for place in workers if place not in busy]

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
            call_there, self._function, call.task, self._there[place], pure=False
        )
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


def share_of_memory(client: Any) -> float:  # noqa: ANN401 - Dask has few types
    """Say which part of a computer's memory a worker may take: those on one computer share it."""
    hosts = Counter(str(one["host"]) for one in running_workers(client).values())
    return 1 / max(hosts.values(), default=1)
