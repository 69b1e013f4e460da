"""The service: verdicts as `predict` gives them, corrections, models, limits, numbers."""

from __future__ import annotations

import json
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from commands import Run
from models import write_parts
from PIL import Image
from toy import photograph

import pipeline
from features.cache.cache import Cache
from features.errors import BusyError, DataError
from pipeline.line.corrections import Inbox, model_fingerprint
from pipeline.line.verdict_log import read_verdicts
from pipeline.serve.settings import Limits

pytest.importorskip("uvicorn", reason="needs the extra serve")
from serving import Service, serving

from pipeline.serve import api, jobs
from pipeline.serve.api import Api
from pipeline.serve.drift_watch import DriftWatch
from pipeline.serve.jobs import Jobs
from pipeline.serve.labelling import Labelling
from pipeline.serve.parts_page import PartsPage
from pipeline.serve.versions import list_versions
from pipeline.serve.web import read_texts

File = tuple[str, bytes]


@pytest.fixture(scope="module")
def service(line: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("service")
    shutil.copytree(line, folder, dirs_exist_ok=True)
    with serving(folder) as running:
        yield running


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[File]]:
    """Photographs of new parts, by class."""
    root = write_parts(tmp_path_factory.mktemp("new"), parts=6, first=100)
    found: dict[str, list[File]] = {}
    for file in sorted(root.rglob("*.png")):
        found.setdefault(file.parent.name, []).append((file.name, file.read_bytes()))
    return found


def test_verdicts_are_those_of_predict(service: Service, files: dict[str, list[File]]) -> None:
    """A part's files together, or each by itself; the log has them before they are told."""
    bundle = service.station.model.bundle
    for label in ("Healthy", "defects"):
        answer = service.predict(*files[label][:3], part="4711").json()
        (part,) = answer["parts"]
        assert answer["model"] == model_fingerprint(service.folder / "model")
        assert (part["part"], part["verdict"]) == ("4711", label)
        assert part["kind"] == ("pass" if label == "Healthy" else "reject")
        assert part["limit"] == pytest.approx(bundle.threshold, abs=1e-6)
        assert len(part["photographs"]) == 3
        assert part["said"]
        logged = read_verdicts(service.folder / "inbox/verdicts.jsonl")[-1]
        assert (logged.part, logged.verdict) == ("4711", label)
        assert list(logged.digests) == [one["digest"] for one in part["photographs"]]
    each = service.predict(*files["defects"][:2]).json()["parts"]
    assert [part["part"] for part in each] == [name for name, _ in files["defects"][:2]]
    assert len({part["id"] for part in each}) == 2


def test_what_cannot_be_read_has_its_reason(service: Service, files: dict[str, list[File]]) -> None:
    """Beside others of the part, or alone; nothing is guessed."""
    mixed = service.predict(("broken.jpg", b"nothing"), files["Healthy"][0], part="x").json()
    (part,) = mixed["parts"]
    assert part["verdict"] == "Healthy"
    assert "could not be read" in part["note"]
    assert part["photographs"][0]["error"]
    (alone,) = service.predict(("broken.jpg", b"nothing")).json()["parts"]
    assert (alone["verdict"], alone["kind"]) == (None, "unreadable")
    assert alone["error"]
    (strange,) = service.predict(("noise.png", photograph(3, (224, 224)))).json()["parts"]
    assert strange["photographs"][0]["strangeness"] is not None


@pytest.mark.parametrize(
    ("body", "kind", "status", "words"),
    [
        (b"", "multipart/form-data; boundary=x", 400, "no file"),
        (b"x", "multipart/form-data", 400, "boundary"),
        (b"{}", "application/json", 415, "multipart"),
        (b"--x\r\n\r\n", "multipart/form-data; boundary=x", 400, ""),
    ],
)
def test_a_request_that_is_none_gets_one_line(
    service: Service, body: bytes, kind: str, status: int, words: str
) -> None:
    """With a status, and no traceback."""
    answer = service.ask("POST", "/v1/predict", body, content_type=kind)
    assert answer.status == status
    error = answer.json()["error"]
    assert words in error
    assert "\n" not in error


