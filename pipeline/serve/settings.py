"""Check what `onepass serve` is told: folders, address, limits on what anybody may send."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from pathlib import Path

from features.backbones.engines import DEFAULT_ENGINE
from features.cache.shards import open_cache
from features.errors import CacheError, DataError
from features.own_files import refuse_strange_root
from features.photographs.decode import MAX_PIXELS
from pipeline.line.kept_rows import ROWS_PER_HOUR


@dataclass(frozen=True)
class Limits:
    """Hold what is refused, before it costs anything.

    Attributes:
        request_bytes: of one request, all its files together.
        files: in one request.
        pixels: of one photograph.
        waiting: photographs that wait for the model or are being decoded, of all requests.
        waiting_bytes: of the requests that are being read or wait, together.
        seconds: to send a request.
        kept_bytes: of photographs kept in INBOX/recent, so that a verdict can be corrected later.
        rows_per_hour: photographs whose rows are kept in the cache, for drift.
        drift_every: seconds between two measurements of drift that nobody asked for; 0 for none.
    """

    request_bytes: int = 96 * 2**20
    files: int = 16
    pixels: int = MAX_PIXELS
    waiting: int = 64
    waiting_bytes: int = 384 * 2**20
    seconds: float = 60.0
    kept_bytes: int = 2**30
    rows_per_hour: int = ROWS_PER_HOUR
    drift_every: float = 3600.0


@dataclass(frozen=True)
class ServeSettings:
    """Say where a service reads and writes, and who may ask.

    Attributes:
        model: folder of the active model; the others are in `versions`.
        cache: of the model's recipe and weights.
        data: the folder of training photographs; None where it is not to be read.
        inbox: where corrections and photographs go.
        host: address to listen on.
        port: of it; 0 for any that is free.
        names: further names that this computer is called by, in the address of a browser.
        weights: where the backbone's weights are now, if not where they were.
        engine: what computes the backbone.
        accept_drift: go on where the model's self-test gives other results.
        limits: see `Limits`.
    """

    model: Path
    cache: Path
    data: Path | None
    inbox: Path
    host: str = "127.0.0.1"
    port: int = 8000
    names: tuple[str, ...] = ()
    weights: str | None = None
    engine: str = DEFAULT_ENGINE
    accept_drift: bool = False
    limits: Limits = field(default_factory=Limits)

    @property
    def versions(self) -> Path:
        """Say where every model is kept that ever was active or was refitted."""
        return self.model.with_name(f"{self.model.name}-versions")

    @property
    def is_local(self) -> bool:
        """Say whether nobody outside this computer can ask.

        Raises:
            DataError: the host is no address of a computer.
        """
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            raise DataError(
                f"found --host {self.host!r}; expected an address such as 127.0.0.1 (this "
                "computer alone), 0.0.0.0 (every network that it is in) or 192.168.1.20"
            ) from None


def folder_of_data(data: Path | None, cache: Path) -> Path | None:
    """Find where the training photographs are: as told, else as the cache says, else unknown.

    Raises:
        DataError: the folder that was told is not there.
        CacheError: a cache of another account names a folder; see
            `features.own_files.refuse_strange_root`.
    """
    if data is not None:
        if not data.is_dir():
            raise DataError(f"found no folder at {data}; expected the training photographs")
        return data
    if not cache.exists():
        return None
    with open_cache(cache) as found:
        root = str(found.note.get("root", ""))
        try:
            refuse_strange_root(cache, root, own=found.own)
        except CacheError as error:
            raise CacheError(f"{error}; or name it here: --data FOLDER") from error
    return Path(root) if root and Path(root).is_dir() else None
