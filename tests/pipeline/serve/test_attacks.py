"""What others may try: pages of other sites, names that lead here, paths, floods, stolen tokens."""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import socket
import stat
import time
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from toy import photograph

from features.errors import DataError, OutputError
from pipeline.serve.settings import Limits, ServeSettings

pytest.importorskip("uvicorn", reason="needs the extra serve")
from serving import BOUNDARY, Service, form, serving

from pipeline.serve import access
from pipeline.serve.access import TOKEN, read_token

ONE = ("a.png", photograph(1))
SCRIPT = "<script>alert(1)</script>.png"
OTHERS = ("http://evil.example", "null", "https://127.0.0.1.evil.example", "http://localhost:1")


@pytest.fixture(scope="module")
def service(line: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One that listens here alone, and demands no token."""
    folder = tmp_path_factory.mktemp("attacked")
    shutil.copytree(line, folder / "in", dirs_exist_ok=True)
    with serving(folder / "in", limits=Limits(request_bytes=500_000)) as running:
        yield running


@pytest.fixture(scope="module")
def guarded(line: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, str]]:
    """One as on another address, with its token."""
    folder = tmp_path_factory.mktemp("guarded")
    shutil.copytree(line, folder, dirs_exist_ok=True)
    token, made = read_token(folder / "inbox")
    assert made
    with serving(folder, host="0.0.0.0", token=token) as running:
        yield running, token


def tree(service: Service) -> set[str]:
    """Give the files of its folder, once the rows of what was judged are written: no temporary."""
    service.station.keeper.flush()
    folder = service.folder
    return {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()}


# ---- other sites ------------------------------------------------------------------------


@pytest.mark.parametrize("origin", OTHERS)
def test_a_page_of_another_site_is_refused(service: Service, origin: str) -> None:
    """Whatever it asks; nothing is judged, kept or logged for it."""
    before = tree(service)
    for path in ("/v1/predict", "/v1/corrections", "/v1/refit", "/v1/models/0/activate", "/login"):
        answer = service.ask("POST", path, {}, origin=origin)
        assert answer.status == 403, path
        assert "access-control-allow-origin" not in answer.headers
    assert service.predict(ONE, origin=origin).status == 403
    assert service.get("/v1/verdicts", origin=origin).status == 403
    assert tree(service) == before
    own = f"http://127.0.0.1:{service.port}"
    assert service.predict(ONE, origin=own).status == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_what_a_browser_says_of_where_it_comes_from_counts(service: Service, site: str) -> None:
    """Images, scripts and forms of others get nothing; a link may be followed to a page."""
    picture = service.get("/v1/verdicts", sec_fetch_site=site, sec_fetch_mode="no-cors")
    assert picture.status == 403
    answer = service.get("/v1/verdicts", sec_fetch_site=site, sec_fetch_mode="navigate")
    assert answer.status == 403
    assert service.get("/", sec_fetch_site=site, sec_fetch_mode="navigate").status == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1.nip.io", "", "[::2]"]
)
def test_a_name_that_leads_here_is_refused(service: Service, host: str) -> None:
    """DNS rebinding: the browser believes to talk to the other site."""
    assert service.get("/", host=host).status == 421
    assert service.ask("POST", "/v1/refit", {}, host=host).status == 421
    assert service.get("/healthz", host=f"localhost:{service.port}").status == 200


def test_every_answer_has_the_headers(service: Service) -> None:
    """Pages, errors and refusals alike; nothing inline, no frame, no CORS, no server's name."""
    for path in ("/", "/v1/model", "/nothing", "/static/app.css", "/login"):
        headers = service.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert "server" not in headers
    assert "content-security-policy" in service.get("/", host="evil.example").headers
    for method in ("PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"):
        assert service.ask(method, "/v1/model").status in (404, 405), method


def test_no_page_has_anything_inline_or_from_elsewhere(service: Service) -> None:
    """No script, style or handler in a page, and no address of another computer."""
    for path in ("/", "/next", "/data", "/refit", "/history", "/login", "/api"):
        page = service.get(path).body.decode()
        assert not re.search(r"<script(?![^>]*\ssrc=)|<style|\son\w+=|\sstyle=|javascript:", page)
        found = re.findall(r"(?:src|href|action)=[\"']([^\"']+)", page)
        assert all(link.startswith(("/", "#")) and link[:2] != "//" for link in found), found


# ---- names and paths --------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "../../../etc/cron.d/x", "..\\..\\x.png", "/etc/passwd", "C:\\x.png", "a\0b.png", "", ".",
        "x" * 5000, SCRIPT, "\u202egnp.exe", "a\r\nX-Evil: 1.png",
    ],
)  # fmt: skip
def test_a_file_name_never_becomes_a_path(service: Service, name: str) -> None:
    """Nothing is written outside the inbox, the cache and the models, nor under such a name."""
    answer = service.predict((name, photograph(2000 + zlib.crc32(name.encode()) % 1000)))
    assert "x-evil" not in answer.headers
    if answer.status == 400:  # a form that is none
        return
    (part,) = answer.json()["parts"]
    said = {"id": part["id"], "judgement": "wrong", "label": "defects"}
    if part["verdict"] == "defects":
        said["label"] = "Healthy"
    assert service.ask("POST", "/v1/corrections", said).status == 201
    folders = {path.name for path in service.folder.parent.iterdir()}
    assert folders == {"in"}
    for path in tree(service):
        assert path.split("/")[0] in {
            "data", "features.h5", "features.h5.lock", "inbox", "model", "model-versions",
        }, path  # fmt: skip
        assert not set('<>"\\\r\n') & set(path)
        assert "passwd" not in path or path.startswith("inbox/")


