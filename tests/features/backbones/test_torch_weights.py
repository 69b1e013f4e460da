"""PyTorch's files of tensors are read without PyTorch, and nothing in them is run."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from features.backbones.torch_weights import read_tensors
from features.untrusted_files import UnsafeFileError

Tensors = dict[str, np.ndarray]


def number(value: int) -> bytes:
    """Give a whole number as a pickle has it."""
    return b"J" + struct.pack("<i", value)


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def numbers(values: tuple[int, ...]) -> bytes:
    return b"(" + b"".join(map(number, values)) + b"t"


def tensor(
    key: str,
    count: int,
    offset: int,
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    call: bytes = b"ctorch._utils\n_rebuild_tensor_v2\n",
    kind: bytes = b"ctorch\nFloatStorage\n",
) -> bytes:
    """Give a tensor of a storage, as PyTorch describes it."""
    storage = b"(" + text("storage") + kind + text(key) + text("cpu") + number(count) + b"NtQ"
    hooks = b"\x89ccollections\nOrderedDict\n)R"
    arguments = b"(" + storage + number(offset) + numbers(shape) + numbers(strides) + hooks + b"t"
    return call + arguments + b"R"


def file(
    tensors: dict[str, bytes], storages: dict[str, np.ndarray], little: bytes = b"\x88"
) -> bytes:
    """Give a whole file: magic number, protocol, system, tensors, keys, numbers."""
    head = bytes.fromhex("80028a0a6cfc9c46f9206aa850192e") + b"\x80\x02M\xe9\x03."
    system = b"\x80\x02}" + text("little_endian") + little + b"s."
    items = b"".join(text(name) + described for name, described in tensors.items())
    table = b"\x80\x02ccollections\nOrderedDict\n)R(" + items + b"u."
    keys = b"\x80\x02](" + b"".join(map(text, storages)) + b"e."
    data = b"".join(
        struct.pack("<q", len(values)) + values.astype("<f4").tobytes()
        for values in storages.values()
    )
    return head + system + table + keys + data


VALUES = np.arange(12, dtype=np.float32)
SOUND = {"a.weight": tensor("1", 12, 0, (3, 2), (1, 3)), "a.bias": tensor("1", 12, 6, (6,), (1,))}


def test_tensors_are_views_of_their_storages() -> None:
    """Shape, strides and offset are followed; two tensors may share one storage."""
    found = read_tensors(file(SOUND, {"1": VALUES}))
    assert list(found) == ["a.weight", "a.bias"]
    assert np.array_equal(found["a.weight"], [[0, 3], [1, 4], [2, 5]])
    assert np.array_equal(found["a.bias"], VALUES[6:])
    assert found["a.bias"].dtype == np.float32


BELOW = 2**31 - 1
ATTACKS = {
    "runs a command": {"a": b"cos\nsystem\n(" + text("echo") + b"tR"},
    "calls a storage": {"a": b"ctorch\nFloatStorage\n)R"},
    "builds an instance": {"a": b"(ios\nsystem\n"},
    "new object": {"a": b"ccollections\nOrderedDict\n)\x81"},
    "reaches beyond": {"a": tensor("1", 12, 1, (3, 4), (4, 1))},
    "reaches before": {"a": tensor("1", 12, -1, (3,), (1,))},
    "runs backwards": {"a": tensor("1", 12, 11, (3,), (-1,))},
    "repeats itself for ever": {"a": tensor("1", 12, 0, (BELOW, BELOW), (0, 0))},
    "claims a larger storage": {"a": tensor("1", BELOW, 0, (BELOW,), (1,))},
    "two sizes of one storage": {
        "a": tensor("1", 12, 0, (12,), (1,)), "b": tensor("1", 24, 0, (24,), (1,)),
    },
    "names no storage": {"a": tensor("2", 12, 0, (12,), (1,))},
    "another type": {"a": tensor("1", 12, 0, (12,), (1,), kind=b"ctorch\nHalfStorage\n")},
    "no tensor": {"a": number(3)},
    "no dimension at all and none of it": {"a": tensor("1", 12, 0, (0,), (1,))},
    "unknown memo": {"a": b"h\x07"},
    "a key that is no text": {"a": number(1) + b"(tt" },
}  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS)
def test_everything_else_is_refused(attack: str) -> None:
    """What a dictionary of tensors does not need is an UnsafeFileError, and is never run."""
    with pytest.raises(UnsafeFileError):
        read_tensors(file(ATTACKS[attack], {"1": VALUES}))


def test_keys_that_cannot_be_hashed_in_time() -> None:
    """A tuple that holds itself twice, 60 times over, is refused before its hash is asked for."""
    doubled = b")" + b"q\x00" + b"".join(b"h\x00h\x00\x86q\x00" for _ in range(60))
    content = file({}, {"1": VALUES}).replace(b"(u.", b"(" + doubled + b"Nu.")
    with pytest.raises(UnsafeFileError):
        read_tensors(content)


def test_another_layout_or_order_of_bytes() -> None:
    """A ZIP archive, another pickle, big-endian numbers and an empty file are refused."""
    for content in (b"", b"PK\x03\x04 zip", b"\x80\x02K\x01.", file(SOUND, {"1": VALUES}, b"\x89")):
        with pytest.raises(UnsafeFileError):
            read_tensors(content)


@pytest.mark.filterwarnings("ignore:invalid escape sequence")  # texts of an older pickle
def test_cut_longer_and_damaged_files() -> None:
    """Each prefix is refused, so is a byte too many; flipped bytes are numbers or are refused."""
    sound = file(SOUND, {"1": VALUES})
    for length in range(len(sound)):
        with pytest.raises(UnsafeFileError):
            read_tensors(sound[:length])
    with pytest.raises(UnsafeFileError):
        read_tensors(sound + b"\0")
    generator = np.random.default_rng(0)
    for _ in range(3000):
        damaged = bytearray(sound)
        for place in generator.integers(0, len(sound), 1 + generator.integers(3)):
            damaged[place] = generator.integers(256)
        try:
            found = read_tensors(bytes(damaged))
        except UnsafeFileError:
            continue
        assert all(array.size <= len(VALUES) for array in found.values())
