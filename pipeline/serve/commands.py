"""The command `serve`."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pipeline.terminal import options as opt
from pipeline.terminal.command_group import DATA, OUTPUT, RUN
from pipeline.terminal.console import say

if TYPE_CHECKING:
    import socket

    from pipeline.serve.settings import ServeSettings

_MISSING = (
    "serve needs packages that are not installed; expected the extra serve: "
    'pip install "onepass[serve]"'
)


TrainingData = Annotated[
    Path | None,
    opt.option(DATA, "The training photographs.  [default: where the cache says]"),
]
InboxFolder = Annotated[
    Path, opt.option(OUTPUT, "Folder for corrections, photographs and the log.")
]
Host = Annotated[
    str,
    opt.option(RUN, "Address to listen on; any but this computer's own demands a token."),
]
Port = Annotated[int, opt.option(RUN, "Where the page is; 0 for any.", min=0, max=65535)]
Name = Annotated[
    list[str] | None, opt.option(RUN, "Another name of this computer in browsers; repeat.")
]
Texts = Annotated[Path | None, opt.option(OUTPUT, "What the pages say, translated (JSON).")]


def serve(
    model: opt.ModelArgument = Path("model"),
    cache: opt.CacheFile = Path("features.h5"),
    data: TrainingData = None,
    inbox: InboxFolder = Path("inbox"),
    host: Host = "127.0.0.1",
    port: Port = 8000,
    name: Name = None,
    texts: Texts = None,
    weights: opt.Weights = None,
    engine: opt.Engine = "auto",
    max_pixels: opt.MaxPixels = None,
    accept_drift: opt.AcceptDrift = False,
    quiet: opt.Quiet = False,
) -> None:
    """Serve the inspector's page and programs: look, correct, refit, on this computer alone.

    Example: onepass serve model --cache features.h5 --data data
    """
    from features.errors import EngineError

    try:
        import jinja2  # noqa: F401 - are they there?
        import python_multipart  # noqa: F401 - are they there?
        import starlette  # noqa: F401 - are they there?
        import uvicorn  # noqa: F401 - are they there?
    except ImportError as error:
        raise EngineError(f"{_MISSING} ({error})") from error
    from features.photographs.decode import MAX_PIXELS
    from pipeline.serve.settings import Limits, ServeSettings, folder_of_data

    settings = ServeSettings(
        model=model, cache=cache, data=folder_of_data(data, cache), inbox=inbox, host=host,
        port=port, names=tuple(name or ()), weights=weights, engine=engine,
        accept_drift=accept_drift, limits=Limits(pixels=max_pixels or MAX_PIXELS),
    )  # fmt: skip
    run_server(settings, texts)


def run_server(settings: ServeSettings, texts: Path | None = None) -> None:
    """Serve until Ctrl-C or SIGTERM; what was acknowledged is on the disk.

    Args:
        settings: see `pipeline.serve.settings.ServeSettings`.
        texts: see `pipeline.serve.web.read_texts`.

    Raises:
        OnepassError: the model cannot be used, or the address is taken.
    """
    from pipeline.serve.access import Access, read_token
    from pipeline.serve.station import Station
    from pipeline.serve.web import make_app, make_server, read_texts

    said = read_texts(texts)
    local = settings.is_local
    token, made = (None, False) if local else read_token(settings.inbox)
    listening = _listen(settings)
    with contextlib.closing(listening):
        station = Station(settings)
        app = make_app(station, Access.of(settings, token), said)
        _say_where(settings, listening.getsockname()[1], token if made else None)
        make_server(app).run(sockets=[listening])


def _listen(settings: ServeSettings) -> socket.socket:
    import socket

    from features.errors import DataError

    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        # Of Windows REUSEADDR would let two programs have one port, without a word.
        shared = getattr(socket, "SO_EXCLUSIVEADDRUSE", socket.SO_REUSEADDR)
        listening.setsockopt(socket.SOL_SOCKET, shared, 1)
        listening.bind((settings.host, settings.port))
        listening.listen(256)
    except OSError as error:
        listening.close()
        raise DataError(
            f"{settings.host} port {settings.port} cannot be listened on "
            f"({error.strerror or error}); name another with --port, or end who has it"
        ) from error
    return listening


def _say_where(settings: ServeSettings, port: int, token: str | None) -> None:
    shown = f"[{settings.host}]" if ":" in settings.host else settings.host
    say(f"serving {settings.model} at http://{shown}:{port}/  (Ctrl-C ends it)")
    if settings.is_local:
        say("only this computer can reach it; for others: --host, which demands a token")
        return
    say(
        f"whoever reaches {shown} and has the token can see photographs and verdicts; nothing is "
        "encrypted: let a reverse proxy do that where you do not own the network"
    )
    say(f"the token lies in {settings.inbox / 'token'} (mode 600)")
    if token is not None:
        say(f"the token, printed this once: {token}")
