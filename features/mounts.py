"""Which kind of file system a file lies on: over a network, locks hold less well."""

from __future__ import annotations

import os
import re
from pathlib import Path

_NETWORK = {
    "9p", "afs", "beegfs", "ceph", "cifs", "fuse.glusterfs", "fuse.sshfs", "glusterfs", "gpfs",
    "lustre", "ncpfs", "nfs", "nfs4", "smb3", "smbfs", "virtiofs",
}  # fmt: skip
_MOUNTS = Path("/proc/self/mountinfo")


def network_file_system(path: Path, mounts: Path = _MOUNTS) -> str:
    """The kind of network file system that `path` is on; "" for a local one.

    Linux tells it (the kernel's table of mounts), and on Windows the name of a share does;
    elsewhere nothing is known, and that is "" too.
    """
    place = path.absolute()
    if os.name == "nt":
        return "a Windows share" if place.drive.startswith("\\\\") else ""
    kind = _kind_of_mount(Path(os.path.realpath(place.parent)), mounts)
    return kind if kind in _NETWORK else ""


def _kind_of_mount(folder: Path, mounts: Path) -> str:
    """The file system's kind of the last mount over the longest folder above."""
    try:
        lines = mounts.read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return ""
    kind, depth = "", -1
    for line in lines:  # see proc_pid_mountinfo(5)
        left, _, right = line.partition(" - ")
        point = Path(re.sub(r"\\(\d{3})", lambda octal: chr(int(octal[1], 8)), left.split(" ")[4]))
        if folder.is_relative_to(point) and len(point.parts) >= depth:
            kind, depth = right.split(" ")[0], len(point.parts)
    return kind
