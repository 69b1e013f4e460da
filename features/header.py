"""The first bytes of a cache: whose they are, which commit was the last, and what it sealed.

HDF5 leaves a user block of 512 bytes at the start of a file to its owner; this stands in it:

    16 bytes  magic
    16 bytes  identity, random, new for every file that is made
     8 bytes  number of the last commit
    96 bytes  seal: three SHA-256 that the owner gives with a commit (see `features.layout`)
     4 bytes  CRC-32 of all before

It lies in one sector of the disk, and disks write a sector whole.
"""

from __future__ import annotations

import os
import struct
import zlib
from typing import NamedTuple

USER_BLOCK = 512  # bytes; HDF5 begins after them
SEAL = 96  # bytes
_MAGIC = b"onepass cache 2\n"
_FORM = struct.Struct(f"<16s16sQ{SEAL}s")
_CHECKSUM = struct.Struct("<I")
SIZE = _FORM.size + _CHECKSUM.size

_FIRST_MAGIC = b"onepass cache 1\n"  # of the first version: no seal, no checksum
_FIRST_FORM = struct.Struct("<16s16sQ")


class Header(NamedTuple):
    """What the user block says.

    Attributes:
        identity: of the file, 16 bytes.
        commit: number of the last commit, from 0.
        seal: SEAL bytes; b"" in a file of the first version.
    """

    identity: bytes
    commit: int
    seal: bytes = b""

    def pack(self) -> bytes:
        """As it stands in the file, SIZE bytes."""
        body = _FORM.pack(_MAGIC, self.identity, self.commit, self.seal)
        return body + _CHECKSUM.pack(zlib.crc32(body))

    @classmethod
    def unpack(cls, data: bytes) -> Header | None:
        """The header that `data`, the first SIZE bytes of a file, holds; None for no sound one."""
        if len(data) < SIZE:
            return None
        magic, identity, commit, seal = _FORM.unpack_from(data)
        if magic == _FIRST_MAGIC:
            return cls(*_FIRST_FORM.unpack_from(data)[1:])
        if magic != _MAGIC or data[_FORM.size : SIZE] != _CHECKSUM.pack(
            zlib.crc32(data[: _FORM.size])
        ):
            return None
        return cls(identity, commit, seal)


def new_header(seal: bytes = bytes(SEAL)) -> Header:
    """The header of a file that is just made: an identity of its own."""
    return Header(os.urandom(16), 0, seal)
