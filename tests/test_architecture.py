"""The shape of the house: imports point one way, and each outside thing has one door."""

from __future__ import annotations

import ast
import functools
import re
import subprocess
import sys
from pathlib import Path

import pytest
from checkout import ROOT

SOURCES = [
    ROOT / "cli.py",
    *sorted(ROOT.glob("features/**/*.py")),
    *sorted(ROOT.glob("onepass/*.py")),
    *sorted(ROOT.glob("pipeline/**/*.py")),
]


@functools.cache
def imports(path: Path) -> list[str]:
    """Every module that a file imports, at any depth."""
    found: list[str] = []
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found.append(node.module or "")
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return found


def layer(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def test_imports_point_one_way() -> None:
    """Check onepass -> cli -> pipeline -> features, never back."""
    allowed = {
        "features": {"features"},
        "pipeline": {"features", "pipeline"},
        "cli": {"features", "pipeline"},
        "onepass": {"features", "pipeline", "cli"},
    }
    for path in SOURCES:
        used = {name.split(".")[0] for name in imports(path)} & {"onepass", *allowed}
        assert used <= allowed[layer(path)], f"{path} imports {used}"


def test_no_cycles_between_modules() -> None:
    """No module imports itself through others."""
    names = {".".join(p.relative_to(ROOT).with_suffix("").parts): p for p in SOURCES}
    names = {name.removesuffix(".__init__"): path for name, path in names.items()}
    graph = {
        name: {used for used in imports(path) if used in names and used != name}
        for name, path in names.items()
        if path.name != "__init__.py" or "heads" in name
    }

    sound: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, f"cycle: {' -> '.join((*trail, name))}"
        for used in graph.get(name, set()) - sound:
            visit(used, (*trail, name))
        sound.add(name)

    for name in graph:
        visit(name, ())


ORDER = [
    *("output", "groups", "data", "evaluation", "heads", "feature_specs", "cnn", "audit"),
    *("thresholds", "model", "heatmaps", "training", "write_up", "terminal", "report", "demo"),
    *("line", "export", "serve"),
]
"""pipeline's packages; each may import those before it."""


def test_packages_of_pipeline_point_one_way() -> None:
    """No arrow runs up between packages, and so there is no circle of them."""
    packages = {path.parent.name for path in ROOT.glob("pipeline/*/__init__.py")}
    assert packages == set(ORDER)
    for path in ROOT.glob("pipeline/*/**/*.py"):
        here = ORDER.index(path.relative_to(ROOT).parts[1])
        for name in imports(path):
            if name.split(".")[0] == "pipeline" and name != "pipeline":
                used = name.split(".")[1]
                assert used in ORDER[: here + 1], f"{path} imports {name}"


def test_the_public_names_are_where_they_are_said_to_be() -> None:
    """What is imported lazily exists, and type checkers are told the same homes."""
    import pipeline

    tree = ast.parse((ROOT / "pipeline/__init__.py").read_text("utf-8"))
    homes = {
        alias.name: node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module not in ("__future__", "typing")
        for alias in node.names
    }
    assert homes == pipeline._HOMES
    for name in pipeline.__all__:
        assert name.isupper() or getattr(pipeline, name).__name__ == name


@pytest.mark.parametrize(
    ("module", "only"),
    [
        (
            "h5py",
            {
                "features/cache/hdf5_file.py",
                "features/cache/hdf5_guard.py",
                "features/backbones/weight_files.py",
            },
        ),
        ("filelock", {"features/cache/lock.py"}),
        (
            "typer",
            {
                "cli.py",
                *(
                    f"pipeline/terminal/{n}.py"
                    for n in ("command_group", "options", "cache_commands")
                ),
                "pipeline/export/commands.py",
                "pipeline/line/commands.py",
                "pipeline/serve/commands.py",
            },
        ),
        ("matplotlib", set()),  # charts are SVG, sheets are Pillow's
        ("pickle", set()),
        ("requests", set()),
        ("urllib", set()),
    ],
)
def test_one_door_for_each_outside_thing(module: str, only: set[str]) -> None:
    """HDF5, the decoder, locks and the network are each reached from one place."""
    users = {
        path.relative_to(ROOT).as_posix()
        for path in SOURCES
        if any(name == module or name.startswith(module + ".") for name in imports(path))
    }
    assert users <= only, f"{module} is imported by {users - only}"


OPENS = {
    "pipeline/export/check.py": "stands beside an exported model, on machines without Onepass",
    "pipeline/serve/station.py": "asks a picture that it has drawn itself for its size",
}
"""Files outside features/photographs that open pictures by Pillow, and why."""


def test_photographs_are_opened_in_one_package() -> None:
    """Whatever a person hands over is opened where it is decoded, under limits."""
    users = {
        path.relative_to(ROOT).as_posix()
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Attribute) and ast.unparse(node).endswith("Image.open")
    }
    assert {user for user in users if not user.startswith("features/photographs/")} == set(OPENS)


def test_tensorflow_is_imported_through_one_function() -> None:
    """Outside features.runtime nothing imports TensorFlow itself."""
    for path in SOURCES:
        if path.name != "runtime.py":
            assert not any(name.split(".")[0] == "tensorflow" for name in imports(path)), path


SHORT = {
    "features/arrays.py": "types that all share stand once",
    "onepass/__main__.py": "python -m onepass",
    "pipeline/report/sections/reproduce.py": "one module a section",
    "pipeline/report/sections/scores.py": "one module a section",
}
"""Files of fewer than 50 lines, and why."""


