"""All benchmarks, one table: under 15 minutes on two quiet cores, --quick under 40 seconds."""

from benchmarks import backbone, extraction, heads, incremental, layout, start
from benchmarks.report import run

BENCHMARKS = {
    "backbone": backbone.measure,
    "extraction": extraction.measure,
    "incremental": incremental.measure,
    "heads": heads.measure,
    "layout": layout.measure,
    "start": start.measure,
}

if __name__ == "__main__":
    run(BENCHMARKS, __doc__)
