"""The way to a Dask cluster: of this computer's own processes, or by a scheduler's address.

Dask is an extra. Whatever cannot work is said before the first photograph is dealt: no scheduler at
the address, no worker, workers of other versions, workers that do not see the folder.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import importlib.util
import logging
import re
import secrets
import socket
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

from features.cache.redo_log import SIZE, Header
from features.cache.shards import TABLE
from features.errors import ClusterError, OnepassError
from features.files import write_whole
from features.runtime import memory_limit

_LOCAL = re.compile(r"local:([1-9]\d{0,3})")
_ADDRESS = re.compile(r"(tcp|tls)://[^/\s]+:\d+")
_CONNECT = 10  # seconds to wait for a scheduler
_WORKERS = 60  # seconds to wait for its first worker
PACKAGES = ("onepass", "dask", "distributed", "numpy", "h5py", "tensorflow", "scikit-learn")
"""Whose versions are to be the same everywhere: results depend on them, or the way there does."""


@dataclass(frozen=True)
class Cluster:
    """Say where work goes: `local:N`, processes of this computer; or the address of a scheduler.

    Attributes:
        text: as it was asked for.

    Raises:
        ClusterError: it is neither, or Dask is not installed.

    Example:
        >>> Cluster("4 computers")
        Traceback (most recent call last):
        ...
        features.errors.ClusterError: found --cluster '4 computers'; expected local:N, such as \