def test_fragments_have_a_home() -> None:
    """No page is shorter than a reader's opening of it is worth, but with a reason."""
    for path in SOURCES:
        short = len(path.read_text("utf-8").splitlines()) < 50 and path.name != "__init__.py"
        assert short == (path.relative_to(ROOT).as_posix() in SHORT), (
            f"{path}: join it to another" if short else f"{path}: no longer short"
        )


MANY = {
    ("transformer.py", "__init__"): 9,  # scikit-learn's parameters stand in the signature
    ("extraction.py", "extract_on"): 9,  # those of `extract`, and the cluster
}
"""Functions that take more than eight arguments, and why."""


def test_files_and_functions_stay_readable() -> None:
    """Every file says its responsibility, and stays near the size that a person reads at once."""
    for path in SOURCES:
        text = path.read_text("utf-8")
        tree = ast.parse(text)
        assert ast.get_docstring(tree), f"{path} does not say what it is for"
        # cli.py holds one function per command, mostly its options: it grows with the commands.
        most = 600 if path.name == "cli.py" else 400
        assert text.count("\n") <= most, f"{path} has {text.count(chr(10))} lines"
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                length = (node.end_lineno or 0) - node.lineno + 1
                assert length <= 60, f"{path}: {node.name} has {length} lines, docstring included"
                # Options of commands are arguments; elsewhere those that go together are records.
                if path.name not in ("cli.py", "commands.py", "cache_commands.py"):
                    names = [one.arg for one in (*node.args.args, *node.args.kwonlyargs)]
                    taken = len([name for name in names if name not in ("self", "cls")])
                    assert taken <= MANY.get((path.name, node.name), 8), f"{path}: {node.name}"


def test_per_cent_is_written_in_one_way() -> None:
    """As in the documents, with a space: a page said 48% in a caption and 48 % below it."""
    for path in SOURCES:
        written = re.findall(r"[^\n]*(?::\.\dg?%|[\d}]%[ \",.)])[^\n]*", path.read_text("utf-8"))
        if path.name != "wording.py":
            assert not written, f"{path}: {written[0]}"


def test_help_loads_neither_tensorflow_nor_the_rest() -> None:
    """`cli.py --help` imports no heavy package."""
    code = (
        "import sys, runpy; sys.argv = ['cli.py', '--help']\n"
        "try: runpy.run_path('cli.py', run_name='__main__')\n"
        "except SystemExit: pass\n"
        "print([m for m in ('tensorflow', 'keras', 'sklearn', 'h5py', 'numpy')"
        " if m in sys.modules])"
    )
    out = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert out.stdout.strip().endswith("[]")


def test_commands_that_read_rows_do_not_load_tensorflow(tmp_path: Path) -> None:
    """Importing everything that extract, compare-heads, predict and info import is not enough.

    Nor does it load scipy and scikit-learn, without which `info` answers in half the time.
    """
    code = (
        "import sys, pipeline, pipeline.demo.run\n"
        "print(any(m in sys.modules for m in ('tensorflow', 'scipy', 'sklearn')))"
    )
    out = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert out.stdout.strip() == "False"


def test_nothing_names_a_registry_or_a_machine() -> None:
    """No package-registry hosts and no paths of somebody's machine in what is committed."""
    forbidden = re.compile(r"pypi\.org|files\.pythonhosted|npmjs|/root/|/work/|/home/[a-z]")
    for name in _committed("--others"):
        path = ROOT / name
        if path.suffix in {".py", ".md", ".toml", ".txt", ""} and path.name != Path(__file__).name:
            found = forbidden.search(path.read_text("utf-8"))
            assert found is None, f"{name} names {found.group() if found else ''}"


def test_no_result_of_a_run_is_committed() -> None:
    """Photographs, heatmaps and tables lay beside the code after a run in the checkout."""
    result = re.compile(r"\.(png|jpe?g|tiff?|bmp|webp|csv|xlsx|h5|np[yz]|onnx)$", re.IGNORECASE)
    found = [name for name in _committed() if result.search(name)]
    assert [name for name in found if not name.startswith("docs/pictures/")] == []


def _committed(*more: str) -> list[str]:
    """List what git keeps."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--exclude-standard", *more],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [name for name in listed.stdout.split("\0") if name and (ROOT / name).exists()]


OLD_WORDS = {
    "Sample": "TableRow", "glimpse": "thumbnail", "witness": "drift_probe", "Looks": "Similarity",
    "Judged": "Predictions", "Judgements": "Predictions", "row_width": "cached_width",
    "judge_samples": "predict_table_rows", "nearest_gap": "nearest_distance",
}  # fmt: skip
"""Names that are gone, and what is said instead; docs/index.md has the table of words."""


def test_one_word_has_one_meaning() -> None:
    """No name in the code is one of the old ones; names inside older files stay, as texts."""
    old = re.compile(rf"\b({'|'.join(OLD_WORDS)})\b")
    for path in SOURCES:
        text = path.read_text("utf-8")
        for node in ast.walk(ast.parse(text)) if old.search(text) else ():
            name = getattr(node, "id", getattr(node, "attr", getattr(node, "arg", None)))
            name = node.name if isinstance(node, ast.ClassDef | ast.FunctionDef) else name
            assert name not in OLD_WORDS, f"{path}:{node.lineno}: say {OLD_WORDS[name]}"
