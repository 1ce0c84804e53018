"""The parts of the documentation that are made from the code, so that they cannot differ from it."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import io
import re
import sys
import textwrap
import tokenize
from contextlib import redirect_stdout
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

FACES = (
    "grid",
    "grid.physics",
    "grid.planning",
    "grid.planning.day",
    "topologies",
    "topologies.formats",
    "envs",
    "envs.rendering",
    "policies",
)
"""The packages whose public names, ``__all__``, are the API."""

REFERENCE = """API reference
=============

Every public name, by the package that it is imported from. The text is that of the docstrings.

.. toctree::

   {faces}
"""

FACE = """{face}
{line}

{about}

.. py:currentmodule:: {face}

{names}
"""


def substitutions() -> dict[str, str]:
    """The tables and texts that pages name in double braces, as Markdown."""
    from envs import EnvConfig, LoadBalancer
    from grid.physics import Protection

    flat, graph = (
        LoadBalancer(topology="triangle", **seen) for seen in ({}, {"observation": "graph", "action": "bids"})
    )
    return {
        "flat_names": entries_table(flat.observation_names, flat.observation_space),
        "graph_names": "\n\n".join(
            f"`{part}`:\n\n{entries_table(names, graph.observation_space[part])}"
            for part, names in graph.observation_names.items()
        ),
        "node_columns": columns_table("node"),
        "line_columns": columns_table("line"),
        "env_config": fields_table(EnvConfig),
        "worlds": worlds_table(),
        "tasks": tasks_table(),
        "terms": terms_table(),
        "protection": fields_table(Protection),
        "command_help": command_help(),
    }


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A Markdown table."""
    lines = [[cell.replace("|", "\\|") for cell in line] for line in (head, ("---",) * len(head), *rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def columns_table(kind: str) -> str:
    """The columns of nodes or lines ("node", "line")."""
    from grid import COLUMNS

    rows = []
    for row in (column.row() for column in COLUMNS.values() if column.table == kind):
        default = "" if row["default"] is None else str(row["default"]).removesuffix(".0")
        if row["required_for"]:
            default = f"required for a {' and a '.join(row['required_for'])}"
        rows.append((f"`{row['name']}`", row["unit"], default, row["allowed"], row["meaning"]))
    return table(("column", "unit", "default", "allowed", "meaning"), rows)


def terms_table() -> str:
    """The cost terms, each with its price: a field of Prices with its default, or the columns that hold it."""
    from grid import TERMS, Prices

    rows = []
    for term in TERMS.values():
        columns = " and ".join(f"`{name}`" for name in (term.weight, term.curve) if name)
        price = f"`{term.price}`" if term.price else f"{columns} of the unit"
        default = getattr(Prices(), term.price) if term.price else None
        rows.append((f"`{term.name}`", price, "" if default is None else f"{default:g}", term.unit, term.meaning))
    return table(("term", "price", "default", "unit", "charged for"), rows)


def worlds_table() -> str:
    """What each world of the tasks sets."""
    from envs import WORLDS

    def text(value: Any) -> str:
        if not dataclasses.is_dataclass(value):
            return f"`{value!r}`"
        own = {field.name: (getattr(value, field.name), field.default) for field in dataclasses.fields(value)}
        return ", ".join(f"`{name}={found:g}`" for name, (found, default) in own.items() if found != default)

    names = sorted({name for fields in WORLDS.values() for name in fields})
    rows = [
        (f"`{name}`", *(text(fields[name]) if name in fields else "" for fields in WORLDS.values())) for name in names
    ]
    return table(("field", *WORLDS), rows)


def tasks_table() -> str:
    """The tasks, each with its grids and episodes."""
    from envs import TASKS

    rows = [
        (f"`{task.name}`", f"`{task.train}`", ", ".join(f"`{name}`" for name in task.test), str(task.episodes))
        for task in TASKS.values()
    ]
    return table(("task", "trained on", "tested on", "episodes on each"), rows)


def entries_table(names: list[str], space: Any) -> str:
    """Position, name and range of the entries of an observation, or of a row of it; like hours are one line."""
    low, high = (bound.reshape(-1, len(names)).round(2) for bound in (space.low, space.high))
    rows = []
    for first, last in _alike(names):
        place = f"{first}" if first == last else f"{first} … {last}"
        name = names[first] if first == last else f"{names[first]} … {names[last]}"
        ends = low[:, first : last + 1].min(), high[:, first : last + 1].max()
        rows.append((place, name, f"{ends[0] + 0.0:g} … {ends[1]:g}"))
    return table(("position", "entry", "range"), rows)


def _alike(names: list[str]) -> list[tuple[int, int]]:
    """First and last position of each run of names that differ in their hour alone."""
    plain = [re.sub(r"in_?\s?[\d.]+ ?h\b", "in h", name) for name in names]
    starts = [i for i, name in enumerate(plain) if i == 0 or name != plain[i - 1]]
    return list(zip(starts, [*(i - 1 for i in starts[1:]), len(names) - 1], strict=True))


def fields_table(cls: Any) -> str:
    """The fields of a dataclass: name, default, and what the comment beside it says."""
    comments, rows = field_comments(cls), []
    for field in dataclasses.fields(cls):
        default = f"`{field.default!r}`" if field.default_factory is dataclasses.MISSING else "see below"
        term = field.metadata.get("term")  # of a price
        meaning = comments.get(field.name, "") if term is None else f"{term.unit} of {term.meaning}"
        rows.append((f"`{field.name}`", default, meaning))
    return table(("field", "default", "meaning"), rows)


def command_help() -> str:
    """What every command says for ``--help``."""
    from scripts.cli import COMMANDS, main

    parts = []
    for name, (_, does) in COMMANDS.items():
        said = io.StringIO()
        with redirect_stdout(said):
            main([name, "--help"])
        parts += [f"### {name}", f"{does[0].upper()}{does[1:]}.", f"```text\n{said.getvalue().strip()}\n```"]
    return "\n\n".join(parts)


def write_reference(folder: Path) -> None:
    """Write one page for each face, with every public name, and one that lists them."""
    folder.mkdir(exist_ok=True)
    for face in FACES:
        module = import_module(face)
        public = [(name, getattr(module, name)) for name in module.__all__]
        public.sort(key=lambda pair: not (inspect.isclass(pair[1]) or inspect.isroutine(pair[1])))  # constants last
        names = "\n\n".join(_directive(face, name, value) for name, value in public)
        about = inspect.cleandoc(module.__doc__ or "")
        _write(folder / f"{face}.rst", FACE.format(face=face, line="=" * len(face), about=about, names=names))
    _write(folder / "index.rst", REFERENCE.format(faces="\n   ".join(FACES)))


def _write(path: Path, text: str) -> None:
    if not path.is_file() or path.read_text("utf-8") != text:  # a page that is the same is not read again
        path.write_text(text, "utf-8")


def _directive(face: str, name: str, value: Any) -> str:
    if inspect.ismodule(value):
        return f"``{name}``: {inspect.cleandoc(value.__doc__ or '').splitlines()[0]}"
    home = max((each for each in FACES if f"{getattr(value, '__module__', '')}.".startswith(f"{each}.")), default=face)
    if home != face and name in import_module(home).__all__:
        return f"``{name}``: see :py:obj:`{home}.{name}`"
    if inspect.isclass(value):
        return f".. autoclass:: {face}.{name}"
    if inspect.isroutine(value):
        return f".. autofunction:: {face}.{name}"
    return f".. py:data:: {name}\n\n{textwrap.indent(_about_constant(face, name), '   ')}"


def _about_constant(module: str, name: str) -> str:
    """The text below the definition of a constant or the comment beside it, in the module that it is imported from."""
    source = inspect.getsource(import_module(module))
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and name in [alias.name for alias in node.names]:
            return _about_constant(str(node.module), name)
    for node, after in zip(tree.body, [*tree.body[1:], None], strict=True):
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if name in [getattr(target, "id", None) for target in targets]:
            if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
                return inspect.cleandoc(str(after.value.value))
            return _comments(source).get(node.lineno, "")
    return ""


def _comments(source: str) -> dict[int, str]:
    """Each comment of a source by its line."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {token.start[0]: token.string.lstrip("# ") for token in tokens if token.type == tokenize.COMMENT}


@cache
def field_comments(cls: type) -> dict[str, str]:
    """What the comments beside the fields of a class say, by name."""
    source = textwrap.dedent(inspect.getsource(cls))
    comments = _comments(source)
    (tree,) = ast.parse(source).body
    fields = [node for node in getattr(tree, "body", []) if isinstance(node, ast.AnnAssign)]
    return {ast.unparse(node.target): comments[node.end_lineno] for node in fields if node.end_lineno in comments}


def take_up_comments(_: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Give fields the comment beside them; keep napoleon from reading ``(B,) what: why`` as a type and its meaning."""
    if what not in ("attribute", "property"):
        return
    if any(lines):
        lines[:0] = ["..", ""]  # a comment: what comes after it is text
        return
    face, cls_name, field = name.rsplit(".", 2)
    cls = getattr(sys.modules.get(face), cls_name, None)
    if inspect.isclass(cls) and field in field_comments(cls):
        lines[:] = [field_comments(cls)[field].replace("*", r"\*"), ""]


def without_factories(_: Any, what: str, name: str, obj: Any, options: Any, signature: str | None, back: Any) -> Any:
    """Signatures that Python can read: dataclasses show a default that is made anew as ``<factory>``."""
    return signature.replace("<factory>", "...") if signature else signature, back