@pytest.mark.parametrize(
    "path",
    [
        "/static/../web.py", "/static/..%2fweb.py", "/static/%2e%2e/%2e%2e/pyproject.toml",
        "/v1/photographs/..%2f..%2fmodel.json", "/v1/photographs/%2fetc%2fpasswd",
        "//etc/passwd", "/static//etc/passwd", "/v1/parts/..%2fx/heatmaps/0", "/model/model.json",
        "/inbox/token", "/static/%00",
    ],
)  # fmt: skip
def test_no_address_leads_to_other_files(service: Service, path: str) -> None:
    """Static files are ours, photographs are those of known digests, and that is all."""
    answer = service.get(path)
    assert answer.status in (400, 404), answer
    assert b"root:" not in answer.body
    assert b"import" not in answer.body


def test_a_training_photograph_is_not_read_through_a_link(service: Service, tmp_path: Path) -> None:
    """Nor one that was changed: what is shown lies in the folder and has its digest."""
    entries = service.station.model.bundle.split()
    inside, changed = (service.folder / "data" / entry["path"] for entry in entries[:2])
    outside = tmp_path / "secret.png"
    shutil.move(inside, outside)
    inside.symlink_to(outside)
    changed.write_bytes(photograph(77))
    for entry in entries[:2]:
        assert service.get(f"/v1/photographs/{entry['digest']}").status == 404
    assert service.get(f"/v1/photographs/{entries[2]['digest']}").status == 200


@pytest.mark.skipif(os.name == "nt", reason="needs symbolic links")
def test_links_in_the_inbox_lead_nowhere(line: Path, tmp_path: Path) -> None:
    """Not for copies, for photographs to look through, for recent ones, nor for the log."""
    shutil.copytree(line, tmp_path / "in")
    inbox, outside = tmp_path / "in" / "inbox", tmp_path / "outside"
    outside.mkdir()
    secret = outside / "secret.png"
    secret.write_bytes(photograph(31))
    with serving(tmp_path / "in") as service:
        (part,) = service.predict(ONE).json()["parts"]
        (inbox / "photographs").mkdir()
        for label in ("Healthy", "defects"):
            (inbox / "photographs" / label).symlink_to(outside, target_is_directory=True)
        label = "Healthy" if part["verdict"] == "defects" else "defects"
        said = {"id": part["id"], "judgement": "wrong", "label": label}
        refused = service.ask("POST", "/v1/corrections", said)
        assert refused.status == 507
        assert "a link leads" in refused.json()["error"]
        (inbox / "unlabelled").symlink_to(outside, target_is_directory=True)
        service.ask("POST", "/v1/next", {})
        until = time.monotonic() + 300
        while (job := service.get("/v1/jobs/next").json())["running"]:
            assert time.monotonic() < until
            time.sleep(0.05)
        assert "a link leads" in job["error"]
        (inbox / "verdicts.jsonl").rename(outside / "log")
        (inbox / "verdicts.jsonl").symlink_to(outside / "log")
        before = (outside / "log").read_bytes()
        assert service.predict(ONE).status == 507
        assert (outside / "log").read_bytes() == before
    assert sorted(file.name for file in outside.iterdir()) == ["log", "secret.png"]
    shutil.rmtree(inbox)
    inbox.mkdir()
    (inbox / "recent").symlink_to(outside, target_is_directory=True)
    with pytest.raises(OutputError, match="a link leads"), serving(tmp_path / "in"):
        pass


