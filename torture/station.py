"""SIGKILL at random moments of a service: in uploads, corrections, a refit, a switch of models.

After every kill the same folder is served again. Every verdict that a client was told must be in
the log, every correction that was acknowledged (and not taken back) must hold, its copies whole;
MODEL must be one complete model that there was; every kept model must load, the cache be sound.
"""

from __future__ import annotations

import hashlib
import http.client
import io
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from models import shade, write_parts
from PIL import Image
from serving import Service, serving
from toy import ToyBackbone

import pipeline
from features.backbones.registry import BACKBONES
from features.cache.maintenance import verify
from features.errors import OnepassError
from pipeline.data.extract_folder import ExtractOptions
from pipeline.line.corrections import Inbox, model_fingerprint
from pipeline.line.verdict_log import read_verdicts
from pipeline.serve.history import verdict_id
from pipeline.serve.versions import list_versions
from pipeline.training.fit import FitOptions
from torture.figures import ROOT, Figure

_LONGEST = 2.5  # seconds that a service lives after its first verdict


class _Told:
    """What clients were told, over all lives of the service."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.verdicts: set[str] = set()
        self.corrections: dict[str, list[str]] = {}  # by id: digests
        self.undone: set[str] = set()
        self.models: set[str] = set()
        self.switches = self.refits = 0


def run(quick: bool) -> list[Figure]:
    """40 kills; quick: 1."""
    kills = 1 if quick else 40
    with (
        patch.dict(BACKBONES, inception_v3="toy:ToyBackbone"),
        tempfile.TemporaryDirectory(prefix="onepass-") as name,
    ):
        folder = Path(name)
        prepare(folder)
        told = _Told(3)
        told.models.add(model_fingerprint(folder / "model"))
        losses: list[str] = []
        for number in range(kills):
            _live_and_die(folder, told, number)
            losses += _check(folder, told)
        note = (
            f"{len(told.verdicts)} verdicts, {len(told.corrections)} corrections, "
            f"{told.refits} refits begun, {told.switches} switches"
        )
        details = {"losses": losses, "models": sorted(told.models)}
        return [Figure("serve, killed at work", kills, kills, len(losses), note, details)]


def prepare(folder: Path) -> None:
    """Make data, a cache and a model, as the tests have them."""
    rule = pipeline.GroupRule("regex", r"part-(\d+)")
    data, cache = write_parts(folder / "data"), folder / "features.h5"
    pipeline.extract_folder(data, cache, ExtractOptions(weights="random", group_rule=rule))
    pipeline.fit(pipeline.load_dataset(cache), folder / "model", FitOptions(head="logistic"))


def _live_and_die(folder: Path, told: _Told, number: int) -> None:
    """Start a service, keep it busy from several sides, kill it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "torture.station", str(folder)],
        cwd=ROOT, stdout=subprocess.PIPE, text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    )  # fmt: skip
    assert process.stdout is not None
    port = int(process.stdout.readline())
    service = Service(port, folder, None, None)
    ended = threading.Event()
    work = [_judges(told, number), _judges(told, number + 1000), _learns(told)]
    threads = [threading.Thread(target=_until, args=(ended, one, service)) for one in work]
    for thread in threads:
        thread.start()
    before, until = len(told.verdicts), time.monotonic() + 30
    while len(told.verdicts) == before and time.monotonic() < until:
        time.sleep(0.01)
    time.sleep(told.rng.uniform(0.0, _LONGEST))
    process.send_signal(signal.SIGKILL)
    ended.set()
    for thread in threads:
        thread.join(30)
    process.wait()


def _until(ended: threading.Event, work: Callable[[Service], None], service: Service) -> None:
    while not ended.is_set():
        try:
            work(service)
        except (OSError, ValueError, KeyError, http.client.HTTPException):  # it was killed
            time.sleep(0.01)


def _judges(told: _Told, seed: int) -> Callable[[Service], None]:
    """Make a client that sends parts, corrects every second verdict, and takes some back."""
    rng = np.random.default_rng(seed)

    def work(service: Service) -> None:
        files = [(f"{view}.png", _png(int(rng.integers(10**9)))) for view in range(2)]
        (part,) = service.predict(*files, part=f"part {rng.integers(1000)}").json()["parts"]
        told.verdicts.add(part["id"])
        if rng.random() < 0.5:
            return
        label = ("Healthy", "defects")[int(rng.integers(2))]
        right = "right" if label == part["verdict"] else "wrong"
        said = {"id": part["id"], "judgement": right, "label": label}
        answer = service.ask("POST", "/v1/corrections", said)
        if answer.status != 201:
            return
        made = answer.json()
        told.corrections[made["id"]] = made["digests"]
        if rng.random() < 0.3:
            told.undone.add(made["id"])  # it may be, from now on
            service.ask("POST", f"/v1/corrections/{made['id']}/undo", {})

    return work


def _learns(told: _Told) -> Callable[[Service], None]:
    """Make a client that refits, and switches between models."""

    def work(service: Service) -> None:
        if service.ask("POST", "/v1/refit", {}).status == 202:
            told.refits += 1
        while service.get("/v1/jobs/refit").json()["running"]:
            time.sleep(0.02)
        listed: list[dict[str, Any]] = service.get("/v1/models").json()["models"]
        told.models |= {one["fingerprint"] for one in listed}
        chosen = told.rng.choice(listed)["fingerprint"]
        if service.ask("POST", f"/v1/models/{chosen}/activate", {}).status == 200:
            told.switches += 1

    return work


def _png(seed: int) -> bytes:
    out = io.BytesIO()
    Image.fromarray(shade(seed, bright=bool(seed % 2))).save(out, "PNG")
    return out.getvalue()


def _check(folder: Path, told: _Told) -> list[str]:
    """Name what was promised and is not so."""
    inbox, versions = Inbox(folder / "inbox"), folder / "model-versions"
    found: list[str] = []
    inbox.settle()
    logged = {verdict_id(one) for one in read_verdicts(folder / "inbox" / "verdicts.jsonl")}
    if told.verdicts - logged:
        found.append(f"{len(told.verdicts - logged)} verdicts were told and not logged")
    text = inbox.log.read_text("utf-8") if inbox.log.exists() else ""
    lost = [name for name in told.corrections if name not in text]
    found += [f"correction {name} was acknowledged and is gone" for name in lost]
    for one in inbox.corrections():
        for digest, name in zip(one.digests, one.files, strict=True):
            file = inbox.folder / name
            if not file.exists() or hashlib.sha256(file.read_bytes()).hexdigest() != digest:
                found.append(f"the copy {name} is not whole")
    held = {digest for one in inbox.corrections() for digest in one.digests}
    for name, digests in told.corrections.items():
        if name not in told.undone and not set(digests) & held:
            found.append(f"correction {name} does not hold")
    listed = list_versions(folder / "model", versions)
    told.models |= {one.fingerprint for one in listed}
    if model_fingerprint(folder / "model") not in told.models:
        found.append("MODEL is none that there was")
    for place in (folder / "model", *(one.folder for one in listed)):
        try:
            pipeline.load_bundle(place)
        except OnepassError as error:
            found.append(f"{place.name} does not load: {error}")
    if not verify(folder / "features.h5").sound:
        found.append("the cache is damaged")
    return found


def main() -> None:
    """Serve a folder with the toy backbone until killed; the first line is the port."""
    BACKBONES["inception_v3"] = "toy:ToyBackbone"
    ToyBackbone.reset()
    with serving(Path(sys.argv[1])) as service:
        print(json.dumps(service.port), flush=True)
        while True:
            time.sleep(60)


if __name__ == "__main__":
    main()
