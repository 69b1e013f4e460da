"""README.md: its code runs, and its commands and options exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import typer.main
from test_model import write_parts

import cli
from features.backbone import BACKBONES

README = (Path(__file__).resolve().parents[1] / "README.md").read_text("utf-8")
COMMANDS = [
    line.split("#")[0].strip()
    for block in re.findall(r"```bash\n(.*?)```", README, re.DOTALL)
    for line in block.replace("\\\n", "").splitlines()
    if line.startswith("python cli.py")
]


def test_python_blocks_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every Python block runs as it stands, after a folder of photographs was made."""
    monkeypatch.setitem(BACKBONES, "inception_v3", "toy:ToyBackbone")
    monkeypatch.chdir(tmp_path)
    write_parts(Path("data"))
    blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len(blocks) >= 2
    import h5py

    names: dict[str, object] = {"h5py": h5py}
    for block in sorted(blocks, key=lambda text: "extract_folder" not in text):
        exec(block, names)
    assert np.shape(names["X"]) == (72, 48)
    assert len(capsys.readouterr().out.splitlines()) == 73


@pytest.mark.parametrize("line", COMMANDS)
def test_commands_and_options_exist(line: str) -> None:
    """Each command line of the README is one that the parser accepts."""
    group = typer.main.get_command(cli.app)
    name, *arguments = shlex.split(line)[2:]
    command = group.commands[name]  # type: ignore[attr-defined]
    command.make_context(name, arguments)


def test_every_command_is_in_the_readme() -> None:
    """No command without a word in the README."""
    for name in typer.main.get_command(cli.app).commands:  # type: ignore[attr-defined]
        assert f"`{name}" in README
