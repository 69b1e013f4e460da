"""Hostile models: loading runs no code, reads nothing outside, believes no size."""

from __future__ import annotations

import io
import json
import os
import shutil
import sys
import tarfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from models import sign
from rows import sparse_rows
from safetensors.numpy import load_file, save_file

import pipeline
from features.backbones.weights import RecordedWeights
from features.errors import BundleError, HeadError, OnepassError
from pipeline.data.classes import Classes
from pipeline.data.folder_record import FolderRecord
from pipeline.heads import HEADS, load_head_class, make_head
from pipeline.heads.dense import build_model
from pipeline.model.files import is_below, stays_inside
from pipeline.model.record import FitRecord, ModelRecord, SplitRecord
from pipeline.thresholds.decision import Decision

WIDTH = 48
X, Y, GROUPS = sparse_rows(60, WIDTH)


def make_model(folder: Path, name: str) -> Path:
    """Give a model of one head, as `fit` would write it."""
    from toy import toy_settings

    from pipeline.model.bundle import save_bundle

    quick = {"forest": {"trees": 3}, "boosting": {"trees": 3}, "dense": {"epochs": 1}}
    head = make_head(name, settings=quick.get(name, {}))
    head.fit(X, Y, GROUPS, n_classes=2)
    folder_record = FolderRecord("data", weights=RecordedWeights("random", "random:0", 0, "random"))
    record = ModelRecord(
        FitRecord(
            name, folder_record, SplitRecord("grouped", 0.25, 0), fingerprint=toy_settings().fields
        ),
        title=name,
        chosen={},
        classes=Classes(("good", "bad"), {"good": 0, "bad": 1}),
        decision=Decision.not_chosen(),
        calibration=None,
        scores={},
        seconds=0.0,
        created="2026-01-31T12:00:00Z",
    )
    split = [{"path": "a.png", "class": "good", "group": "0", "digest": "0" * 64, "side": "train"}]
    save_bundle(folder / name, head, record, split, X, {})
    return folder / name


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One model of each head."""
    folder = tmp_path_factory.mktemp("models")
    for name in HEADS:
        make_model(folder, name)
    return folder


@pytest.fixture
def model(models: Path, tmp_path: Path) -> Callable[[str], Path]:
    """Give a copy to tamper with."""

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
    """Give an array file whose header claims a shape that its bytes do not fill."""
    out = io.BytesIO()
    header = {"descr": dtype, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(out, header)
    return out.getvalue() + content


def refused(folder: Path, *expected: str) -> None:
    """Check that loading is a BundleError of one line that says so, in little time."""
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


OLD = Path(__file__).parents[1] / "heads" / "old_models"


def old_head(folder: Path, name: str) -> Path:
    """Give a head as version 0.1.0 kept it, estimators in files of skops."""
    with tarfile.open(OLD / f"{name}.tar.xz") as archive:
        archive.extractall(folder / name, filter="data")
    return folder / name


def edit_schema(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change what a skops file says of its estimator."""

    def edited(parts: dict[str, bytes]) -> dict[str, bytes]:
        schema = json.loads(parts["schema.json"])
        change(schema)
        return parts | {"schema.json": json.dumps(schema).encode()}

    edit_archive(folder / "head.skops", edited)


def head_refused(name: str, folder: Path, *expected: str) -> None:
    """Check that loading the head is a BundleError of one line that says to fit again."""
    with pytest.raises(BundleError) as caught:
        load_head_class(name).load(folder)
    for part in (*expected, "fit the model again"):
        assert part in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_old_estimator_is_never_built(tmp_path: Path) -> None:
    """Skops can describe functions and operators: of an old head arrays are taken, and no more."""
    (tmp_path / "evilmodule.py").write_text(EVIL)
    sys.path.insert(0, str(tmp_path))
    try:
        for number, loader in enumerate(("FunctionNode", "ObjectNode", "OperatorFuncNode")):
            folder = old_head(tmp_path / str(number), "majority-3")
            content = {"module_path": "evilmodule", "function": "system", "__loader__": "JsonNode"}
            node = {"__class__": "system", "__module__": "evilmodule", "__loader__": loader,
                    "content": content | {"content": "1"}, "attrs": [], "__id__": 7}  # fmt: skip
            edit_schema(folder, lambda s, n=node: s["content"]["content"].update(random_state=n))
            load_head_class("majority").load(folder)
            edit_schema(folder, lambda s, n=node: s["content"]["content"].update(class_prior_=n))
            head_refused("majority", folder)
            edit_schema(folder, lambda s: s.update(__module__="evilmodule"))
            head_refused("majority", folder, "evilmodule")
    finally:
        sys.path.remove(str(tmp_path))
    assert not (tmp_path / "ran").exists()
    assert "evilmodule" not in sys.modules


