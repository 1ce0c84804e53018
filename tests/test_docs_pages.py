"""Every block of code in the README and the documentation runs, in its page's order and with a small budget.

``test_docs_formats`` and ``test_docs_year`` run those of their pages.
"""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

from scripts.cli import COMMANDS, main
from topologies import names

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.glob("*.md")), *sorted(DOCS.glob("tutorials/*.md"))]
FENCE = re.compile(r"^```(\{?[\w-]*\}?)[^\n]*\n(.*?)^```$", flags=re.DOTALL | re.MULTILINE)
RUN = {"python", "{code-cell}", "sh"}
SHOWN = {"json", "text", "{toctree}", "{glossary}", "{include}"}
"""What is not code, or is looked at elsewhere: the grid in JSON is what the commands of its page read."""

SHORTER = (
    (r"--seconds \d+", "--steps 150"),
    (r"--steps [\d_]+", "--steps 150"),
    (r"--episodes \d+", "--episodes 2"),
    (r"classic case14 gen:9..60x200", "gen:6..9x2"),
    (r"\b(seconds|steps)=[\d_]+", "steps=400"),
    (r"\bepisodes=\d+", "episodes=2"),
    (r"learn\([\d_]+\)", "learn(100)"),
    (r"n_envs=64 --steps", "n_envs=4 --steps"),
    (r"TrainConfig\(", "TrainConfig(n_envs=4, "),
    (r"train case14-weather-v1 --policy mlp", "train classic-weather-v1 --policy mlp --stages ppo --steps 400"),
    (r"evaluate w14 --task case14-weather-v1", "evaluate w14 plan --task classic-weather-v1"),
    (r"case14-(weather|storm)-v1", r"classic-\1-v1"),
    (r"n_envs=512", "n_envs=16"),
)


def blocks(page: Path) -> Iterator[tuple[str, str]]:
    for found in FENCE.finditer(page.read_text("utf-8")):
        language, text = found.groups()
        yield language, re.sub(r"\A(:\w+:.*\n)+", "", text)


def shortened(text: str) -> str:
    for pattern, less in SHORTER:
        text = re.sub(pattern, less, text)
    return text


def command(line: str) -> list[str]:
    program, name, *words = shlex.split(shortened(line), comments=True)
    assert program == "load-balancer", line
    if name == "train" and "--resume" not in words:
        words.append("--overwrite")
        if not {"--set", "--config"} & set(words):
            words += ["--set", "n_envs=4"]
        if not {"--steps", "--config"} & set(words):
            words += ["--steps", "150"]
    if name == "evaluate" and "--episodes" not in words:
        words += ["--episodes", "2"]
    if name == "render":
        words = [word.replace(".gif", ".png") for word in words]
    return [name, *words]


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the grid of the first page, an agent for it, and the files that pages name."""
    folder = tmp_path_factory.mktemp("workshop")
    grid = next(text for language, text in blocks(ROOT / "README.md") if language == "json")
    (folder / "mygrid.json").write_text(grid, "utf-8")
    (folder / "docs").mkdir()
    shutil.copy(DOCS / "new_england.m", folder / "docs")
    shutil.copy(DOCS / "new_england.m", folder / "case.m")
    out = folder / "runs" / "mygrid-mlp"
    words = ["train", str(folder / "mygrid.json"), "--policy", "mlp", "--steps", "400", "--out", str(out)]
    assert main([*words, "--set", "n_envs=4"]) == 0
    return folder


@pytest.fixture(scope="module")
def ran() -> list[list[str]]:
    """The commands that have run: pages that say the same again need not wait for it again."""
    return []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_block_of_a_page_is_code_that_runs_or_shows_something(page):
    unknown = {language for language, _ in blocks(page)} - RUN - SHOWN
    assert not unknown


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, marks=pytest.mark.slow) if page.stem in ("machines", "new_england", "own_grid") else page
        for page in PAGES
        if RUN & {language for language, _ in blocks(page)} and page.stem not in ("formats", "year")
    ],
    ids=lambda page: page.stem,
)
def test_the_code_of_a_page_runs(page, workshop, ran, monkeypatch, capsys):
    for library in ("torch", "IPython", "pandapower", "pypsa"):
        pytest.importorskip(library)
    monkeypatch.setattr("policies.learning.validation.EPISODES", 4)
    monkeypatch.chdir(workshop)
    for run in ("island-run", "runs/small"):
        shutil.rmtree(run, ignore_errors=True)
    names_of_page: dict[str, object] = {}
    for language, text in blocks(page):
        if language == "sh":
            for line in filter(None, map(str.strip, text.splitlines())):
                words = command(line)
                if words not in ran:
                    assert main(words) in (0, None), capsys.readouterr().err
                    ran.append(words)
        elif language in RUN:
            if re.search(r'TrainConfig\(.*, "runs/mygrid-mlp"\)', text):
                shutil.rmtree("runs/mygrid-mlp", ignore_errors=True)
            exec(compile(shortened(text), str(page), "exec"), names_of_page)
    plt.close("all")


def test_the_grid_is_the_same_on_both_pages():
    grids = [
        text
        for page in (ROOT / "README.md", DOCS / "getting_started.md")
        for kind, text in blocks(page)
        if kind == "json"
    ]
    assert len(grids) == 2
    assert grids[0] == grids[1]


def test_the_page_of_commands_names_each_and_its_options():
    from_code = pytest.importorskip("from_code")
    page = from_code.command_help()
    for name in COMMANDS:
        assert f"## {name}\n" in page
    assert page.count("--help") >= len(COMMANDS)


def test_the_tables_of_columns_and_fields_leave_nothing_out():
    from envs import EnvConfig
    from grid import COLUMNS, TERMS

    from_code = pytest.importorskip("from_code")
    tables = from_code.columns_table("node") + from_code.columns_table("line")
    for column in COLUMNS.values():
        assert f"| `{column.name}` | {column.unit} |" in tables
    terms = from_code.terms_table()
    for term in TERMS.values():
        assert re.search(rf"^\| `{term.name}` \| .* \| {re.escape(term.meaning)} \|$", terms, flags=re.MULTILINE)
    fields = from_code.fields_table(EnvConfig)
    for field in EnvConfig.__dataclass_fields__:
        (row,) = re.findall(rf"^\| `{field}` \| .* \| (.*) \|$", fields, flags=re.MULTILINE)
        assert row, f"nothing is said of {field}"


def test_the_bundled_grids_are_described():
    page = (DOCS / "worlds.md").read_text("utf-8")
    for name in names():
        assert f"| `{name}` |" in page


def test_every_page_is_in_the_contents():
    index = (DOCS / "index.md").read_text("utf-8")
    for page in PAGES[1:]:
        name = page.relative_to(DOCS).with_suffix("").as_posix()
        assert name == "index" or f"\n{name}\n" in index