def test_corrections_are_kept_undone_and_learned_from(
    service: Service, files: dict[str, list[File]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Right, wrong, cannot tell; a class that there is; undo; a refit, a switch, and back."""
    inbox = Inbox(service.folder / "inbox")
    (part,) = service.predict(*files["Healthy"][:2], part="p").json()["parts"]
    said = {"id": part["id"], "judgement": "wrong", "label": "defects", "note": "<b>", "by": "Ada"}
    kept = service.ask("POST", "/v1/corrections", said)
    assert kept.status == 201
    (held,) = inbox.corrections()
    assert (held.id, held.label, held.by) == (kept.json()["id"], "defects", "Ada")
    assert (service.folder / "inbox" / held.files[0]).read_bytes() == files["Healthy"][0][1]
    listed = service.get("/v1/corrections").json()
    assert (listed["total"], listed["fresh"]) == (1, 1)
    for wrong in (
        said | {"judgement": "maybe"}, said | {"label": "else"}, said | {"label": "Healthy"},
        said | {"id": "f" * 16}, said | {"id": 7},
    ):  # fmt: skip
        refused = service.ask("POST", "/v1/corrections", wrong)
        assert refused.status == 400, wrong
        assert "expected" in refused.json()["error"] or "found" in refused.json()["error"]
    assert service.ask("POST", f"/v1/corrections/{held.id}/undo", {}).status == 200
    assert inbox.corrections() == []
    assert service.ask("POST", f"/v1/corrections/{held.id}/undo", {}).status == 400
    right = service.ask("POST", "/v1/corrections", said | {"judgement": "right", "label": ""})
    assert right.json()["label"] == "Healthy"

    before = service.get("/v1/model").json()["fingerprint"]
    gate, refit = threading.Event(), api.refit
    with monkeypatch.context() as patch:  # however quick it is, the second request meets it
        patch.setattr(api, "refit", lambda *given, **more: gate.wait(60) and refit(*given, **more))
        assert service.ask("POST", "/v1/refit", {}).status == 202
        assert service.ask("POST", "/v1/refit", {}).status == 429
        gate.set()
        job = finished(service, "refit")
    assert job["error"] == ""
    new = job["result"]["fingerprint"]
    assert service.get("/v1/model").json()["fingerprint"] == before
    listed = service.get("/v1/models").json()["models"]
    assert {one["fingerprint"]: one["active"] for one in listed} == {before: True, new: False}
    for fingerprint in (new, before):
        assert service.ask("POST", f"/v1/models/{fingerprint}/activate", {}).status == 200
        assert model_fingerprint(service.folder / "model") == fingerprint
        predicted = service.predict(files["Healthy"][0]).json()
        assert predicted["model"] == fingerprint
    assert service.ask("POST", "/v1/models/none/activate", {}).status == 409


def test_pictures_are_drawn_anew_and_only_of_what_is_known(
    service: Service, files: dict[str, list[File]]
) -> None:
    """Of what was asked about, and of training photographs; a heatmap fits its photograph."""
    (part,) = service.predict(files["defects"][3]).json()["parts"]
    digest = part["photographs"][0]["digest"]
    shown = service.get(f"/v1/photographs/{digest}?side=160")
    assert shown.headers["content-type"] == "image/jpeg"
    assert shown.body[:2] == b"\xff\xd8"
    heat = service.get(f"/v1/parts/{part['id']}/heatmaps/0?side=160")
    assert heat.body[:4] == b"\x89PNG"
    assert heat.headers["x-heatmap-says"]
    assert service.get(f"/v1/parts/{part['id']}/heatmaps/7").status == 400
    alike = service.get(f"/v1/parts/{part['id']}/neighbours").json()["neighbours"]
    assert len(alike) == 4
    assert all(service.get(f"/v1/photographs/{one['digest']}").status == 200 for one in alike)
    for unknown in ("0" * 64, "x", "..%2f..%2fmodel%2fmodel.json"):
        assert service.get(f"/v1/photographs/{unknown}").status == 404
    assert service.get(f"/v1/photographs/{digest}?side=99").status == 404


def finished(service: Service, name: str) -> dict[str, Any]:
    """Give the job of a name, once it has ended."""
    until = time.monotonic() + 300
    while (job := service.get(f"/v1/jobs/{name}").json())["running"]:
        assert time.monotonic() < until
        time.sleep(0.05)
    return job


def test_questions_are_asked_and_their_answers_learned_from(
    service: Service, files: dict[str, list[File]], tmp_path: Path
) -> None:
    """Of the folder for it and of what was judged lately; what is labelled is asked no more."""
    folder = service.folder / "inbox" / "unlabelled"
    write_parts(folder, parts=3, first=300)
    service.predict(*files["defects"][4:6], part="lately")
    service.ask("POST", "/v1/next", {})
    job = finished(service, "next")
    assert job["error"] == ""
    asked = job["result"]["questions"]
    assert any(one["part"] == "lately" and len(one["digests"]) == 2 for one in asked)
    assert any("part-30" in one["part"] for one in asked)
    for one in asked:
        assert one["why"]
        assert service.get(f"/v1/photographs/{one['digests'][0]}").status == 200
    first = asked[0]
    kept = service.ask("POST", f"/v1/questions/{first['id']}", {"label": "defects"})
    assert (kept.status, kept.json()["label"]) == (201, "defects")
    assert service.ask("POST", f"/v1/questions/{first['id']}", {"label": "x"}).status == 400
    assert service.ask("POST", "/v1/questions/none", {"label": "defects"}).status == 400
    service.ask("POST", "/v1/next", {})
    again = finished(service, "next")["result"]["questions"]
    assert first["digests"][0] not in {digest for one in again for digest in one["digests"]}
    service.ask("POST", f"/v1/corrections/{kept.json()['id']}/undo", {})


def test_drift_is_measured_on_what_was_told(service: Service, tmp_path: Path) -> None:
    """Sentences for the page, a number for machines; too few parts are said."""
    service.ask("POST", "/v1/drift", {})
    few = finished(service, "drift")
    assert few["error"] == ""
    assert few["result"]["drifted"] is False
    root = write_parts(tmp_path, parts=15, first=500)
    for file in sorted(root.rglob("*_0.png")):
        with Image.open(file) as image:
            darker = image.point(lambda value: value // 3)
        darker.save(file)
        assert service.predict((file.name, file.read_bytes())).status == 200
    service.ask("POST", "/v1/drift", {})
    found = finished(service, "drift")["result"]
    assert found["drifted"] is True
    assert found["said"]
    assert found["examples"]
    assert "\nonepass_drift 1\n" in service.get("/metrics").body.decode()


def test_drift_is_measured_by_itself_and_shown_to_machines(line: Path, tmp_path: Path) -> None:
    """Once enough parts came, beside other work; then not again before others come."""
    shutil.copytree(line, tmp_path, dirs_exist_ok=True)
    root = write_parts(tmp_path / "later", parts=12, first=700)
    files = sorted(root.rglob("*_0.png"))
    with serving(tmp_path, limits=Limits(drift_every=0.05)) as service:
        for file in files[:5]:
            service.predict((file.name, file.read_bytes()))
        time.sleep(0.3)
        assert "onepass_drift" not in service.get("/metrics").body.decode()
        for file in files[5:]:
            service.predict((file.name, file.read_bytes()))
        until = time.monotonic() + 120
        while "onepass_drift " not in (text := service.get("/metrics").body.decode()):
            assert time.monotonic() < until
            time.sleep(0.05)
        numbers = dict(line.rsplit(" ", 1) for line in text.splitlines() if line[0] != "#")
        assert 10 <= float(numbers["onepass_drift_parts"]) <= 12
        assert 0 < float(numbers["onepass_drift_p_value"]) <= 1
        assert abs(float(numbers["onepass_drift_time_seconds"]) - time.time()) < 60
        assert any(name.startswith("onepass_drift_test_p_value{test=") for name in numbers)
        service.ask("POST", "/v1/drift", {})
        measured = finished(service, "drift")
        assert measured["result"]["parts"] == 12
        time.sleep(0.3)
        for asked in ({"fresh": True}, {"fresh": True}):
            again = service.ask("POST", "/v1/drift", asked)
            assert (again.status, again.json()["started"]) == (200, measured["started"])
        service.predict((files[0].name, files[0].read_bytes()))
        assert service.ask("POST", "/v1/drift", {"fresh": True}).status == 202


def test_drift_keeps_no_other_work_waiting() -> None:
    """A refit may start while drift is measured, and the other way round; never two of one kind."""
    work, gate = Jobs(), threading.Event()
    work.start("drift", lambda _say: gate.wait(60), beside=True)
    with pytest.raises(BusyError, match="drift is still running"):
        work.start("drift", lambda _say: None, beside=True)
    work.start("refit", lambda _say: gate.wait(60))
    with pytest.raises(BusyError, match="refit is still running"):
        work.start("next", lambda _say: None)
    gate.set()
    work.wait(60)
    assert [work.last(name).running for name in ("drift", "refit")] == [False, False]


def test_a_job_ends_in_one_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who sees what it gives sees that it has ended, and when: the page and /metrics ask both."""
    work, seen = Jobs(), []

    def clock() -> float:
        """Look at the job at the moment in which its end is noted."""
        last = work.last("drift")
        seen.append((last.running, last.result, last.error))
        return 7.0

    monkeypatch.setattr(jobs, "time", SimpleNamespace(time=clock, monotonic=time.monotonic))
    for number, (ends, result, error) in enumerate(
        ((lambda _say: "found", "found", ""), (refuse, None, "no rows")), 1
    ):
        work.start("drift", ends, beside=True)
        work.wait(60)
        last = work.last("drift")
        assert (last.running, last.ended, last.result, last.error) == (False, 7.0, result, error)
        assert seen[-1] == (True, None, ""), number
    assert len(seen) == 4  # at each start and at each end


def refuse(_say: object) -> None:
    """Stop as work does that cannot be done."""
    raise DataError("no rows")


def test_several_folders_are_one_verdict(line: Path, tmp_path: Path) -> None:
    """Right of "defective" asks which defect it is, and a refit learns it as defective."""
    shutil.copytree(line, tmp_path, dirs_exist_ok=True)
    for number in (3, 9, 15, 21):
        for file in sorted((tmp_path / "data" / "defects").glob(f"part-{number:03d}*")):
            (tmp_path / "data" / "cracks").mkdir(exist_ok=True)
            shutil.move(file, tmp_path / "data" / "cracks" / file.name)
    pipeline.extract_folder(
        tmp_path / "data", tmp_path / "features.h5", pipeline.ExtractOptions(weights="random")
    )
    data = pipeline.load_dataset(tmp_path / "features.h5", positive=["cracks", "defects"])
    pipeline.fit(data, tmp_path / "model", pipeline.FitOptions(head="logistic"))
    root = write_parts(tmp_path / "later", parts=4, first=300)
    bad = sorted((root / "defects").glob("part-300*"))[0]
    with serving(tmp_path) as service:
        model = service.get("/v1/model").json()
        assert model["class_of"] == {
            "Healthy": "Healthy", "cracks": "defective", "defects": "defective",
        }  # fmt: skip
        (part,) = service.predict((bad.name, bad.read_bytes())).json()["parts"]
        assert (part["verdict"], part["kind"]) == ("defective", "reject")
        for said, words in (
            ({"judgement": "right"}, "which of cracks, defects"),
            ({"judgement": "wrong", "label": "cracks"}, "the verdict was defective, too"),
            ({"judgement": "right", "label": "Healthy"}, "expected a class of that, or wrong"),
        ):
            refused = service.ask("POST", "/v1/corrections", {"id": part["id"], **said})
            assert refused.status == 400
            assert words in refused.json()["error"]
        said = {"id": part["id"], "judgement": "right", "label": "cracks"}
        assert service.ask("POST", "/v1/corrections", said).json()["label"] == "cracks"
        assert service.ask("POST", "/v1/refit", {}).status == 202
        job = finished(service, "refit")
        assert job["error"] == ""
        assert job["result"]["report"] is True
        found = job["result"]["on_corrections"]
        assert (found["parts"], found["defective"]) == (1, 1)
        page = service.get(f"/v1/models/{job['result']['fingerprint']}/report").body.decode()
        assert "onepass serve" in page
        assert "Press Refit" in page


def test_labels_in_doubt_are_asked_about(line: Path, tmp_path: Path) -> None:
    """A photograph in the wrong class is found; the answer relabels it for the next refit."""
    shutil.copytree(line, tmp_path, dirs_exist_ok=True)
    wrong = sorted((tmp_path / "data" / "defects").glob("part-003*"))
    for file in wrong:
        shutil.move(file, tmp_path / "data" / "Healthy" / file.name)
    pipeline.extract_folder(
        tmp_path / "data", tmp_path / "features.h5", pipeline.ExtractOptions(weights="random")
    )
    pipeline.fit(
        pipeline.load_dataset(tmp_path / "features.h5"),
        tmp_path / "model",
        pipeline.FitOptions(head="logistic"),
    )
    with serving(tmp_path) as service:
        service.ask("POST", "/v1/suspects", {})
        job = finished(service, "suspects")
        assert job["error"] == ""
        asked = {one["part"]: one for one in job["result"]["questions"]}
        assert {f"Healthy/{file.name}" for file in wrong} <= set(asked)
        one = asked[f"Healthy/{wrong[0].name}"]
        assert one["given"] == "Healthy"
        made = service.ask("POST", f"/v1/questions/{one['id']}", {"label": "defects"}).json()
        assert (made["judgement"], made["label"]) == ("wrong", "defects")


def test_parts_that_nobody_said_are_called_proposed(line: Path, tmp_path: Path) -> None:
    """How many there probably are, and why; and of a model whose scores rest on such parts."""
    shutil.copytree(line, tmp_path, dirs_exist_ok=True)
    options = pipeline.ExtractOptions(weights="random", group_rule=pipeline.GroupRule())
    pipeline.extract_folder(tmp_path / "data", tmp_path / "features.h5", options)
    with serving(tmp_path) as service:
        found = service.get("/v1/data").json()
        assert found["proposed"]
        assert found["how"].endswith(f"{found['parts']} parts")
        assert "probably" in found["how"]
        assert [one["proposed"] for one in service.get("/v1/models").json()["models"]] == [False]
    (record,) = (tmp_path / "model-versions").glob("*/model.json")
    record.write_text(record.read_text("utf-8").replace('"kind": "regex"', '"kind": "proposed"'))
    (version,) = list_versions(tmp_path / "model", tmp_path / "model-versions")
    assert version.proposed


def test_parts_are_merged_and_split(line: Path, tmp_path: Path) -> None:
    """What is moved stands in a table, and in the cache once a person says so."""
    shutil.copytree(line, tmp_path, dirs_exist_ok=True)
    with Cache.read(tmp_path / "features.h5") as cache:
        about = dict(cache.note)
    assert about["root"]  # of the folder that it was copied from
    pipeline.extract_folder(
        tmp_path / "data", tmp_path / "features.h5", pipeline.ExtractOptions(weights="random")
    )
    with serving(tmp_path) as service:
        found = service.get("/v1/data").json()
        assert (found["photographs"], found["parts"], found["proposed"]) == (72, 24, False)
        listed = service.get("/v1/data/parts?find=part-003").json()
        assert listed["total"] == 1
        paths = [one["path"] for one in listed["parts"][0]["photographs"]]
        assert len(paths) == 3
        for moved in ({}, [], {"../x": "1"}, {paths[0]: ""}, {paths[0]: 7}, {paths[0]: "x" * 200}):
            assert service.ask("POST", "/v1/data/groups", {"moved": moved}).status == 400
        moved = {paths[0]: "alone", paths[1]: "006"}
        saved = service.ask("POST", "/v1/data/groups", {"moved": moved}).json()
        assert saved["moved"] == 2
        assert service.get("/v1/data").json()["parts"] == 24
        service.ask("POST", "/v1/data/apply", {})
        assert finished(service, "groups")["error"] == ""
        assert service.get("/v1/data").json()["parts"] == 25
    groups = {s.path: s.group for s in pipeline.load_dataset(tmp_path / "features.h5").table_rows}
    assert (groups[paths[0]], groups[paths[1]], groups[paths[2]]) == ("alone", "006", "003")


def test_a_page_that_is_asked_while_parts_are_applied(service: Service) -> None:
    """The job forgets what was read, at whatever moment: no mistake of the program."""
    page = PartsPage(service.station, Jobs())

    class Forgotten(tuple[Any, ...]):
        def __getitem__(self, at: Any) -> Any:
            page._read = None
            return super().__getitem__(at)

    assert page._parts(0, "")["total"] == 24
    page._read = Forgotten(page._read or ())  # type: ignore[assignment]
    assert page._parts(0, "")["total"] == 24


def test_history_counts_what_was_told(service: Service, files: dict[str, list[File]]) -> None:
    """By hour, newest first, and for Prometheus."""
    service.predict(files["defects"][0])
    latest = service.get("/v1/verdicts?count=1").json()["verdicts"]
    assert latest[0]["part"] == files["defects"][0][0]
    spans = service.get("/v1/history?by=hour&count=2").json()["spans"]
    told = read_verdicts(service.folder / "inbox/verdicts.jsonl")
    assert sum(span["total"] for span in spans) == len(told)
    assert sum(span["rejected"] for span in spans) == sum(v.verdict == "defects" for v in told)
    text = service.get("/metrics").body.decode()
    assert f'fingerprint="{model_fingerprint(service.folder / "model")}"' in text
    assert "onepass_predict_seconds_count" in text
    assert service.get("/v1/history?count=x").status == 400


def test_pages_and_description_are_whole(service: Service) -> None:
    """Every page answers, every text that it names is there, every address is described."""
    for path in (
        "/",
        "/next",
        "/data",
        "/refit",
        "/history",
        "/api",
        "/login",
        "/texts.json",
        "/openapi.json",
    ):
        answer = service.get(path)
        assert answer.status == 200, path
        assert answer.headers["cache-control"] == "no-store"
    described = set(service.get("/openapi.json").json()["paths"])
    kinds = (Api, Labelling, PartsPage, DriftWatch)
    served = [kind(service.station, Jobs()).routes() for kind in kinds]
    routes = {route.path.replace(":int", "") for some in served for route in some}
    assert described == routes
    assert service.get("/healthz").json()["status"] == "ok"
    assert service.get("/nothing").status == 404
    assert service.get("/static/app.css").headers["cache-control"] == "max-age=3600"


def test_too_much_is_refused_at_once(line: Path, tmp_path: Path) -> None:
    """Bytes, files, photographs that wait: each has its limit and its status."""
    shutil.copytree(line, tmp_path, dirs_exist_ok=True)
    limits = Limits(request_bytes=200_000, files=2, waiting=2, pixels=10_000)
    one = ("a.png", photograph(1))
    with serving(tmp_path, limits=limits) as service:
        assert service.predict(("big", b"x" * 300_000)).status == 413
        assert service.predict(one, one, one).status == 400
        large = service.predict(("large.png", photograph(1, (120, 100)))).json()["parts"][0]
        assert "pixels" in large["error"]
        model, gate = service.station.model, threading.Event()
        predict_photographs = model.predict_photographs
        model.predict_photographs = lambda photographs: (
            gate.wait(120),
            predict_photographs(photographs),
        )[1]
        answers: list[int] = []
        threads = [
            threading.Thread(target=lambda: answers.append(service.predict(one).status))
            for _ in range(2)
        ]
        for thread in threads:
            thread.start()
        until = time.monotonic() + 60
        while service.station.queue.load().waiting < 2:
            assert time.monotonic() < until
            time.sleep(0.01)
        busy = service.predict(one)
        assert (busy.status, busy.headers["retry-after"]) == (429, "1")
        assert service.get("/healthz").status == 200
        gate.set()
        for thread in threads:
            thread.join()
        assert answers == [200, 200]


def test_a_full_disk_tells_no_verdict(
    service: Service, files: dict[str, list[File]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What could not be logged is not told, and the service goes on afterwards."""
    import pipeline.serve.history as history

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(history, "append_verdicts", full)
        answer = service.predict(files["Healthy"][0])
        assert answer.status == 507
        assert "No space left" in answer.json()["error"]
    assert service.predict(files["Healthy"][0]).status == 200


def test_rows_are_kept_for_drift(service: Service, files: dict[str, list[File]]) -> None:
    """The cache has the rows of what was judged; `predict` computes nothing again."""
    (part,) = service.predict(files["Healthy"][5]).json()["parts"]
    service.station.keeper.flush()
    with Cache.read(service.folder / "features.h5") as cache:
        assert cache.find(part["photographs"][0]["digest"]) >= 0
    found = pipeline.load_dataset(service.folder / "features.h5")
    assert len(found) == 72


def test_translations_are_checked(tmp_path: Path) -> None:
    """What is missing stays English; a key that there is not is refused."""
    own = tmp_path / "de.json"
    own.write_text(json.dumps({"verdict.pass": "GUT"}), "utf-8")
    texts = read_texts(own)
    assert (texts["verdict.pass"], texts["verdict.reject"]) == ("GUT", "REJECT")
    for wrong in ('{"verdict.past": "x"}', "[]", "{", '{"verdict.pass": 1}'):
        own.write_text(wrong, "utf-8")
        with pytest.raises(DataError, match=r"expected|translate"):
            read_texts(own)


def test_the_command_refuses_in_one_line(run: Run, line: Path) -> None:
    """A port that is taken, a model or a folder that is not there, a name for an address."""
    model = str(line / "model")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        asked = ("serve", model, "--port", port)
        for options, words in (
            (asked, "cannot be listened on"),
            (("serve", "none", "--port", "0"), "no model at none"),
            ((*asked, "--data", "nowhere"), "no folder at nowhere"),
            ((*asked, "--host", "factory.example"), "expected an address"),
            ((*asked, "--texts", "none.json"), "cannot be read"),
        ):
            code, out, err = run(*options)
            assert (code, out) == (1, "")
            assert words in err
            assert len(err.splitlines()) == 1
    assert not Path("inbox").exists()
