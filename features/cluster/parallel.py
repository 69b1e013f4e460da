"""Work within a command, here or on a cluster: folds, heads, files to look at.

What many calls need, such as a Gram matrix or rows in memory, goes to each worker once and not with
every fold; rows that stay in the cache do not travel at all, as each worker reads them from the
shared disk. joblib's own backend for Dask is not used: it may wait without end where a scheduler or
a worker goes.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from pathlib import Path
from typing import Any, TypeVar

from features.cluster.connection import Cluster, Terms, check_workers, dashboard, lost
from features.cluster.spread import spread
from features.runtime import Taken, core_count

_client: ContextVar[Any] = ContextVar("client", default=None)
_terms: ContextVar[Terms | None] = ContextVar("terms", default=None)
Made = TypeVar("Made")
_THREADS = 16  # at most, each with blocks of its own in memory
_A_CALL = 16  # tasks that a worker's threads share


@contextlib.contextmanager
def on_cluster(text: str | None, cache_path: Path, told: Callable[[str], None]) -> Iterator[None]:
    """Let `each` within the block call the workers of a cluster; None for this computer.

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
        terms = check_workers(client, cache_path.absolute(), writing=False)
        tokens = _client.set(client), _terms.set(terms)
        try:
            yield
        except Exception as error:
            if (found := lost(cluster.text, error)) is error:
                raise
            raise found from error
        finally:
            _client.reset(tokens[0])
            _terms.reset(tokens[1])


def is_elsewhere() -> bool:
    """Say whether `each` calls the workers of a cluster."""
    return _client.get() is not None


def each(
    function: Callable[..., Made],
    tasks: Sequence[Any],
    *common: Any,  # noqa: ANN401 - whatever the function takes
    ordered: bool = True,
    taken: Taken | None = None,
) -> Iterator[Made]:
    """Call `function(task, *common)` for every task, and yield the results in order.

    Here, one after the other as they are asked for; within `on_cluster` on the workers, one at a
    time on each, and what is common to the tasks goes to each worker once. What a lost worker was
    at is called again, and no loss is waited for without end; see `features.cluster.spread`.

    Args:
        function: of a module that workers can import.
        tasks: small things.
        common: large ones.
        ordered: False to yield the workers' results as they come.
        taken: memory that the calls take, if it is much; see `features.cluster.spread.spread`.

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
    calls = enumerate(tasks)
    made = spread(client, _numbered, calls, function, *common, terms=_terms.get(), taken=taken)
    results = ((number, result) for (number, _), result in made)
    yield from _in_order(results) if ordered else (result for _, result in results)


def each_by_threads(
    function: Callable[..., Made],
    tasks: Sequence[Any],
    *common: Any,  # noqa: ANN401 - whatever the function takes
    taken: Taken | None = None,
) -> Iterator[Made]:
    """Call as `each` does, a thread on every core, here or on each worker.

    BLAS has one thread in each, so that results have the same bits wherever a call is made. The
    first call of a place is made alone: what it has to prepare for all is prepared once.

    Args:
        function: of a module that workers can import; what takes its time lets go of Python's lock.
        tasks: small things.
        common: large ones.
        taken: as of `each`.

    Raises:
        ClusterError: see `each`.
    """
    if not is_elsewhere():
        yield from by_threads(function, tasks, *common)
        return
    calls = [tasks[start : start + _A_CALL] for start in range(0, len(tasks), _A_CALL)]
    for made in each(_made_there, calls, function, *common, taken=taken):
        yield from made


def by_threads(
    function: Callable[..., Made],
    tasks: Sequence[Any],
    *common: Any,  # noqa: ANN401 - whatever the function takes
) -> Iterator[Made]:
    """Call as `each_by_threads` does, here also within `on_cluster`."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1), ThreadPoolExecutor(min(core_count(), _THREADS)) as pool:
        for task in tasks[:1]:
            yield function(task, *common)
        yield from pool.map(lambda task: function(task, *common), tasks[1:])


def _made_there(tasks: Sequence[Any], function: Callable[..., Made], *common: Any) -> list[Made]:  # noqa: ANN401
    return list(by_threads(function, tasks, *common))


def _in_order(results: Iterable[tuple[int, Made]]) -> Iterator[Made]:
    """Hold back results until those before them are there."""
    held: dict[int, Made] = {}
    wanted = 0
    for number, result in results:
        held[number] = result
        while wanted in held:
            yield held.pop(wanted)
            wanted += 1


def _numbered(call: tuple[int, Any], function: Callable[..., Made], *common: Any) -> Made:  # noqa: ANN401
    """Make one call of `each`, on a worker."""
    return function(call[1], *common)