def test_pickles_are_never_opened(model: Any, tmp_path: Path) -> None:
    """An array of pickled objects is refused by its type, in old heads and in the self-test."""

    class Bomb:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, (str(tmp_path / "ran"),)

    out = io.BytesIO()
    np.save(out, np.array([Bomb()], dtype=object), allow_pickle=True)
    for name in ("mean.npy", "dual.npy"):
        folder = old_head(tmp_path / name, "rbf-svm-2")
        (folder / name).write_bytes(out.getvalue())
        head_refused("rbf-svm", folder, "object")
    folder = old_head(tmp_path, "majority-3")
    edit_archive(
        folder / "head.skops",
        lambda parts: {k: out.getvalue() if k.endswith("npy") else v for k, v in parts.items()},
    )
    head_refused("majority", folder, "object")
    selftest = model("logistic")
    with zipfile.ZipFile(selftest / "selftest.npz", "w") as archive:
        archive.writestr("rows.npy", out.getvalue())
    refused(sign(selftest), "object")
    assert not (tmp_path / "ran").exists()


def test_an_old_network_with_other_layers_is_refused(tmp_path: Path) -> None:
    """A Lambda, or a class of any other module, is named; the description is never run."""
    for kind, module in (("Lambda", "keras.layers"), ("Dense", "evilmodule")):
        folder = tmp_path / kind
        folder.mkdir()
        build_model(WIDTH, 2, (0.1, 0.1, 0.1)).save(folder / "head.keras")
        record = {"head": "dense", "seed": 0, "n_classes": 2, "row_width": WIDTH, "chosen": {},
                  "more": {}}  # fmt: skip
        (folder / "settings.json").write_text(json.dumps(record))
        load_head_class("dense").load(folder)

        def change(
            parts: dict[str, bytes], kind: str = kind, module: str = module
        ) -> dict[str, bytes]:
            config = json.loads(parts["config.json"])
            config["config"]["layers"][1] |= {"class_name": kind, "module": module}
            return parts | {"config.json": json.dumps(config).encode()}

        edit_archive(folder / "head.keras", change)
        with pytest.raises(BundleError, match=f"{module}.{kind}"):
            load_head_class("dense").load(folder)


@pytest.mark.parametrize("number", [1.0, True, -0.0, 2, "1"])
def test_class_numbers_are_whole(model: Any, number: object) -> None:
    """1.0 and True equal 1 and are no number of a class: found by forged models."""
    change = {"class_members": {"good": 0, "bad": number}}
    folder = edit(model("logistic"), "model.json", lambda about: about | change)
    with pytest.raises(BundleError, match="classes"):
        pipeline.load_bundle(folder)


def test_a_head_outside_the_registry_is_refused(model: Any) -> None:
    """`head` in model.json is a name of the registry; a module's only where the user trusts it."""
    folder = edit(model("logistic"), "model.json", lambda about: about | {"head": "os:system"})
    refused(folder, "a user's own estimator, os:system", "--trust")
    edit(folder, "model.json", lambda about: about | {"head": "system"})
    with pytest.raises(HeadError, match="unknown head 'system'"):
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
    for target in ("head/head.safetensors", "head", "split.json"):
        folder = tmp_path / "majority"
        shutil.rmtree(folder, ignore_errors=True)
        folder = model("majority")
        (folder / target).rename(tmp_path / "moved")
        (folder / target).symlink_to(tmp_path / "moved")
        refused(folder, "outside itself")
        shutil.rmtree(tmp_path / "moved") if target == "head" else (tmp_path / "moved").unlink()
    for target in ("model.json", "split.json", "head/head.safetensors"):
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
                                                        if "tensors" not in k}})  # fmt: skip
    refused(folder, "head/head.safetensors", "does not name")


