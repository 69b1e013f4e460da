"""Weights that PyTorch saved, read without PyTorch and without running anything.

Such a file is a row of pickles with raw numbers behind them. A pickle is a program, and a general
reader runs it. This one steps through the instructions that a dictionary of tensors is made of,
knows four names, calls none of them, and refuses everything else. Only the layout before
PyTorch 1.6 is read (later ones are ZIP archives), which is what EfficientNet-Lite0 comes in.
"""

from __future__ import annotations

import io
import itertools
import math
import pickletools
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from features.untrusted_files import UnsafeFileError

_MAGIC = 0x1950A86A20F9469CFC6C  # what PyTorch writes first
_PROTOCOL = 1001
_MOST_INSTRUCTIONS = 1_000_000  # EfficientNet-Lite0 has 10,000
_MOST_DIMENSIONS = 8

_DICT, _REBUILD = "collections OrderedDict", "torch._utils _rebuild_tensor_v2"
_STORAGES: dict[str, np.dtype[Any]] = {
    "torch FloatStorage": np.dtype("<f4"),
    "torch LongStorage": np.dtype("<i8"),
}

_VALUES = frozenset({"BININT", "BININT1", "BININT2", "LONG1", "BINUNICODE"})
_CONSTANTS: dict[str, object] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_TUPLES = {"EMPTY_TUPLE": 0, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_PUTS, _GETS = frozenset({"BINPUT", "LONG_BINPUT"}), frozenset({"BINGET", "LONG_BINGET"})


class _Name(str):
    """A name that the pickle wants to import; it is compared, and never looked up."""

    __slots__ = ()


class _Mark:
    """Say where a tuple or a list begins on the stack."""


class _Storage(NamedTuple):
    key: str
    dtype: np.dtype[Any]
    size: int


class _Tensor(NamedTuple):
    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def read_tensors(content: bytes) -> dict[str, npt.NDArray[Any]]:
    """Read the tensors of a PyTorch file by name.

    Args:
        content: the whole file, as `torch.save` of a state dictionary wrote it before PyTorch 1.6.

    Returns:
        float32 or int64 arrays, each a copy.

    Raises:
        UnsafeFileError: it is anything else, reaches beyond its own bytes, or holds more or less
            than it names.

    Example:
        >>> tensors = read_tensors(Path("efficientnet-lite0.pth").read_bytes())  # doctest: +SKIP
        >>> tensors["_conv_stem.weight"].shape  # doctest: +SKIP
        (32, 3, 3, 3)
    """
    file = io.BytesIO(content)
    if _unpickle(file) != _MAGIC or _unpickle(file) != _PROTOCOL:
        raise UnsafeFileError("it is no file of tensors that PyTorch wrote before 1.6")
    system = _unpickle(file)
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise UnsafeFileError("its numbers are not little-endian")
    tensors, keys = _unpickle(file), _unpickle(file)
    if not isinstance(tensors, dict) or not all(type(t) is _Tensor for t in tensors.values()):
        raise UnsafeFileError("it holds something else than tensors by name")
    storages = {tensor.storage for tensor in tensors.values()}
    numbers = _read_storages(file, keys, storages)
    return {name: _view(tensor, numbers[tensor.storage.key]) for name, tensor in tensors.items()}


def _read_storages(
    file: io.BytesIO, keys: object, storages: set[_Storage]
) -> dict[str, npt.NDArray[Any]]:
    """Read the numbers behind the pickles: of each storage its count, then its values."""
    named = {storage.key: storage for storage in storages}
    if (
        type(keys) is not list
        or not all(type(key) is str for key in keys)
        or sorted(keys) != sorted(storage.key for storage in storages)
    ):
        raise UnsafeFileError("its storages are others than its tensors name")
    found: dict[str, npt.NDArray[Any]] = {}
    for key in keys:
        storage = named[key]
        count = int.from_bytes(file.read(8), "little")
        values = file.read(min(storage.size, len(file.getbuffer())) * storage.dtype.itemsize)
        if count != storage.size or len(values) != count * storage.dtype.itemsize:
            raise UnsafeFileError(f"its storage {key!r} has another size than it names")
        found[key] = np.frombuffer(values, storage.dtype)
    if file.read(1):
        raise UnsafeFileError("something stands behind its numbers")
    return found


def _view(tensor: _Tensor, numbers: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Copy a tensor out of its storage; `_rebuild` has checked that it lies inside."""
    strides = [stride * numbers.itemsize for stride in tensor.strides]
    start = numbers[tensor.offset :]
    return np.lib.stride_tricks.as_strided(start, tensor.shape, strides, writeable=False).copy()


# ---- the few instructions ---------------------------------------------------------------------


def _unpickle(file: io.BytesIO) -> Any:  # noqa: ANN401 - plain values, dictionaries, tensors
    """Step through one pickle and return what it describes; the file stands behind it."""
    stack: list[Any] = []
    memo: dict[Any, Any] = {}
    instructions = itertools.islice(pickletools.genops(file), _MOST_INSTRUCTIONS)
    name = ""
    try:
        for instruction, argument, _ in instructions:
            name = instruction.name
            if name in _PUTS:
                memo[argument] = stack[-1]
            elif name in _GETS:
                stack.append(memo[argument])
            elif name in _VALUES:
                stack.append(argument)
            elif name == "GLOBAL":
                stack.append(_known_name(str(argument)))
            elif name != "PROTO" and name != "STOP":
                _step(name, stack)
        (result,) = stack if name == "STOP" else []
    except UnsafeFileError:
        raise
    except (ValueError, IndexError, KeyError, TypeError, OverflowError, MemoryError) as error:
        kind = type(error).__name__
        raise UnsafeFileError(f"its structure cannot be followed ({kind})") from None
    return result


def _step(name: str, stack: list[Any]) -> None:
    """Do one instruction that builds a value out of those on the stack."""
    if name in _CONSTANTS:
        stack.append(_CONSTANTS[name])
    elif name == "MARK":
        stack.append(_Mark())
    elif name in _TUPLES:
        count = _TUPLES[name]
        stack[len(stack) - count :] = [tuple(stack[len(stack) - count :])]
    elif name == "TUPLE":
        stack.append(tuple(_above_mark(stack)))
    elif name in ("EMPTY_DICT", "EMPTY_LIST"):
        stack.append({} if name == "EMPTY_DICT" else [])
    elif name in ("SETITEM", "SETITEMS"):
        items = _above_mark(stack) if name == "SETITEMS" else [stack.pop(-2), stack.pop()]
        # Texts alone: the hash of tuples that share their parts may take for ever.
        names = [_expect(key, str) for key in items[::2]]
        _expect(stack[-1], dict).update(zip(names, items[1::2], strict=True))
    elif name == "APPENDS":
        items = _above_mark(stack)
        _expect(stack[-1], list).extend(items)
    elif name == "REDUCE":
        arguments, function = stack.pop(), stack.pop()
        stack.append(_call(function, arguments))
    elif name == "BUILD":
        _expect(stack.pop(), dict)  # PyTorch's notes on versions, which no number depends on
        _expect(stack[-1], dict)
    elif name == "BINPERSID":
        stack.append(_storage(stack.pop()))
    else:
        raise UnsafeFileError(f"it holds the instruction {name}, which no tensor needs")


def _above_mark(stack: list[Any]) -> list[Any]:
    """Take everything above the last mark, and the mark, off the stack."""
    place = max(i for i, value in enumerate(stack) if isinstance(value, _Mark))
    items = stack[place + 1 :]
    del stack[place:]
    return items


def _known_name(argument: str) -> _Name:
    if argument not in (_DICT, _REBUILD, *_STORAGES):
        raise UnsafeFileError(f"it wants to import {argument!r:.60}, which no tensor needs")
    return _Name(argument)


def _expect(value: Any, kind: type) -> Any:  # noqa: ANN401 - whatever a file holds
    if type(value) is not kind:
        raise UnsafeFileError(f"it has a {type(value).__name__} in the place of a {kind.__name__}")
    return value


def _call(function: object, arguments: object) -> object:
    """Make what either of the two known calls would make."""
    if isinstance(function, _Name) and function == _DICT and not _expect(arguments, tuple):
        return {}
    if not isinstance(function, _Name) or function != _REBUILD:
        raise UnsafeFileError("it calls what no tensor needs")
    storage, offset, shape, strides, *_ = _expect(arguments, tuple)
    return _rebuild(_expect(storage, _Storage), offset, shape, strides)


def _rebuild(storage: _Storage, offset: object, shape: object, strides: object) -> _Tensor:
    """Describe a tensor, once it is sure that all of it lies inside its storage."""
    sizes = _whole_numbers(shape), _whole_numbers(strides), _whole_numbers((offset,))
    shape, strides, (start,) = sizes
    if len(shape) != len(strides) or len(shape) > _MOST_DIMENSIONS or 0 in shape:
        raise UnsafeFileError("it has a tensor of no size, or of too many dimensions")
    last = start + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
    if last >= storage.size or math.prod(shape) > storage.size:
        raise UnsafeFileError(f"a tensor of shape {shape} reaches beyond its numbers")
    used = tuple(stride * (size > 1) for size, stride in zip(shape, strides, strict=True))
    return _Tensor(storage, start, shape, used)


def _whole_numbers(values: object) -> tuple[int, ...]:
    numbers: tuple[int, ...] = _expect(values, tuple)
    if not all(type(number) is int and number >= 0 for number in numbers):
        raise UnsafeFileError("it has sizes that are no whole numbers from 0")
    return numbers


def _storage(described: object) -> _Storage:
    """Read the description of a storage: ("storage", its type, its key, "cpu", its size, None)."""
    kind, dtype, key, _place, count, view = _expect(described, tuple)
    (size,) = _whole_numbers((count,))
    if kind != "storage" or not isinstance(dtype, _Name) or view is not None:
        raise UnsafeFileError("it has a storage of another kind")
    if str(dtype) not in _STORAGES:
        raise UnsafeFileError("it has a storage of another type")
    return _Storage(_expect(key, str), _STORAGES[str(dtype)], size)
