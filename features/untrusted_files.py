"""Files read as if an enemy had written them: nothing is allocated that the file does not hold.

JSON, ZIP archives and NumPy arrays are the parts of a trained model. All of them are written
without compression, so that what a part claims can be held against the file's own size before
any of it is read.
"""

from __future__ import annotations

import io
import json
import math
import zipfile
from pathlib import Path
from stat import S_ISREG
from typing import Any

import numpy as np
import numpy.typing as npt

_CODED = 0x61  # flags of a ZIP archive: encrypted, patched, strongly encrypted
MOST_JSON = 256 * 2**20
"""Bytes of the largest JSON file that is read: a million photographs in `split.json`."""


class UnsafeFileError(ValueError):
    """A file holds something that is refused; the message says what."""


def read_bytes(path: Path, most: int | None = None) -> bytes:
    """Give a regular file of at most `most` bytes; a pipe or a device is never opened.

    Raises:
        UnsafeFileError: it is something else, or larger.
        OSError: it is not there, or cannot be read.
    """
    stat = path.stat()
    if not S_ISREG(stat.st_mode):
        raise UnsafeFileError("it is no regular file")
    if most is not None and stat.st_size > most:
        raise UnsafeFileError(f"it has {stat.st_size:,} bytes, more than {most:,}")
    return path.read_bytes()


def read_json(path: Path, most: int = MOST_JSON) -> Any:  # noqa: ANN401 - whatever it holds
    """Give a JSON file.

    Raises:
        UnsafeFileError: it is too large, or nested too deeply.
        ValueError: it is no JSON in UTF-8.
        OSError: it is not there, or cannot be read.
    """
    content = read_bytes(path, most)
    try:
        return json.loads(content.decode("utf-8"))
    except UnicodeDecodeError as error:  # whose text has all of the file in it
        raise UnsafeFileError(f"byte {error.start:,} of it is no UTF-8") from None
    except RecursionError:
        raise UnsafeFileError("it is nested too deeply") from None


def open_archive(content: bytes) -> zipfile.ZipFile:
    """Give a ZIP archive whose members are stored as they are, and lie inside it.

    Raises:
        UnsafeFileError: a member is compressed or encrypted, or all together are larger than the
            archive, as in a ZIP bomb.
        zipfile.BadZipFile: it is none.
    """
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
    except NotImplementedError as error:  # as it names methods that only a version to come has
        raise UnsafeFileError(f"it is no archive that can be read here: {error}") from None
    claimed = 0
    for member in archive.infolist():
        if member.compress_type != zipfile.ZIP_STORED or member.flag_bits & _CODED:
            raise UnsafeFileError(f"its part {member.filename!r} is compressed or encrypted")
        claimed += member.file_size
    if claimed > len(content):
        raise UnsafeFileError(f"its parts claim {claimed:,} bytes, and it has {len(content):,}")
    return archive


def read_array(content: bytes) -> npt.NDArray[Any]:
    """Give the array in the bytes of a .npy file: numbers alone, and exactly as many as it names.

    Raises:
        UnsafeFileError: it names another number than there are, or holds objects.
        ValueError: it is no .npy file.
    """
    file = io.BytesIO(content)
    version = np.lib.format.read_magic(file)
    readers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    if version not in readers:
        raise UnsafeFileError(f"it is of version {version}")
    shape, fortran, dtype = readers[version](file)
    if dtype.hasobject or dtype.itemsize == 0:
        raise UnsafeFileError(f"it holds values of type {dtype}")
    claimed, start = math.prod(shape) * dtype.itemsize, file.tell()
    if claimed != len(content) - start:
        raise UnsafeFileError(f"it claims {claimed:,} bytes, and has {len(content) - start:,}")
    values = np.frombuffer(content, dtype, offset=start).copy()
    return values.reshape(shape, order="F" if fortran else "C")


def read_arrays(content: bytes) -> dict[str, npt.NDArray[Any]]:
    """Give the arrays in the bytes of a .npz file, by name.

    Raises:
        UnsafeFileError: see `open_archive` and `read_array`.
        ValueError, zipfile.BadZipFile: it is none.
    """
    with open_archive(content) as archive:
        return {
            name.removesuffix(".npy"): read_array(archive.read(name)) for name in archive.namelist()
        }
