"""joblib's calls on a cluster: what many calls need goes to each worker once.

joblib has a backend for Dask, which finds an argument by its identity among what was scattered.
So a Gram matrix, or rows in memory, travel once to each worker and not with every fold; rows that
stay in the cache do not travel at all, as each worker reads them from the shared disk.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import Any, TypeVar

from features.cluster.connection import Cluster, check_workers, dashboard, lost
from features.cluster.spread import spread

_client: ContextVar[Any] = ContextVar("client", default=None)
Made = TypeVar("Made")


@contextlib.contextmanager
def on_cluster(text: str | None, cache_path: Path, told: Callable[[str], None]) -> Iterator[None]:
    """Let joblib's calls within the block run on a cluster; None for this computer's processes.

    Args:
        text: where, see `Cluster`.
        cache_path: which the workers are to see under the same name.
        told: takes the line that names the dashboard.

    Raises:
        ClusterError: the cluster cannot be used, or went away; the same command may be run again.
    """
    if text is None:
        yield
        return
    cluster = Cluster(text)
    with cluster.connect() as client:
        told(dashboard(client))
        check_workers(client, cache_path.absolute(), writing=False)
        token = _client.set(client)
        try:
            yield
        except Exception as error:
            if (found := lost(cluster.text, error)) is error:
                raise
            raise found from error
        finally:
            _client.reset(token)


@contextlib.contextmanager
def shared(objects: Sequence[object]) -> Iterator[int | None]:
    """Send objects to each worker once; within the block joblib calls the workers.

    Yields:
        The number of calls that the workers do at once; None where there is no cluster, and
        joblib is as it was.
    """
    client = _client.get()
    if client is None:
        yield None
        return
    from joblib import parallel_config

    with parallel_config(backend="dask", client=client, scatter=list(objects)):
        yield max(1, sum(client.ncores().values()))


def is_elsewhere() -> bool:
    """Say whether `each` calls the workers of a cluster."""
    return _client.get() is not None


def each(function: Callable[..., Made], tasks: Sequence[Any], *common: Any) -> Iterator[Made]:  # noqa: ANN401 - Dask has few types
    """Call `function(task, *common)` for every task, and yield the results in order.

    Here, one after the other as they are asked for; within `on_cluster` on the workers, several at
    once, and what is common to the tasks goes to each worker once. What a lost worker was at is
    called again; joblib waits without end where the scheduler goes at the wrong moment.

    Args:
        function: of a module that workers can import.
        tasks: small things.
        common: large ones.

    Raises:
        ClusterError: see `features.cluster.spread.spread`.
        OnepassError: what `function` raises.

    Example:
        >>> list(each(pow, [2, 3], 2))
        [4, 9]
    """
    client = _client.get()
    if client is None:
        yield from (function(task, *common) for task in tasks)
        return
    there = [client.scatter(one, broadcast=True, hash=False) for one in common]
    calls = [(number, function, task) for number, task in enumerate(tasks)]
    made: dict[int, Made] = {}
    wanted = 0
    for (number, *_), result in spread(client, _call, calls, *there):
        made[number] = result
        while wanted in made:
            yield made.pop(wanted)
            wanted += 1


def _call(call: tuple[int, Callable[..., Made], Any], *common: Any) -> Made:  # noqa: ANN401
    """Make one call of `each`, on a worker."""
    _, function, task = call
    return function(task, *common)