local:2, or a scheduler's address, such as tcp://192.0.2.7:8786
    """

    text: str

    def __post_init__(self) -> None:
        if not _LOCAL.fullmatch(self.text) and not _ADDRESS.fullmatch(self.text):
            raise ClusterError(
                f"found --cluster {self.text!r}; expected local:N, such as local:2, or a "
                "scheduler's address, such as tcp://192.0.2.7:8786"
            )
        if importlib.util.find_spec("distributed") is None:
            raise ClusterError(
                "--cluster needs Dask, which is not installed; expected the extra cluster: "
                'pip install "onepass[cluster]"'
            )

    @classmethod
    def asked_for(cls, text: str | None) -> Cluster | None:
        """Give the cluster of an option that may be left out."""
        return None if text is None else cls(text)

    @contextlib.contextmanager
    def connect(self) -> Iterator[Any]:
        """Give a client of the cluster, with a worker at least; errors of Dask become one line.

        Raises:
            ClusterError: no scheduler, no worker, or it went away meanwhile.
        """
        distributed = load_dask()
        _quieten()
        with contextlib.ExitStack() as stack:
            try:
                client = stack.enter_context(self._client(stack))
                client.wait_for_workers(1, timeout=_WORKERS)
            except distributed.TimeoutError:
                raise ClusterError(
                    f"the scheduler at {self.text} has no worker; start some on your machines: "
                    f"dask worker {self.text} --nthreads 1 --memory-limit 0"
                ) from None
            yield client

    def _client(self, stack: contextlib.ExitStack) -> Any:  # noqa: ANN401 - Dask has few types
        distributed = load_dask()
        local = _LOCAL.fullmatch(self.text)
        if local:
            made = distributed.LocalCluster(
                n_workers=int(local[1]),
                threads_per_worker=1,
                dashboard_address=":0",
                silence_logs=logging.CRITICAL,
            )
            return distributed.Client(stack.enter_context(made))
        self._refuse_silence()
        try:
            return distributed.Client(self.text, timeout=_CONNECT)
        except (OSError, ValueError, ImportError) as error:
            raise ClusterError(
                f"no scheduler answers at {self.text} ({_first_line(error)}); start one: dask "
                "scheduler, and name the address that it prints"
            ) from None

    def _refuse_silence(self) -> None:
        """Refuse what does not speak first, as a scheduler does: Dask waits for it without end.

        Who does not answer at all is left to Dask, which words that; so is tls.
        """
        scheme, host, port = re.split(r"://|:(?=\d+$)", self.text)
        if scheme != "tcp":
            return
        with contextlib.suppress(OSError, ValueError, OverflowError):
            with socket.create_connection((host.strip("[]"), int(port)), _CONNECT) as there:
                try:
                    first = there.recv(8)
                except TimeoutError:
                    first = b""
            if first[:4] in (b"", b"HTTP"):
                raise ClusterError(
                    f"what answers at {self.text} is no scheduler (the port of its dashboard?); "
                    "name the address that dask scheduler prints"
                )


def load_dask() -> Any:  # noqa: ANN401 - Dask has few types
    """Import `distributed` and return the module: the one door to Dask."""
    return importlib.import_module("distributed")


def dashboard(client: Any) -> str:  # noqa: ANN401 - Dask has few types
    """Say where Dask shows what each worker is doing."""
    return f"cluster  {client.scheduler.address}, dashboard {client.dashboard_link}"


class Room(NamedTuple):
    """Say how much memory a computer of the cluster has for its workers.

    Attributes:
        limit: bytes; see `features.runtime.memory_limit`.
        here: whether it is this computer, which holds what it sends, too.
    """

    limit: int
    here: bool


@dataclass(frozen=True)
class Terms:
    """Say what every worker has to have, also one that joins when the others were asked.

    Attributes:
        versions: see `versions`.
        cache: the file that workers read, or the one in the folder to write into; None where
            there is none.
        mark: what stands in it; of a file to read see `mark_of`.
        writing: whether they are to write there.
        rooms: bytes of each known computer's memory limit, and whether it is this one.
    """

    versions: tuple[tuple[str, str], ...]
    cache: Path | None = None
    mark: str = ""
    writing: bool = False
    rooms: tuple[tuple[str, Room], ...] = ()


@functools.lru_cache(maxsize=8)
def meet(terms: Terms) -> None:
    """See, on a worker, that it has what it has to; it is looked at once for each run.

    Raises:
        ClusterError: it has not.
    """
    here = socket.gethostname()
    _refuse_versions(here, versions(), dict(terms.versions))
    if terms.cache is None:
        return
    if terms.writing and _seen_to_write(terms.cache) != terms.mark:
        raise _unseen(here, terms.cache.parent, "write to")
    if not terms.writing and mark_of(terms.cache) != terms.mark:
        raise _unseen(here, terms.cache, "read")


def check_workers(client: Any, place: Path, *, writing: bool) -> Terms:  # noqa: ANN401 - Dask has few types
    """See that every worker has our versions, and reads the cache or writes into its folder.

    Args:
        client: of Dask.
        place: the folder to write into; or the cache, a file or a folder of shards, to read.
        writing: which of both. Where workers are to read, nothing is written.

    Returns:
        What those that join later have to have, too; of a folder to write into the caller adds
        what they have to find there.

    Raises:
        ClusterError: one does not; it is named.
        OutputError: the folder cannot be written here.
    """
    token, file = secrets.token_hex(8), place / f".seen-{secrets.token_hex(4)}"
    if writing:
        write_whole(file, token)
    else:
        file = place / TABLE if place.is_dir() else place
        token = mark_of(file)
    try:
        said = client.run(describe_worker, str(file), writing, socket.gethostname())
    except ModuleNotFoundError as error:
        raise ClusterError(
            f"workers lack a package ({error}); expected the same onepass on every machine: "
            'pip install "onepass[cluster]" there'
        ) from None
    except Exception as error:  # noqa: BLE001 - whatever a worker of other versions raises
        raise ClusterError(
            f"the workers could not be asked ({_first_line(error)}); expected the same Python, "
            "Dask and onepass on every machine; look at the workers' own output"
        ) from None
    finally:
        if writing:
            file.unlink(missing_ok=True)
    ours = versions()
    for worker, one in said.items():
        _refuse_versions(worker, one.versions, ours)
        if one.seen != token:
            raise _unseen(worker, place, "write to" if writing else "read")
    rooms = tuple((host_of(worker), one.room) for worker, one in said.items())
    terms = Terms(tuple(ours.items()), rooms=rooms)
    return terms if writing else replace(terms, cache=file, mark=token)


def _refuse_versions(worker: str, theirs: Mapping[str, str], ours: Mapping[str, str]) -> None:
    other = [f"{what} {theirs.get(what)} there, {ours[what]} here" for what in ours
             if theirs.get(what) != ours[what]]  # fmt: skip
    if other:
        raise ClusterError(
            f"worker {worker} has other versions: {'; '.join(other)}; expected the same on every "
            "machine; install them from one constraints file"
        )


def _unseen(worker: str, place: Path, may: str) -> ClusterError:
    return ClusterError(
        f"worker {worker} does not see {place}; expected a shared disk with the same path on every "
        f"machine, that every worker may {may}"
    )


class Described(NamedTuple):
    """Hold what a worker says of itself.

    Attributes:
        versions: see `versions`.
        seen: what stands in a file of the shared disk.
        room: of its computer.
    """

    versions: dict[str, str]
    seen: str
    room: Room


def describe_worker(file: str, writing: bool, client: str) -> Described:
    """Say, on a worker, its versions, what stands in a file, and the memory of its computer.

    Args:
        file: on the shared disk.
        writing: whether it is to be written to.
        client: the name of the computer that asks.
    """
    room = Room(memory_limit(), socket.gethostname() == client)
    if not writing:
        return Described(versions(), mark_of(Path(file)), room)
    return Described(versions(), _seen_to_write(Path(file)), room)


def _seen_to_write(file: Path) -> str:
    """Read what stands in a file that may be written to; "" where it is not seen, or may not."""
    try:
        seen = file.read_text("utf-8")
        file.touch()
    except OSError:
        return ""
    return seen


def host_of(worker: str) -> str:
    """Give the computer of a worker's address, as the scheduler names it.

    Example:
        >>> host_of("tcp://192.0.2.7:40112")
        'tcp://192.0.2.7'
    """
    return worker.rpartition(":")[0]


def mark_of(cache: Path) -> str:
    """Give what tells a cache's file from others, whatever is written to it; "" where none is."""
    try:
        with cache.open("rb") as file:
            header = Header.unpack(file.read(SIZE))
    except OSError:
        return ""
    return header.identity.hex() if header else "without a header"


