"""Hostile models: loading runs no code, reads nothing outside, believes no size."""

from __future__ import annotations

import io
import json
import os
import shutil
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from models import sign
from rows import sparse_rows

import pipeline
from features.errors import BundleError, HeadError, OnepassError
from pipeline.heads import make_head
from pipeline.model.files import is_below, stays_inside
from pipeline.thresholds.decision import Decision

WIDTH = 48
X, Y, GROUPS = sparse_rows(60, WIDTH)


def make_model(folder: Path, name: str) -> Path:
    """A model of one head, as `fit` would write it."""
    from toy import toy_settings

    from pipeline.model.bundle import save_bundle

    quick = {"forest": {"trees": 3}, "boosting": {"trees": 3}, "dense": {"epochs": 1}}
    head = make_head(name, settings=quick.get(name, {}))
    head.fit(X, Y, GROUPS, n_classes=2)
    about = {
        "head": name, "sees": "rows", "features": toy_settings().fields,
        "threshold": 0.5, "decision": Decision.not_chosen().to_json(), "calibration": None,
        "classes": ["good", "bad"], "class_members": {"good": 0, "bad": 1},
        "weights": {"source": "random", "name": "random", "digest": "random:0", "seed": 0},
    }  # fmt: skip
    split = [{"path": "a.png", "class": "good", "group": "0", "digest": "0" * 64, "side": "train"}]
    save_bundle(folder / name, head, about, split, X, {})
    return folder / name


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One model of each kind that is stored in another way."""
    folder = tmp_path_factory.mktemp("models")
    for name in ("logistic", "rbf-svm", "knn", "forest", "boosting", "majority", "dense"):
        make_model(folder, name)
    return folder


@pytest.fixture
def model(models: Path, tmp_path: Path) -> Callable[[str], Path]:
    """A copy to tamper with."""

    def copy(name: str) -> Path:
        shutil.rmtree(tmp_path / name, ignore_errors=True)
        return Path(shutil.copytree(models / name, tmp_path / name))

    return copy


def edit(folder: Path, name: str, change: Callable[[Any], Any]) -> Path:
    """Change a JSON file of a model and forge its digest."""
    content = json.loads((folder / name).read_text())
    (folder / name).write_text(json.dumps(change(content)))
    return sign(folder) if name != "model.json" else folder


def edit_archive(path: Path, change: Callable[[dict[str, bytes]], dict[str, bytes]]) -> None:
    """Change the parts of a ZIP archive."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in change(parts).items():
            archive.writestr(name, content)


