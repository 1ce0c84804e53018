"""Who may import whom, read from the source, and what an import really loads."""

from __future__ import annotations

import ast
import importlib
import os
import re
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path

import networkx as nx
import pytest

ROOT = Path(__file__).resolve().parent.parent
DATA = re.compile("topologies/data/|policies/agents/")
LAYERS = ("scripts", "policies", "envs", "topologies", "grid")  # each may import what stands to its right
LEARNING = {"torch", "torch_geometric", "stable_baselines3", "safetensors", "tensorboard", "numba"}
ALLOWED = {
    "grid": {"numpy", "scipy", "networkx", "highspy", "array_api_compat"},
    "topologies": {"numpy", "scipy", "networkx"},
    "envs": {"numpy", "scipy", "networkx", "gymnasium", "matplotlib", "PIL", "imageio_ffmpeg"},  # PIL: of matplotlib
}
MODULES = sorted(path.relative_to(ROOT).as_posix() for layer in LAYERS for path in (ROOT / layer).rglob("*.py"))
OF_EXTRAS = {
    "grid/cluster.py": {"ray"},
    "grid/episode_tables.py": {"pandas"},
    "grid/jit.py": {"numba"},
    "grid/simd.py": {"numba", "llvmlite"},
    "topologies/tables.py": {"pyarrow"},
    "topologies/formats/netcdf_child.py": {"netCDF4"},
    "topologies/formats/pandapower_net.py": {"pandapower", "pandas"},
    "topologies/formats/pypsa_netcdf.py": {"netCDF4"},
    "topologies/formats/pypsa_write.py": {"pandas"},
    "topologies/formats/sheets.py": {"openpyxl"},
}
"""What the extras `train`, `cluster`, `profiles`, `tables`, `pandapower` and `pypsa` bring, and who may use it."""


def package_of(path: str) -> list[str]:
    """The package that relative imports in this file start from."""
    return list(Path(path).with_suffix("").parts)[:-1]


@cache
def tree(path: str) -> ast.Module:
    return ast.parse((ROOT / path).read_text(encoding="utf-8"))