# ---- sizes ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["mean.npy", "projection.npy", "anchors.npy"])
def test_an_old_array_that_claims_a_terabyte_is_refused(tmp_path: Path, name: str) -> None:
    """Its header is held against the file's length before anything is allocated."""
    folder = old_head(tmp_path, "rbf-svm-2")
    (folder / name).write_bytes(npy((2**38,)))
    head_refused("rbf-svm", folder, "claims 1,099,511,627,776 bytes")


@pytest.mark.parametrize(
    "entry",
    [
        {"dtype": "F64", "shape": [2**38], "data_offsets": [0, 2**41]},
        {"dtype": "F64", "shape": [2**38], "data_offsets": [0, 24]},
        {"dtype": "F64", "shape": [2**62, 2**62], "data_offsets": [0, 24]},
        {"dtype": "F64", "shape": [-3], "data_offsets": [0, 24]},
        {"dtype": "F64", "shape": [3], "data_offsets": [24, 0]},
        {"dtype": "BF16", "shape": [12], "data_offsets": [0, 24]},
        {"dtype": "object", "shape": [3], "data_offsets": [0, 24]},
        {"dtype": "I64", "shape": [3], "data_offsets": [0, 24]},
        {"dtype": "F64", "shape": [3, 1], "data_offsets": [0, 24]},
        {"dtype": "F64", "shape": [], "data_offsets": [0, 8]},
        ["F64"],
    ],
    ids=str,
)
def test_arrays_are_held_against_their_bytes_and_their_schema(model: Any, entry: Any) -> None:
    """Terabytes, negative and overflowing shapes, other types and ranks: refused in one line."""
    folder = model("majority")
    header = json.dumps({"shares": entry}).encode()
    content = len(header).to_bytes(8, "little") + header + np.array([0.5, 0.25, 0.25]).tobytes()
    (folder / "head" / "head.safetensors").write_bytes(content)
    refused(sign(folder), "head.safetensors")


@pytest.mark.parametrize("length", [0, 7, 2**20, 2**40, 2**64 - 1])
def test_a_header_is_bounded(model: Any, length: int) -> None:
    """A header that claims to be longer than the file, or is cut off."""
    folder = model("majority")
    (folder / "head" / "head.safetensors").write_bytes(length.to_bytes(8, "little") + b"{}")
    refused(sign(folder), "head.safetensors")


def test_arrays_of_old_heads_and_self_tests_are_held_against_their_bytes(
    model: Any, tmp_path: Path
) -> None:
    """Negative, overflowing and empty claims."""
    for number, shape in enumerate(((2**38,), (2**62, 2**62), (-1,), (2**31, 0), ())):
        old = old_head(tmp_path / str(number), "majority-3")
        edit_archive(
            old / "head.skops",
            lambda parts, s=shape: {k: npy(s) if "npy" in k else v for k, v in parts.items()},
        )
        head_refused("majority", old)
        folder = model("majority")
        with zipfile.ZipFile(folder / "selftest.npz", "w") as archive:
            archive.writestr("rows.npy", npy(shape))
        refused(sign(folder))
        shutil.rmtree(folder)


def test_archives_that_inflate_or_overlap_are_refused(model: Any, tmp_path: Path) -> None:
    """A ZIP bomb is refused by what its directory claims."""
    folder, old = model("logistic"), old_head(tmp_path, "majority-3")
    for file in (folder / "selftest.npz", old / "head.skops"):
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("schema.json", bytes(10**7))
    refused(sign(folder), "compressed")
    head_refused("majority", old, "compressed")
    for file in (folder / "selftest.npz", old / "head.skops"):
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("rows.npy", bytes(1000))
            archive.filelist *= 1000
    refused(sign(folder), "claim")
    head_refused("majority", old, "claim")


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


