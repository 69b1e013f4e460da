"""A model made here passes its self-test under other kernels of BLAS, which round otherwise.

Heads are asked in NumPy alone, so BLAS is all that a processor can change; oneDNN, which TensorFlow
computes with, only makes rows.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from checkout import ROOT
from numpy._core._multiarray_umath import __cpu_features__ as has
from rows import QUICK, sparse_rows

from pipeline.heads import HEADS, make_head
from pipeline.model import selftest

KERNELS = {
    "Prescott": has.get("SSE3"), "Nehalem": has.get("SSE42"), "Sandybridge": has.get("AVX"),
    "Haswell": has.get("AVX2") and has.get("FMA3"), "Zen": has.get("AVX2") and has.get("FMA3"),
    "SkylakeX": has.get("AVX512_SKX"), "Cooperlake": has.get("AVX512_SPR"),
    "Sapphirerapids": has.get("AVX512_SPR"),
}  # fmt: skip
"""Kernels of OpenBLAS, and whether this processor has the instructions of each."""

REPLAY = """
import json, sys
from pathlib import Path
import numpy as np
from threadpoolctl import threadpool_info
from pipeline.heads import load_head_class
from pipeline.model import selftest
found = {}
for folder in sorted(Path(sys.argv[1]).iterdir()):
    tested = selftest.read((folder / "selftest.npz").read_bytes())
    given = load_head_class(folder.name).load(folder).predict_proba(tested.rows)
    found[folder.name] = float(np.abs(given - tested.probabilities).max())
kernels = sorted({pool["architecture"] for pool in threadpool_info() if "architecture" in pool})
loaded = [name for name in ("tensorflow", "sklearn") if name in sys.modules]
print(json.dumps([kernels, found, loaded]))
"""


@pytest.mark.skipif(not has.get("SSE3"), reason="kernels of x86 alone")
def test_every_head_passes_its_self_test_under_all_kernels(tmp_path: Path) -> None:
    """Rows of the self-test are training rows, wide ones: as far as 1e-5, where 1e-4 is allowed."""
    X, y, groups = sparse_rows(60, 20_000)
    for name in HEADS:
        settings = QUICK.get(name, {}) | ({"channels": 2000} if name == "novelty" else {})
        head = make_head(name, settings=settings).fit(X, y, groups, n_classes=2)
        (tmp_path / name).mkdir()
        head.save(tmp_path / name)
        content = selftest.write(head, X, None, None)
        (tmp_path / name / "selftest.npz").write_bytes(content)
    played = {}
    for kernel in [name for name, able in KERNELS.items() if able]:
        done = subprocess.run(
            [sys.executable, "-c", REPLAY, str(tmp_path)],
            cwd=ROOT, env=os.environ | {"OPENBLAS_CORETYPE": kernel, "OPENBLAS_NUM_THREADS": "1"},
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        kernels, found, loaded = json.loads(done.stdout)
        assert set(found) == set(HEADS)
        assert not loaded  # neither is needed to ask a head
        played[kernel] = (kernels, found)
        for name, gap in found.items():
            assert gap <= 1e-5, f"{name} under {kernel}: {gap:.2g}"
    if any("OpenBLAS" in str(np.show_config(mode="dicts")) for _ in played):
        assert len({tuple(kernels) for kernels, _ in played.values()}) > 1 or len(played) < 2
    assert max(max(found.values()) for _, found in played.values()) > 0  # they do round otherwise
