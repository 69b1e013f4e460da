"""Hostile caches and weight files: refused where they reach outside or claim too much."""

from __future__ import annotations

import io
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from caches import FIELDS, WIDTH, fill, table_row
from toy import photograph, toy_settings

from features.backbones.weight_files import read_layers
from features.backbones.weights import RecordedWeights
from features.cache.cache import Cache
from features.cache.repair import repair
from features.errors import CacheError, WeightsError
from features.extract import extract
from features.photographs.file import Photograph
from features.untrusted_files import UnsafeFileError

Attack = Callable[[h5py.File, Path], None]
TERABYTE = 2**40


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a small cache, and a secret beside it that attacks reach for."""
    folder = tmp_path_factory.mktemp("caches")
    (folder / "a.png").write_bytes(photograph(1))
    extract([Photograph(folder / "a.png", "a.png", "A")], toy_settings(), folder / "c.h5",
            note={"root": str(folder)})  # fmt: skip
    with h5py.File(folder / "secret.h5", "w") as file:
        file["features"] = np.ones((1, 48), np.float32)
    return folder / "c.h5"


def external_link(file: h5py.File, folder: Path) -> None:
    del file["features"]
    file["features"] = h5py.ExternalLink(str(folder / "secret.h5"), "features")


def soft_link(file: h5py.File, _folder: Path) -> None:
    file.move("features", "other")
    file["features"] = h5py.SoftLink("/other")


def link_in_a_group(file: h5py.File, folder: Path) -> None:
    del file["samples/path"]
    file["samples/path"] = h5py.ExternalLink(str(folder / "secret.h5"), "features")


def virtual(file: h5py.File, folder: Path) -> None:
    del file["features"]
    layout = h5py.VirtualLayout((1, 48), np.float32)
    layout[:] = h5py.VirtualSource(str(folder / "secret.h5"), "features", (1, 48))
    file.create_virtual_dataset("features", layout)


def external_storage(file: h5py.File, folder: Path) -> None:
    del file["features"]
    where = [(str(folder / "secret.h5"), 0, 192)]
    file.create_dataset("features", (1, 48), np.float32, external=where)


def huge_shape(file: h5py.File, _folder: Path) -> None:
    del file["features"]
    file.create_dataset("features", (TERABYTE // 192, 48), np.float32, chunks=(1, 48))


def huge_keys(file: h5py.File, _folder: Path) -> None:
    file["row_digest"].resize((TERABYTE // 64,))


def huge_attribute(file: h5py.File, _folder: Path) -> None:
    file.attrs["fingerprint"] = np.zeros(60_000, np.uint8)
    space = h5py.h5s.create_simple((TERABYTE,))
    assert space.shape == (TERABYTE,)
    file["features"].resize((10**9, 48))


def unknown_filter(file: h5py.File, _folder: Path) -> None:
    del file["features"]
    created = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    created.set_chunk((1, 48))
    created.set_filter(32_099, h5py.h5z.FLAG_OPTIONAL, ())
    space = h5py.h5s.create_simple((1, 48))
    h5py.h5d.create(file.id, b"features", h5py.h5t.NATIVE_FLOAT, space, created)


def deflate_bomb(file: h5py.File, _folder: Path) -> None:
    del file["features"]
    file.create_dataset("features", data=np.zeros((20_000, 48), np.float32), compression="gzip")


def objects(file: h5py.File, _folder: Path) -> None:
    del file["row_view"]
    file.create_dataset("row_view", (1,), h5py.string_dtype())


def references(file: h5py.File, _folder: Path) -> None:
    file.create_dataset("more", (1,), h5py.ref_dtype)


def circle(file: h5py.File, _folder: Path) -> None:
    file["samples/again"] = file["samples"]


ATTACKS: list[tuple[Attack, str]] = [
    (external_link, "a link to somewhere else"),
    (soft_link, "a link to somewhere else"),
    (link_in_a_group, "a link to somewhere else"),
    (virtual, "lie in other files"),
    (external_storage, "lie in other files"),
    (huge_shape, "claim"),
    (huge_keys, "claim"),
    (huge_attribute, "claim"),
    (unknown_filter, "needs the filter 32099"),
    (deflate_bomb, "needs the filter 1 "),
    (objects, "neither plain numbers nor plain texts"),
    (references, "neither plain numbers nor plain texts"),
    (circle, "groups deep"),
]


@pytest.mark.parametrize(("attack", "reason"), ATTACKS, ids=lambda v: getattr(v, "__name__", ""))
def test_a_cache_that_reaches_out_or_claims_too_much_is_refused(
    sound: Path, tmp_path: Path, attack: Attack, reason: str
) -> None:
    """Refused for its form, before a value is read: by a reader, and by a writer."""
    path = tmp_path / "c.h5"
    shutil.copy(sound, path)
    with h5py.File(path, "r+") as file:
        attack(file, sound.parent)
    for opened in (
        lambda: Cache.read(path),
        lambda: Cache.write(path, toy_settings().fields, 48, np.float32),
    ):
        with pytest.raises(CacheError, match=reason):
            opened().close()


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        ({"path": "../../secret.png"}, "outside of the folder"),
        ({"path": "/etc/secret.png"}, "outside of the folder"),
        ({"at": 2}, "1 photographs of its table name a row that is not theirs"),
        ({"at": 1_000_000}, "rows that are not there"),
        ({"at": -2}, "rows that are not there"),
    ],
)
def test_a_forged_table_is_refused_and_mended(
    tmp_path: Path, table: dict[str, Any], reason: str
) -> None:
    """Well sealed, but it reaches out of the folder or gives a photograph another's row.

    `cache repair` keeps the rows, and the table goes or names the right ones.
    """
    path = tmp_path / "c.h5"
    fill(path, range(5))
    whole = {"path": "A/1.png", "at": 1} | table
    with Cache.write(path, FIELDS, WIDTH, "float32") as cache:
        cache.replace_table([table_row(whole["path"], 1, whole["at"])], {})
        cache.commit()
    with pytest.raises(CacheError, match=reason):
        Cache.read(path)
    assert repair(path).rows == 5
    with Cache.read(path) as cache:
        assert [(s.path, s.row) for s in cache.table_rows] in ([], [("A/1.png", 1)])


def test_a_name_with_dots_is_no_way_out(tmp_path: Path) -> None:
    """Dots inside a name are part of it."""
    path = tmp_path / "c.h5"
    fill(path, range(5))
    with Cache.write(path, FIELDS, WIDTH, "float32") as cache:
        cache.replace_table([table_row("A/part..1:2.png", 1, 1)], {})
        cache.commit()
    with Cache.read(path) as cache:
        assert cache.table_rows[0].path == "A/part..1:2.png"


@pytest.mark.parametrize(("attack", "reason"), ATTACKS, ids=lambda v: getattr(v, "__name__", ""))
def test_a_weight_file_is_looked_at_in_the_same_way(
    tmp_path: Path, sound: Path, attack: Attack, reason: str
) -> None:
    """The attacks on a cache, in a file of weights; there compression is allowed, to a measure."""
    path = tmp_path / "w.h5"
    shutil.copy(sound, path)
    with h5py.File(path, "r+") as file:
        attack(file, sound.parent)
    with pytest.raises(UnsafeFileError, match="claim" if attack is deflate_bomb else reason):
        read_layers(path)
    archive = tmp_path / "w.keras"
    with zipfile.ZipFile(archive, "w") as made:
        made.writestr("model.weights.h5", path.read_bytes())
    with pytest.raises(UnsafeFileError):
        read_layers(archive)


def test_compressed_weights_are_still_read(tmp_path: Path) -> None:
    """A weights file that somebody saved with gzip is no attack."""
    noise = np.random.default_rng(0).standard_normal((64, 64)).astype(np.float32)
    path = tmp_path / "w.h5"
    with h5py.File(path, "w") as file:
        group = file.create_group("layers/conv2d/vars")
        group.attrs["name"] = "conv2d"
        group.create_dataset("0", data=noise, compression="gzip", shuffle=True, fletcher32=True)
    assert np.array_equal(read_layers(path)["conv2d"][0], noise)


def test_a_zip_bomb_of_weights_is_refused(tmp_path: Path) -> None:
    """A .keras file whose parts inflate is refused before a byte of them is."""
    path = tmp_path / "w.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("model.weights.h5", bytes(10**7))
    with pytest.raises(UnsafeFileError, match="compressed"):
        read_layers(path)
    overlapping = io.BytesIO()
    with zipfile.ZipFile(overlapping, "w") as made:
        made.writestr("model.weights.h5", bytes(1000))
        made.filelist *= 50  # the same bytes, fifty times over
    path.write_bytes(overlapping.getvalue())
    with pytest.raises(UnsafeFileError, match="claim"):
        read_layers(path)


def test_recorded_weights_on_another_computer_are_not_fetched() -> None:
    r"""A model that names \\server\share: opening it would log in there, so it is refused."""
    for name in (r"\\evil\share\weights.h5", "//evil/share/weights.h5"):
        with pytest.raises(WeightsError, match="another computer"):
            RecordedWeights("file", "0" * 64, 0, name).locate()