@pytest.mark.parametrize("name", ["model.json", "split.json", "head/settings.json"])
def test_json_that_is_no_text_is_not_quoted(model: Any, name: str) -> None:
    """Python's own error has all of the file in it: the line would be as long as the file."""
    folder = model("logistic")
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] = 0xFF
    (folder / name).write_bytes(bytes(content))
    if name != "model.json":
        sign(folder)
    with pytest.raises(BundleError, match="is no UTF-8") as caught:
        pipeline.load_bundle(folder).split()
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("change", [{"class": "x"}, {"group": "x"}, {"group": "9" * 5000}])
def test_a_split_has_the_models_classes_and_parts_by_number(model: Any, change: Any) -> None:
    """Nothing else can be scored, and it would be a mistake in this program."""
    folder = model("logistic")
    edit(folder, "split.json", lambda entries: [entries[0] | change, *entries[1:]])
    with pytest.raises(BundleError, match=r"expected a class of model\.json and a number"):
        pipeline.load_bundle(folder).split()


# ---- what is followed without looking ---------------------------------------------------------


def edit_arrays(model: Path, change: Callable[[dict[str, np.ndarray]], object]) -> Path:
    """Change the arrays of a model's head, and forge the digest."""
    path = model / "head" / "head.safetensors"
    arrays = {name: array.copy() for name, array in load_file(path).items()}
    change(arrays)
    save_file(arrays, path)
    return sign(model)


@pytest.mark.parametrize("name", ["forest", "boosting"])
@pytest.mark.parametrize(
    ("field", "value"),
    [("left", 0), ("right", 2**40), ("left", -7), ("feature", 2**40), ("feature", -3),
     ("feature", -1), ("right", -1), ("left", 10**6), ("starts", 1), ("starts", -1),
     ("threshold", np.nan), ("values", np.inf), ("present", 2), ("present", 0)],
)  # fmt: skip
def test_trees_that_do_not_end_or_look_elsewhere_are_refused(
    model: Any, name: str, field: str, value: float
) -> None:
    """A node that is its own child is a walk without end; one out of bounds reads other memory."""

    def change(arrays: dict[str, np.ndarray]) -> None:
        whole = len(arrays[field]) != len(arrays["left"])
        arrays[field][slice(None) if whole else arrays["left"] >= 0] = value

    refused(edit_arrays(model(name), change), "head.safetensors", "fit the model again")


@pytest.mark.parametrize("name", ["forest", "boosting"])
def test_a_child_in_another_tree_is_refused(model: Any, name: str) -> None:
    """Behind its parent, but not of the same tree: that walk was never trained."""

    def change(arrays: dict[str, np.ndarray]) -> None:
        first = int(np.flatnonzero(arrays["left"][: arrays["starts"][1]] >= 0)[0])
        arrays["right"][first] = arrays["starts"][1]

    refused(edit_arrays(model(name), change), "walks do not end")


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("boosting", lambda nodes: nodes["left_child"].__setitem__(0, 2**40)),
        ("boosting", lambda nodes: nodes["feature"].__setitem__(0, 2**40)),
        ("forest", lambda nodes: nodes["right_child"].__setitem__(0, 0)),
        ("forest", lambda nodes: nodes["threshold"].__setitem__(0, np.nan)),
    ],
)
def test_trees_of_old_heads_are_held_to_the_same(
    tmp_path: Path, kind: str, change: Callable[[Any], None]
) -> None:
    """Nodes out of bounds in a skops file: never followed by native code, refused."""
    folder = old_head(tmp_path, f"{kind}-2")

    def edited(parts: dict[str, bytes]) -> dict[str, bytes]:
        for name, content in parts.items():
            if name.endswith(".npy"):
                array = np.load(io.BytesIO(content))
                if array.dtype.names:
                    change(array)
                    out = io.BytesIO()
                    np.save(out, array)
                    parts[name] = out.getvalue()
        return parts

    edit_archive(folder / "head.skops", edited)
    head_refused(kind, folder)


