"""Calls on the workers of a cluster, a few at a time, whatever becomes of single workers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from features.cluster.connection import load_dask, worker_addresses
from features.errors import ClusterError

_LOOK = 5  # seconds after which it is looked whether anybody still works
_PATIENCE = 60  # seconds without a worker before a run gives up
_TRIES = 4  # of a call whose workers die, each of which Dask tries on several workers
Task = TypeVar("Task")
Made = TypeVar("Made")


def spread(
    client: Any,  # noqa: ANN401 - Dask has few types
    function: Callable[..., Made],
    tasks: Iterable[Task],
    *more: Any,  # noqa: ANN401 - whatever the function takes
) -> Iterator[tuple[Task, Made]]:
    """Call `function(task, *more)` on the workers, and yield what comes, in no fixed order.

    As many calls are under way as there are workers at that moment, so that each computer does one
    thing at a time and those that join later get their share. What a lost worker was at is called
    again on another one.

    Args:
        client: of Dask.
        function: of a module that workers can import.
        tasks: taken as they are needed.
        more: arguments of every call.

    Raises:
        ClusterError: a call ended its worker again and again, or no worker is left.
        OnepassError: what `function` raises.
    """
    waiting = iter(tasks)
    pending: dict[Any, tuple[Task, int]] = {}
    crew = _Crew(client)
    more_to_come = True
    while more_to_come or pending:
        while more_to_come and len(pending) < crew.size():
            try:
                task = next(waiting)
            except StopIteration:
                more_to_come = False
                break
            pending[client.submit(function, task, *more, pure=False)] = (task, 1)
        for future in crew.wait(pending):
            task, tries = pending.pop(future)
            made = _result(future)
            if made is not None:
                yield task, made[0]
            elif tries < _TRIES:
                pending[client.submit(function, task, *more, pure=False)] = (task, tries + 1)
            else:
                raise ClusterError(
                    "workers die again and again at the same work (out of memory?); look at their "
                    "own output, give them more memory, and run the same command again"
                )


def _result(future: Any) -> tuple[Any] | None:  # noqa: ANN401 - Dask has few types
    """Give what a call returned; None where its workers died at it."""
    try:
        return (future.result(),)
    except load_dask().KilledWorker:
        return None


class _Crew:
    """The workers that there are, which come and go."""

    def __init__(self, client: Any) -> None:  # noqa: ANN401 - Dask has few types
        self._client, self._alone = client, 0

    def size(self) -> int:
        """Give their number, one at least."""
        return max(1, len(worker_addresses(self._client)))

    def wait(self, pending: Iterable[Any]) -> list[Any]:
        """Give the calls that are done with, as soon as there is one.

        Raises:
            ClusterError: for a minute there was no worker.
        """
        distributed, futures = load_dask(), list(pending)
        while futures:
            try:
                done = distributed.wait(futures, timeout=_LOOK, return_when="FIRST_COMPLETED").done
                self._alone = 0
                return list(done)
            except distributed.TimeoutError:
                self._alone = 0 if worker_addresses(self._client) else self._alone + 1
                if self._alone * _LOOK >= _PATIENCE:
                    raise ClusterError(
                        "all workers are gone; what is done is kept: start some again, and run "
                        "the same command again"
                    ) from None
        return []
