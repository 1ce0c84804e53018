"""The README's file, commands and snippets work as they stand there."""

import json
import re
import shlex
from pathlib import Path

import pytest

from scripts.cli import main
from topologies import names

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def test_the_two_commands_come_before_line_40():
    top = README.splitlines()[:40]
    for command in ("make demo", "make test"):
        assert any(command in line for line in top)


@pytest.mark.parametrize(
    ("block", "commands", "files"),
    [
        (
            0,
            ["inspect", "optimum", "train", "evaluate", "render", "contingency"],
            ["mygrid.png", "grid_state.gif", "runs/mygrid-graph/weights.safetensors"],
        ),
        (
            1,
            ["train", "evaluate", "render", "train"],
            ["runs/many-graph/weights.safetensors", "grid_state.gif", "runs/mygrid-graph/weights.safetensors"],
        ),
    ],
    ids=["one grid", "many grids"],
)
def test_the_grid_and_the_commands(block, commands, files, tmp_path, monkeypatch, capsys):
    pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    (text,) = blocks("json")
    Path("mygrid.json").write_text(text, encoding="utf-8")
    lines = [line.split("#")[0].strip() for line in blocks("sh")[block].splitlines()]
    assert [shlex.split(line)[1] for line in lines] == commands
    for line in lines:
        short = re.sub(r"--seconds \d+", "--steps 400", line).replace("classic case14 gen:9..60x200", "gen:6..9x2")
        short += " --episodes 2" if " evaluate " in line else ""
        assert main(shlex.split(short)[1:]) in (0, None), capsys.readouterr().err
    for made in files:
        assert Path(made).stat().st_size > 0


@pytest.mark.parametrize("snippet", blocks("python"), ids=["grid and env", "stable-baselines3"])
def test_the_snippets_run(snippet, capsys):
    pytest.importorskip("torch")
    exec(compile(snippet, "README.md", "exec"), {})
    if "render" in snippet:
        assert capsys.readouterr().out.startswith("step  1/48")


def test_the_tables_name_what_is_there():
    from envs import EnvConfig

    for name in names():
        assert f"| `{name}` |" in README
    for field in EnvConfig.__dataclass_fields__:
        assert f"`{field}`" in README
    assert json.loads(blocks("json")[0])["nodes"]
    assert f"| `horizon`, `dt_h` | {EnvConfig().horizon}, {EnvConfig().dt_h} |" in README