def test_a_report_runs_nothing(service: Service) -> None:
    """It is what a model's maker wrote: no script, no origin of ours, nothing loaded."""
    (one,) = service.get("/v1/models").json()["models"]
    assert one["report"] is False
    place = service.folder / "model-versions" / one["fingerprint"] / "report.html"
    address = f"/v1/models/{one['fingerprint']}/report"
    assert service.get(address).status == 404
    place.write_text("<style>p{}</style><script>alert(1)</script>", "utf-8")
    answer = service.get(address)
    assert answer.status == 200
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "sandbox" in policy.replace(";", " ").split()
    assert "unsafe" not in policy
    assert "script-src" not in policy
    assert "allow-" not in policy
    for name in ("..%2f..%2fmodel", "0" * 16, "%2e%2e", one["fingerprint"][:-1], "x" * 3000):
        assert service.get(f"/v1/models/{name}/report").status == 404, name
    place.unlink()
    if os.name != "nt":
        place.symlink_to(service.folder / "model" / "model.json")
        assert service.get(address).status == 507
        place.unlink()


def test_names_are_shown_as_text(service: Service) -> None:
    """A name with markup is JSON, never a page; and templates escape what they show."""
    answer = service.predict((SCRIPT, photograph(5)), part=SCRIPT)
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["parts"][0]["part"] == SCRIPT
    page = service.get("/history").body.decode()
    assert SCRIPT not in page
    environment = service.get("/api").body.decode()
    assert html.escape("<") in environment or "<script>" not in environment


def test_an_upload_is_never_sent_back(service: Service) -> None:
    """A picture with a page behind its pixels comes back drawn anew, without the page."""
    data = photograph(6) + b"<html><script>alert(1)</script></html>"
    (part,) = service.predict(("x.png", data)).json()["parts"]
    digest = part["photographs"][0]["digest"]
    if part["photographs"][0]["error"] is None:
        shown = service.get(f"/v1/photographs/{digest}")
        assert shown.headers["content-type"] == "image/jpeg"
        assert b"<script>" not in shown.body


# ---- floods -----------------------------------------------------------------------------


def test_who_sends_too_much_hears_why(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also a client that reads nothing before it has sent all: no broken connection."""
    monkeypatch.setattr(access, "_SENDING", 60.0)  # on a busy computer, too
    for _ in range(3):
        answer = service.predict(("large.png", bytes(1_900_000)))
        assert (answer.status, answer.headers["connection"]) == (413, "close")
        assert "expected at most 500,000" in answer.json()["error"]


def raw(service: Service, request: bytes, seconds: float = 50.0) -> bytes:
    with socket.create_connection(("127.0.0.1", service.port), timeout=seconds) as connection:
        connection.sendall(request)
        found = b""
        while block := connection.recv(65536):
            found += block
            if b"\r\n\r\n" in found:
                break
        return found


def test_lengths_that_lie_or_are_missing(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks without a length, a length that is none, one that is too large: refused unread."""
    start = f"POST /v1/predict HTTP/1.1\r\nHost: 127.0.0.1:{service.port}\r\n"
    kind = f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n"
    for header, status in (
        ("Transfer-Encoding: chunked", b"411"), ("Content-Length: 9999999999", b"413"),
        ("Content-Length: -1", b"400"), ("Content-Length: x", b"400"),
    ):  # fmt: skip
        answer = raw(service, f"{start}{kind}{header}\r\n\r\n".encode())
        assert answer.split()[1] == status, header
    half = f"{start}{kind}Content-Length: 5000\r\n\r\n".encode() + form([ONE])[:100]
    settings = service.station.settings
    with monkeypatch.context() as patch:
        soon = replace(settings.limits, seconds=1.0)
        patch.setattr(service.station, "settings", replace(settings, limits=soon))
        assert raw(service, half).split()[1] == b"408"  # before `raw` gives up, after 50 s
    assert settings.limits.seconds > 50
    assert service.predict(ONE).status == 200


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 50_000, b'{"id": ' + b"9" * 5000 + b"}", b"\xff\xfe", b'"x"', b"null",
        b'{"id": {"a": 1}, "judgement": "right"}', b'{"judgement": ["right"]}',
    ],
)  # fmt: skip
def test_json_that_is_no_correction(service: Service, body: bytes) -> None:
    """Deep, long, of other types: a line, and no mistake of the program."""
    answer = service.ask("POST", "/v1/corrections", body, content_type="application/json")
    assert answer.status == 400
    assert "mistake in this program" not in answer.json()["error"]
    plain = service.ask("POST", "/v1/corrections", b'{"id": "x"}', content_type="text/plain")
    assert plain.status == 415