def imports(source: str | ast.AST, package: list[str]) -> list[tuple[str, bool]]:
    """Each imported module by its full name, and whether the import is inside a function or for type checkers only."""
    found: list[tuple[str, bool]] = []

    def visit(node: ast.AST, lazy: bool) -> None:
        if isinstance(node, ast.Import):
            found.extend((alias.name, lazy) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            found.append((".".join([*base, *([node.module] if node.module else [])]), lazy))
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in (
            "__import__",
            "import_module",
            "importlib.import_module",
        ):
            name = node.args[0]
            if isinstance(name, ast.Constant) and isinstance(name.value, str):
                found.append((name.value, lazy))
        typing_only = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        inner = lazy or typing_only or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for child in ast.iter_child_nodes(node):
            visit(child, inner)

    visit(ast.parse(source) if isinstance(source, str) else source, lazy=False)
    return found


@cache
def imports_of(path: str) -> list[tuple[str, bool]]:
    return imports(tree(path), package_of(path))


def loaded_by(statement: str) -> set[str]:
    """Top-level modules in a fresh interpreter after the statement."""
    code = f"import sys; {statement}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_every_way_to_import_is_seen():
    source = """
import a.b, c as d
from e.f import g
from . import h
from ..i import j
if TYPE_CHECKING:
    import k
def lazy():
    import l
    class M:
        from n import o
p = importlib.import_module("q.r")
class S:
    import t
"""
    assert imports(source, ["envs", "rendering"]) == [
        ("a.b", False), ("c", False), ("e.f", False), ("envs.rendering", False), ("envs.i", False),
        ("k", True), ("l", True), ("n", True), ("q.r", False), ("t", False),
    ]  # fmt: skip


def test_imports_only_go_right():
    forbidden = {layer: {*LAYERS[:place], "tests"} for place, layer in enumerate(LAYERS)}
    wrong = [
        (path, name)
        for path in MODULES
        for name, _ in imports_of(path)
        if name.partition(".")[0] in forbidden[path.split("/")[0]]
    ]
    assert wrong == []


NAMED = {path[:-3].removesuffix("/__init__").replace("/", "."): path for path in MODULES}
"""Path of each module by its full name."""


def needed(module: str, path: str) -> set[str]:
    """The product's modules that a module imports anywhere, with the faces that run before those; not itself.

    A module always runs after the faces of the rooms it is in, so those do not count.
    """
    found = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            full = [f"{node.module}.{alias.name}" for alias in node.names]
            found |= {name if name in NAMED else str(node.module) for name in full}
    faces = {name.rsplit(".", end)[0] for name in found for end in range(1, name.count(".") + 1)}
    around = {face for face in faces if f"{module}.".startswith(f"{face}.")}
    return ((found | faces - around) & set(NAMED)) - {module}


def test_no_module_imports_itself_by_way_of_others():
    graph = nx.DiGraph((module, other) for module, path in NAMED.items() for other in needed(module, path))
    assert graph.number_of_edges() > 500
    circles = [sorted(part) for part in nx.strongly_connected_components(graph) if len(part) > 1]
    assert circles == []


def test_lazy_imports_and_faces_count_where_circles_are_looked_for():
    assert "envs.rendering" in needed("envs.load_balancer", "envs/load_balancer.py")  # inside a function
    assert "envs.rendering.page" in needed("envs.rendering", "envs/rendering/__init__.py")  # by its face
    assert "grid" in needed("policies.measuring", "policies/measuring.py")  # the face of grid.planning's room
    assert "envs.rendering" not in needed("envs.rendering.viewer", "envs/rendering/viewer.py")


FACES = {".".join(Path(path).parts[:-1]): path for path in MODULES if path.endswith("__init__.py")}


def reached_past(path: str) -> list[str]:
    """What a file imports from a room that it is not in, other than what the room's face names."""
    found, own = [], ".".join(package_of(path))
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            found += [a.name for a in node.names if a.name.split(".")[0] in LAYERS and a.name not in FACES]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in LAYERS:
            room = node.module if node.module in FACES else str(node.module).rpartition(".")[0]
            if f"{own}.".startswith(f"{room}."):
                continue
            offered = set(importlib.import_module(room).__all__) if node.module == room else set()
            offered |= {face.rpartition(".")[2] for face in FACES if face.rpartition(".")[0] == node.module}
            found += [f"{node.module}.{a.name}" for a in node.names if a.name not in offered]
    return found


def test_nobody_reaches_past_the_face_of_a_room():
    assert [(path, name) for path in MODULES for name in reached_past(path)] == []


def test_a_face_says_in_a_few_lines_what_the_room_is_for():
    said = {room: ast.get_docstring(tree(path)) or "" for room, path in FACES.items() if room != "topologies.data"}
    assert [room for room, text in said.items() if not 1 <= len(text.splitlines()) <= 8] == []


def test_the_lower_packages_need_only_what_they_declare():
    shared, pictures = set(LAYERS) | set(sys.stdlib_module_names), {"matplotlib", "PIL", "imageio_ffmpeg"}
    for path in MODULES:
        layer = path.split("/")[0]
        if layer in ALLOWED:
            known = ALLOWED[layer] | OF_EXTRAS.get(path, set()) | shared
            known -= set() if path.startswith("envs/rendering/") else pictures
            assert {name.partition(".")[0] for name, _ in imports_of(path)} <= known, path


def test_scripts_load_learning_and_pictures_only_when_they_need_them():
    heavy = LEARNING | {"matplotlib", "imageio_ffmpeg"}
    eager = {(path, name.partition(".")[0]) for path in MODULES for name, lazy in imports_of(path) if not lazy}
    assert not [(path, top) for path, top in eager if path.startswith("scripts/") and top in heavy]


def test_nothing_needs_the_extra_for_profiles_to_be_imported():
    assert "pyarrow" not in {name for name, lazy in imports_of("topologies/tables.py") if not lazy}


def test_every_layer_is_there():
    assert [layer for layer in LAYERS if not any(path.startswith(f"{layer}/") for path in MODULES)] == []


def test_import_grid_loads_no_gymnasium_torch_or_matplotlib():
    loaded = loaded_by("import grid, grid.planning.optimum, grid.physics.step")
    assert not loaded & {"gymnasium", "matplotlib", "pandas", *LEARNING}
    assert not loaded & set(LAYERS[:-1])


def test_import_topologies_loads_no_gymnasium_torch_or_matplotlib():
    extras = {name for names in OF_EXTRAS.values() for name in names} | {"pypsa"}
    assert not loaded_by("import topologies") & {"gymnasium", "matplotlib", *LEARNING, *extras}


def test_import_envs_loads_no_torch_or_matplotlib():
    loaded = loaded_by("import envs, envs.recording")
    assert "gymnasium" in loaded
    assert not loaded & {"matplotlib", "imageio_ffmpeg", *LEARNING}


def test_import_policies_loads_no_torch():
    assert not loaded_by("import policies") & LEARNING


@pytest.mark.parametrize(
    "lines", [("inspect triangle", "convert triangle a.json", "topologies", "columns", "tasks"), ("inspect case118",)]
)
def test_commands_that_step_little_load_no_compiler_and_no_more_of_scipy_than_they_need(lines, tmp_path):
    code = (
        "import sys; from scripts.cli import main; assert not any(main(line.split()) for line in sys.argv[1:]);"
        "print(*sys.modules)"
    )
    command = [sys.executable, "-c", code, *lines]
    done = subprocess.run(
        command, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)}, check=True, cwd=tmp_path
    )
    loaded = set(done.stdout.splitlines()[-1].split())
    assert ("scipy.sparse" in loaded) == (lines == ("inspect case118",))  # whose line model is large
    assert not loaded & {"scipy.spatial", "scipy.special", "highspy", "matplotlib", "pandas", *LEARNING}


def test_every_package_is_listed_for_the_wheel():
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    folders = {
        path.parent.relative_to(ROOT).as_posix().replace("/", ".")
        for layer in LAYERS
        for path in (ROOT / layer).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and not DATA.search(path.as_posix())
    }
    assert folders - {"topologies.data"} <= set(listed)
    missing = [name for name in listed if not (ROOT / name.replace(".", "/")).is_dir()]
    assert missing == []
    assert len(set(listed)) == len(listed)