def npy(shape: tuple[int, ...], content: bytes = bytes(64), dtype: str = "<f4") -> bytes:
    """An array file whose header claims a shape that its bytes do not fill."""
    out = io.BytesIO()
    header = {"descr": dtype, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(out, header)
    return out.getvalue() + content


def refused(folder: Path, *expected: str) -> None:
    """Loading is a BundleError of one line that says so, in little time."""
    started = time.process_time()
    with pytest.raises(BundleError) as caught:
        pipeline.load_bundle(folder)
    assert time.process_time() - started < 10
    text = str(caught.value)
    assert "\n" not in text
    for part in expected:
        assert part in text


def test_sound_models_load(models: Path) -> None:
    """Every head's model loads, so that what follows is refused for what was done to it."""
    for folder in sorted(models.iterdir()):
        assert pipeline.load_bundle(folder).head.predict_proba(X).shape == (60, 2)


# ---- code -------------------------------------------------------------------------------------

EVIL = "import pathlib; pathlib.Path(__file__).with_name('ran').touch()"


def test_an_estimator_that_names_a_function_is_refused(model: Any, tmp_path: Path) -> None:
    """skops can describe any function; only listed types are built, and nothing is imported."""
    folder = model("majority")
    (tmp_path / "evilmodule.py").write_text(EVIL)
    sys.path.insert(0, str(tmp_path))
    try:
        for kind, loader in (("system", "FunctionNode"), ("Popen", "ObjectNode")):
            content = {"module_path": "evilmodule", "function": kind}
            node = {"__class__": kind, "__module__": "evilmodule", "__loader__": loader,
                    "content": content, "__id__": 7}  # fmt: skip

            def change(parts: dict[str, bytes], node: dict[str, Any] = node) -> dict[str, bytes]:
                schema = json.loads(parts["schema.json"])
                schema["content"]["content"]["random_state"] = node
                return parts | {"schema.json": json.dumps(schema).encode()}

            edit_archive(folder / "head" / "head.skops", change)
            refused(sign(folder), "head.skops")
    finally:
        sys.path.remove(str(tmp_path))
    assert not (tmp_path / "ran").exists()
    assert "evilmodule" not in sys.modules


def test_an_estimator_that_nests_operators_is_refused(model: Any, tmp_path: Path) -> None:
    """Nodes that call methods or operators at load are no types of ours."""
    folder = model("majority")

    def change(parts: dict[str, bytes]) -> dict[str, bytes]:
        schema = json.loads(parts["schema.json"])
        inner = json.loads(parts["schema.json"])["content"]
        schema["content"]["content"]["random_state"] = {
            "__class__": "methodcaller", "__module__": "operator", "__id__": 9,
            "__loader__": "OperatorFuncNode", "attrs": inner,
        }  # fmt: skip
        return parts | {"schema.json": json.dumps(schema).encode()}

    edit_archive(folder / "head" / "head.skops", change)
    refused(sign(folder), "head.skops")


def test_pickles_are_never_opened(model: Any, tmp_path: Path) -> None:
    """An array of pickled objects is refused by its type, in an estimator and beside it."""

    class Bomb:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, (str(tmp_path / "ran"),)

    out = io.BytesIO()
    np.save(out, np.array([Bomb()], dtype=object), allow_pickle=True)
    for name, file in (("rbf-svm", "mean.npy"), ("rbf-svm", "dual.npy")):
        folder = model(name)
        (folder / "head" / file).write_bytes(out.getvalue())
        refused(sign(folder), file, "object")
    forest = model("majority")
    edit_archive(
        forest / "head" / "head.skops",
        lambda parts: {k: out.getvalue() if k.endswith("npy") else v for k, v in parts.items()},
    )
    refused(sign(forest), "object")
    selftest = model("logistic")
    with zipfile.ZipFile(selftest / "selftest.npz", "w") as archive:
        archive.writestr("rows.npy", out.getvalue())
    refused(sign(selftest), "object")
    assert not (tmp_path / "ran").exists()


def test_a_network_with_other_layers_is_refused(model: Any) -> None:
    """A Lambda, or a class of any other module, is named; the description is never run."""
    folder = model("dense")
    for kind, module in (("Lambda", "keras.layers"), ("Dense", "evilmodule")):

        def change(
            parts: dict[str, bytes], kind: str = kind, module: str = module
        ) -> dict[str, bytes]:
            config = json.loads(parts["config.json"])
            config["config"]["layers"][1] |= {"class_name": kind, "module": module}
            return parts | {"config.json": json.dumps(config).encode()}

        edit_archive(folder / "head" / "head.keras", change)
        refused(sign(folder), f"{module}.{kind}", "do not use this model")


def test_a_head_outside_the_registry_is_refused(model: Any) -> None:
    """`head` in model.json is a name of the registry, never a module."""
    folder = edit(model("logistic"), "model.json", lambda about: about | {"head": "os:system"})
    with pytest.raises(HeadError, match="unknown head 'os:system'"):
        pipeline.load_bundle(folder)


# ---- paths ------------------------------------------------------------------------------------

OUTSIDE = ["../x", "a/../../x", "/etc/passwd", "C:\\x", "C:x", "\\\\server\\share\\x", "..\\x",
           "a\\..\\..\\x", "\\x", "", "a\0b"]  # fmt: skip


def test_a_photograph_may_have_any_name_that_stays_below() -> None:
    """What leads outside is refused; a class folder with a colon is this system's to allow."""
    assert is_below("Healthy/part 1.png")
    assert not any(is_below(name) for name in ("", "../x", "a/../../x", "/etc/passwd", "a\0b"))
    if os.name == "posix":
        assert is_below("A:1/\\odd.png")


@pytest.mark.parametrize("name", OUTSIDE, ids=ascii)
def test_names_that_lead_outside_are_refused(model: Any, name: str) -> None:
    """Above, absolute, drives, shares, zero bytes: of any system, on every system."""
    assert not stays_inside(name)
    folder = model("majority")
    edit(folder, "model.json", lambda a: a | {"files": a["files"] | {name: "0" * 64}})
    refused(folder, "outside itself")
    folder = edit(
        sign_of_sound(folder), "split.json", lambda entries: [entries[0] | {"path": name}]
    )
    if is_below(name):  # such as "C:x", which is a plain name where there are no drives
        assert pipeline.load_bundle(folder).split()[0]["path"] == name
        return
    with pytest.raises(BundleError, match="outside its folder"):
        pipeline.load_bundle(folder).split()


def sign_of_sound(folder: Path) -> Path:
    """Take the names back that no file has."""
    about = json.loads((folder / "model.json").read_text())
    about["files"] = {k: v for k, v in about["files"].items() if stays_inside(k)}
    (folder / "model.json").write_text(json.dumps(about))
    return folder


def test_links_and_pipes_in_a_model_are_refused(model: Any, tmp_path: Path) -> None:
    """A file, or a folder on the way, that is a link; a pipe, which would never end."""
    for target in ("head/head.skops", "head", "split.json"):
        folder = tmp_path / "majority"
        shutil.rmtree(folder, ignore_errors=True)
        folder = model("majority")
        (folder / target).rename(tmp_path / "moved")
        (folder / target).symlink_to(tmp_path / "moved")
        refused(folder, "outside itself")
        shutil.rmtree(tmp_path / "moved") if target == "head" else (tmp_path / "moved").unlink()
    for target in ("model.json", "split.json", "head/head.skops"):
        folder = tmp_path / "forest"
        shutil.rmtree(folder, ignore_errors=True)
        folder = model("forest")
        (folder / target).unlink()
        os.mkfifo(folder / target)
        refused(folder)


def test_a_file_that_is_read_must_be_named(model: Any) -> None:
    """A digest taken out of model.json does not take its file out of the check."""
    folder = model("majority")
    edit(folder, "model.json", lambda a: a | {"files": {k: v for k, v in a["files"].items()
                                                        if "skops" not in k}})  # fmt: skip
    refused(folder, "head/head.skops", "does not name")


# ---- sizes ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["mean.npy", "projection.npy", "anchors.npy"])
def test_an_array_that_claims_a_terabyte_is_refused(model: Any, name: str) -> None:
    """Its header is held against the file's length before anything is allocated."""
    folder = model("rbf-svm")
    (folder / "head" / name).write_bytes(npy((2**38,)))
    refused(sign(folder), name, "claims 1,099,511,627,776 bytes")


def test_arrays_in_archives_are_held_against_their_bytes(model: Any) -> None:
    """In an estimator and in the self-test; negative, overflowing and empty claims too."""
    for shape in ((2**38,), (2**62, 2**62), (-1,), (2**31, 0), ()):
        folder = model("majority")
        edit_archive(
            folder / "head" / "head.skops",
            lambda parts, s=shape: {k: npy(s) if "npy" in k else v for k, v in parts.items()},
        )
        refused(sign(folder), "head.skops")
        with zipfile.ZipFile(folder / "selftest.npz", "w") as archive:
            archive.writestr("rows.npy", npy(shape))
        refused(sign(folder))
        shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("name", "file"),
    [("majority", "head/head.skops"), ("dense", "head/head.keras"), ("logistic", "selftest.npz")],
)
def test_archives_that_inflate_or_overlap_are_refused(model: Any, name: str, file: str) -> None:
    """A ZIP bomb is refused by what its directory claims."""
    folder = model(name)
    with zipfile.ZipFile(folder / file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("schema.json", bytes(10**7))
    refused(sign(folder), "compressed")
    with zipfile.ZipFile(folder / file, "w") as archive:
        archive.writestr("rows.npy", bytes(1000))
        archive.filelist *= 1000
    refused(sign(folder), "claim")


def test_settings_are_held_against_the_weights_before_a_network_is_built(model: Any) -> None:
    """A head that says a row has 10^12 values allocates nothing for them."""
    for name in ("dense", "logistic", "rbf-svm", "knn", "forest"):
        folder = edit(model(name), "head/settings.json", lambda s: s | {"row_width": 10**12})
        refused(folder)
    folder = model("dense")
    for many in (10**9, 3, 1, -5):
        edit(folder, "head/settings.json", lambda s, n=many: s | {"n_classes": n})
        refused(folder, "head")


@pytest.mark.parametrize("name", ["model.json", "split.json", "head/settings.json"])
def test_json_that_is_deep_or_enormous_is_refused(
    model: Any, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hundred thousand brackets, and more bytes than any model has."""
    folder = model("majority")
    (folder / name).write_text("[" * 100_000)
    if name != "model.json":
        sign(folder)
    with pytest.raises(BundleError):
        pipeline.load_bundle(folder).split()
    with (folder / name).open("wb") as file:
        file.truncate(2**33)  # sparse
    monkeypatch.setattr("pipeline.model.files.check_files", lambda *_: None)
    monkeypatch.setattr("pipeline.model.bundle.check_files", lambda *_: None)
    with pytest.raises(BundleError):
        pipeline.load_bundle(folder).split()


# ---- what is followed without looking ---------------------------------------------------------


def tree_node(model: Path, field: str, value: int) -> None:
    """Set a field of every inner node of every tree in a model."""
    from skops import io as skops_io

    from pipeline.heads.files import _TRUSTED

    path = model / "head" / "head.skops"
    estimator = skops_io.loads(path.read_bytes(), trusted=list(_TRUSTED))
    for tree in np.asarray(estimator.estimators_, object).ravel():
        state = tree.tree_.__getstate__()
        inner = state["nodes"]["left_child"] >= 0
        state["nodes"][field][inner] = value
        tree.tree_.__setstate__(state)
    path.write_bytes(skops_io.dumps(estimator))


@pytest.mark.parametrize("name", ["forest", "boosting"])
@pytest.mark.parametrize(
    ("field", "value"),
    [("left_child", 0), ("right_child", 2**40), ("left_child", -7), ("feature", 2**40),
     ("feature", -3), ("right_child", -1)],
)  # fmt: skip
def test_trees_that_do_not_end_or_look_elsewhere_are_refused(
    model: Any, name: str, field: str, value: int
) -> None:
    """A node that is its own child is a walk without end; one out of bounds reads other memory."""
    folder = model(name)
    tree_node(folder, field, value)
    refused(sign(folder), "do not use this model")


def test_settings_of_an_estimator_are_ours(model: Any) -> None:
    """A file that asks for a million threads gets the number that the head starts."""
    from skops import io as skops_io

    from pipeline.heads.files import _TRUSTED

    folder = model("forest")
    path = folder / "head" / "head.skops"
    estimator = skops_io.loads(path.read_bytes(), trusted=list(_TRUSTED))
    estimator.n_jobs, estimator.verbose = 10**6, 10**6
    path.write_bytes(skops_io.dumps(estimator))
    loaded = pipeline.load_bundle(sign(folder)).head
    assert (loaded._estimator.n_jobs, loaded._estimator.verbose) == (None, 0)


@pytest.mark.parametrize(
    "change",
    [
        {"classes": 5}, {"classes": ["good"]}, {"classes": [1, 2]}, {"class_members": [1]},
        {"class_members": {"good": 9, "bad": 1}},
        {"decision": None}, {"decision": {}}, {"calibration": "x"}, {"calibration": {"slope": []}},
        {"decision": Decision.not_chosen().to_json() | {"pass_below": "x"}},
        {"decision": Decision.not_chosen().to_json() | {"pass_below": float("nan")}},
        {"files": []}, {"files": None}, {"files": {"split.json": 3}}, {"onepass_bundle": 99},
    ],
    ids=str,
)  # fmt: skip
def test_a_model_json_of_other_types_is_one_line(model: Any, change: dict[str, Any]) -> None:
    """Whatever stands in model.json, loading ends with one line and no traceback."""
    refused(edit(model("majority"), "model.json", lambda about: about | change))


def test_a_truncated_model_is_named_as_such(model: Any) -> None:
    """Every file, cut anywhere, is damaged, and the line says which file."""
    folder = model("majority")
    for file in sorted(p for p in folder.rglob("*") if p.is_file()):
        data = file.read_bytes()
        for cut in (0, 1, len(data) // 2, len(data) - 1):
            file.write_bytes(data[:cut])
            refused(folder, file.name)
        file.write_bytes(data)
    pipeline.load_bundle(folder)


def test_random_damage_behind_forged_digests_never_escapes(model: Any) -> None:
    """Flipped bits in a model whose digests were made to fit: it loads, or says why not."""
    rng = np.random.default_rng(5)
    folder = model("knn")
    files = [p for p in sorted(folder.rglob("*")) if p.is_file() and p.name != "model.json"]
    for _ in range(40):
        file = files[int(rng.integers(len(files)))]
        data = bytearray(file.read_bytes())
        changed = bytearray(data)
        for place in rng.integers(len(data) * 8, size=3):
            changed[place // 8] ^= 1 << place % 8
        file.write_bytes(changed)
        sign(folder)
        try:
            pipeline.load_bundle(folder).split()
        except OnepassError as error:
            assert "\n" not in str(error)
        file.write_bytes(data)