# ---- the token --------------------------------------------------------------------------


def test_another_address_demands_the_token(guarded: tuple[Service, str]) -> None:
    """For everything but the sign of life, the login and its looks; a browser is led there."""
    service, token = guarded
    for method, path in (
        ("GET", "/"), ("GET", "/v1/model"), ("GET", "/metrics"), ("GET", "/v1/verdicts"),
        ("POST", "/v1/predict"), ("POST", "/v1/refit"), ("GET", "/openapi.json"),
    ):  # fmt: skip
        assert service.ask(method, path).status == 401, path
        wrong = service.ask(method, path, authorization=f"Bearer {token[:-1]}x")
        assert wrong.status == 401, path
    led = service.get("/", accept="text/html")
    assert (led.status, led.headers["location"]) == (303, "/login")
    for path in ("/healthz", "/login", "/static/app.css"):
        assert service.get(path).status == 200, path
    assert service.get("/v1/model", authorization=f"Bearer {token}").status == 200
    assert service.predict(ONE, authorization=f"Bearer {token}").status == 200
    assert (
        service.get("/v1/model", host="192.168.7.9:80", authorization=f"Bearer {token}").status
        == 200
    )
    assert (
        service.get("/v1/model", host="evil.example", authorization=f"Bearer {token}").status == 421
    )


def test_a_browser_gives_the_token_once(guarded: tuple[Service, str]) -> None:
    """The cookie is sent by no other site, read by no script, and is not the token."""
    service, token = guarded
    began = time.monotonic()
    assert service.ask("POST", "/login", {"token": "guess"}).status == 403
    assert time.monotonic() - began > 0.9
    answer = service.ask("POST", "/login", {"token": token})
    cookie = answer.headers["set-cookie"]
    assert {"HttpOnly", "SameSite=strict"} <= {word.strip() for word in cookie.split(";")}
    assert token not in cookie
    value = cookie.split(";")[0]
    assert service.get("/v1/model", cookie=value).status == 200
    for forged in ("onepass=", "onepass=x", f"onepass={token}", value[:-1] + "0x", "a=b; ;;="):
        assert service.get("/v1/model", cookie=forged).status == 401
    stolen = service.ask("POST", "/v1/refit", {}, cookie=value, origin="http://evil.example")
    assert stolen.status == 403


@pytest.mark.skipif(os.name == "nt", reason="needs file modes")
def test_the_token_is_for_its_owner_alone(tmp_path: Path) -> None:
    """Mode 600 from the first moment; one that others can read is refused."""
    token, made = read_token(tmp_path)
    file = tmp_path / TOKEN
    assert made
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert read_token(tmp_path) == (token, False)
    file.chmod(0o640)
    with pytest.raises(OutputError, match="chmod 600"):
        read_token(tmp_path)
    file.write_text("short\n")
    file.chmod(0o600)
    with pytest.raises(OutputError, match="no token"):
        read_token(tmp_path)


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("127.0.0.1", True), ("localhost", True), ("::1", True), ("127.8.8.8", True),
        ("0.0.0.0", False), ("::", False), ("192.168.1.2", False),
    ],
)  # fmt: skip
def test_which_addresses_are_local(tmp_path: Path, host: str, local: bool) -> None:
    """Only these go without a token; a name that is no address is refused."""
    settings = ServeSettings(tmp_path, tmp_path, None, tmp_path, host=host)
    assert settings.is_local is local
    with pytest.raises(DataError, match="expected an address"):
        _ = ServeSettings(tmp_path, tmp_path, None, tmp_path, host="factory.example").is_local


def test_nothing_private_is_in_an_error(service: Service) -> None:
    """No path of this computer in what a client is told of a part or a correction."""
    (part,) = service.predict(("broken.png", b"x")).json()["parts"]
    answers = [part, service.get("/v1/corrections").json(), service.get("/v1/verdicts").json()]
    text = json.dumps(answers)
    assert str(service.folder) not in text