def versions() -> dict[str, str]:
    """Give the versions that have to be the same everywhere."""
    found = {"Python": ".".join(map(str, sys.version_info[:2]))}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "none"
    return found


_OF_DASK = {"distributed", "dask", "tornado", "asyncio", "concurrent"}
"""Packages whose errors mean that the cluster went away, not that there is a mistake here."""


def lost(text: str, error: Exception) -> Exception:
    """Give the error to raise of work on a cluster: that it went away, or the error as it is."""
    kinds = {kind.__module__.split(".")[0] for kind in type(error).__mro__}
    if isinstance(error, OnepassError) or not (kinds & _OF_DASK or isinstance(error, OSError)):
        return error
    return ClusterError(
        f"the work on {text} ended ({_first_line(error)}); what is done is kept: start the "
        "scheduler and its workers again if they are gone, and run the same command again"
    )


def scheduler_gone(client: Any) -> ClusterError:  # noqa: ANN401 - Dask has few types
    """Word that the scheduler went away."""
    return ClusterError(
        f"the scheduler at {client.scheduler.address} went away; what is done is kept: start it "
        "and its workers again, and run the same command again"
    )


def _first_line(error: BaseException) -> str:
    text = str(error).strip().split("\n")[0][:200]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _quieten() -> None:
    """Keep Dask's own log lines from the terminal: what matters of them becomes an error."""
    for name in ("distributed", "distributed.client", "distributed.scheduler", "tornado"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