def test_an_old_boosting_of_another_shape_is_refused(tmp_path: Path) -> None:
    """`estimators_` of shape (1, K): K trees in a row, which scikit-learn wrote beyond an array."""
    folder = old_head(tmp_path, "boosting-2")

    def widen(schema: dict[str, Any]) -> None:
        trees = schema["content"]["content"]["estimators_"]["content"]
        trees[0] = {**trees[0], "content": trees[0]["content"] * 300}

    edit_schema(folder, widen)
    try:
        P = load_head_class("boosting").load(folder).predict_proba(np.zeros((3, 5), np.float32))
    except BundleError:
        return
    assert np.isfinite(P).all()  # three hundred trees, one after the other


@pytest.mark.parametrize(
    "change",
    [
        {"vectors": np.ones((9, 2), np.float32)},
        {"vectors": np.full((9, 3), np.nan, np.float32)},
        {"vectors": np.full((9, 3), np.inf, np.float32)},
        {"vectors": np.ones((9, 3))},
        {"limit": np.array([np.nan, 0.01])},
        {"limit": np.array([1.0, -2.0])},
        {"limit": np.array([[1.0, 0.01]])},
    ],
)
def test_what_is_familiar_fits_the_rows_and_is_finite(model: Any, change: Any) -> None:
    """Of another width it would be no line; with nan nothing would be unlike, and nobody told."""
    folder = model("logistic")
    sound = {"vectors": np.ones((9, 3), np.float32), "limit": np.array([1.0, 0.01])}
    for arrays, fits in ((sound, True), (sound | change, False)):
        np.savez(folder / "familiar.npz", allow_pickle=False, **arrays)
        about = json.loads((folder / "model.json").read_text())
        about["files"]["familiar.npz"] = ""
        (folder / "model.json").write_text(json.dumps(about))
        if fits:
            assert pipeline.load_bundle(sign(folder)).familiar is not None
        else:
            refused(sign(folder), "damaged or was tampered with")


@pytest.mark.parametrize(
    ("name", "field"),
    [("logistic", "coefficients"), ("rbf-svm", "projection"), ("knn", "labels"),
     ("dense", "dense_2.kernel"), ("majority", "shares")],
)  # fmt: skip
def test_every_array_has_its_shape_range_and_type(model: Any, name: str, field: str) -> None:
    """Missing, of another shape, another type, out of range or not finite."""
    changes: list[Callable[[dict[str, Any]], object]] = [
        lambda a: a.pop(field),
        lambda a: a.update({field: a[field][:-1]}),
        lambda a: a.update({field: a[field][None]}),
        lambda a: a.update({field: a[field].astype(np.uint8)}),
        lambda a: a.update({field: a[field] * np.float32(np.nan)}),
        lambda a: a.update({field: a[field] + 2**40}),
    ]
    for number, change in enumerate(changes):
        if number < 5 or field in ("labels", "shares"):
            refused(edit_arrays(model(name), change), "head.safetensors", "fit the model again")


@pytest.mark.parametrize(
    "change",
    [
        {"classes": 5}, {"classes": ["good"]}, {"classes": [1, 2]}, {"class_members": [1]},
        {"class_members": {"good": 9, "bad": 1}},
        {"decision": None}, {"decision": {}}, {"calibration": "x"}, {"calibration": {"slope": []}},
        {"decision": Decision.not_chosen().to_json() | {"pass_below": "x"}},
        {"decision": Decision.not_chosen().to_json() | {"pass_below": float("nan")}},
        {"fingerprint": {}}, {"fingerprint": None}, {"data": {}}, {"data": None}, {"split": {}},
        {"split": 3}, {"split": {"kind": "grouped", "test_size": "x", "seed": 0}},
        {"data": {"root": "r", "group_rule": {"kind": "x", "other": 1}}},
        {"data": {"root": "r", "group_rule": {"kind": "-1", "value": ""}}},
        {"weights": {}}, {"weights": {"source": "random"}},
        {"versions": [1]}, {"files": []}, {"files": None}, {"files": {"split.json": 3}},
        {"onepass_bundle": 99},
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
