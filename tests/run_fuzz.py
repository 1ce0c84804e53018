"""Hostile files for every reader: valid ones, mutated by a seeded hand; whatever happens must be a grid or a GridError.

``python tests/run_fuzz.py --seconds 1800`` runs all readers in turn and prints, for each, how many files were read and
refused, the slowest and the memory at its peak. ``--only json,graphml`` runs some, ``--seed`` starts elsewhere.
"""

from __future__ import annotations

import argparse
import copy
import importlib.util
import json
import os
import random
import resource
import shutil
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from episodes import make_episode
from grid import Episode, Grid, GridError
from grid2op_folder import write_environment
from rts_folder import write_rts
from topologies import load
from topologies.formats import graphml, native, spreadsheet
from topologies.series import TimedSeries
from topologies.series_files import read_table, write_series

SLOWEST_S = 10.0
MOST_MB = 1000
NASTY = (
    *(
        "NaN",
        "Infinity",
        "-Infinity",
        "1e999",
        "-1",
        "0",
        "1e308",
        "1e-308",
        "1" * 400,
        "1" * 5000,
        "3,5",
        "null",
        "true",
    ),
    *('""', '"1"', "[]", "{}", "[[]]", "1_0", "0x10", "\u202e", "\x00", "\ud800", "</script>", '"../x"', '"a\\nb"'),
    *(
        "é" * 300,
        "inf",
        "nan",
        "--",
        "<a>",
        "<!DOCTYPE a>",
        "&lt;",
        "&a;",
        "]",
        "[",
        "}",
        "{",
        ",",
        ";",
        "'",
        "%",
        "...",
    ),
    *("Bus", "element", "2018-01-01 00:00:00", "9999-12-31", "true", "...", "-0.0", "5e-324", "\ufeff", "\r\n", "\t"),
)


SERIES = {  # as other programs write them
    "semicolons": "Zeit;a [kW];b [kW]\n31.12.2030 22:00;1.210,5;0\n31.12.2030 23:00;3,25;1\n",
    "smard": "Datum von;Datum bis;Netzlast [MWh] Originalauflösungen\n01.01.2024 00:00;01.01.2024 01:00;40.100,5\n"
    "01.01.2024 01:00;01.01.2024 02:00;39.000,25\n",
    "entsoe": "MTU (CET),Actual Total Load [MW] - BZN|DE-LU\n01.01.2024 00:00 - 01.01.2024 01:00,40100\n"
    "01.01.2024 01:00 - 01.01.2024 02:00,39000\n",
    "pvgis": "Latitude (decimal degrees):\t48.1\n\ntime,P,G(i)\n20190101:0010,0.0,0.0\n20190101:0110,12.5,3.0\n\n"
    "P: power (W)\n",
    "ninja": "# Renewables.ninja\n# Units: kW\ntime,local_time,electricity\n2019-01-01 00:00,2019-01-01 01:00,0.1\n"
    "2019-01-01 01:00,2019-01-01 02:00,0.2\n",
    "opsd": "utc_timestamp,cet_cest_timestamp,DE_load_actual_entsoe_transparency\n2015-01-01T00:00:00Z,x,41151\n"
    "2015-01-01T01:00:00Z,x,40135\n",
    "zones": "time,a [MW]\n2024-10-27T02:00+02:00,1\n2024-10-27T02:00+01:00,2\n2024-10-27T03:00+01:00,2\n",
}


@dataclass
class Target:
    """One reader with its seeds."""

    name: str
    suffix: str
    seeds: list[Path]  # files, or folders of files
    use: Callable[[Path], object]
    read: int = 0
    refused: int = 0
    slowest_s: float = 0.0
    bad: list[str] = field(default_factory=list)


def use_grid(path: Path) -> None:
    """Load a grid and do what ``inspect`` does first."""
    grid = load(path)
    grid.assumed()
    if len(grid.graph) <= 400:
        arrays = grid.compile()
        from topologies.profiles import ProfileSource

        dt_h = 1.0 if grid.series is None else grid.series.dt_h
        draw = ProfileSource(arrays, grid.series, "all").draw([np.random.default_rng(0)], 3, dt_h)
        assert np.isfinite(draw.load_mw).all()


def use_series(path: Path) -> None:
    """Read a file of series."""
    assert np.isfinite(read_table(path).values).all()


def targets(folder: Path) -> list[Target]:
    """All readers with small valid seeds, written to a folder."""
    series_grid = _with_series()
    small = [load(name) for name in ("triangle", "classic", "case14")]
    found = [
        Target("json", ".json", [], use_grid),
        Target("graphml", ".graphml", [], use_grid),
        Target("matpower", ".m", [Path(__file__).parents[1] / "docs" / "new_england.m"], use_grid),
        Target("csv", ".csv", [], use_series),
        Target("parquet", ".parquet", [], use_series),
        Target("episode", ".npz", [], Episode.load),
        Target("pandapower", ".json", [], use_grid),
        Target("tables", "", [], use_grid),
        Target("workbook", ".xlsx", [], use_grid),
        Target("grid2op", "", [], use_grid),
        Target("rts-gmlc", "", [], use_grid),
        Target("powsybl", ".xiidm", [], use_grid),
        Target("pypsa folder", "", [], use_grid),
        Target("pypsa netcdf", ".nc", [], use_grid),
    ]
    at = {target.name: target for target in found}

    def place(target: str, name: str) -> Path:
        path = folder / target / f"{name}{at[target].suffix}"
        path.parent.mkdir(exist_ok=True)
        at[target].seeds.append(path)
        return path

    for grid in small:
        native.write(grid, place("json", grid.name))
        graphml.write(grid, place("graphml", grid.name))
    native.write(series_grid, place("json", "own"))
    for grid in (*small[:2], series_grid):
        spreadsheet.write(grid, place("tables", grid.name) / "nodes.csv")
    place("json", "links").write_text(
        json.dumps({"graph": [], "nodes": [{"id": 5, "kind": "source", "gen_max_mw": 1}], "links": []})
    )
    write_series(series_grid.series, place("csv", "series"))
    place("csv", "dated").write_text("time,a [MW],b [share]\n2020-01-01T00:00,1.5,0.2\n2020-01-01T01:00,2,0.5\n")
    for name, text in SERIES.items():
        place("csv", name).write_text(text, encoding="utf-8")
    semicolons = place("tables", "semicolons")
    semicolons.mkdir()
    (semicolons / "nodes.csv").write_text("id;kind;gen_max_mw;#\na;source;1,5;x\nb;junction;;\n")
    (semicolons / "lines.csv").write_text("from;to;capacity_mw\na;b;2,5\n")
    write_rts(place("rts-gmlc", "tiny"))
    _other_formats(place, small, series_grid)
    if importlib.util.find_spec("pypowsybl") is not None:
        networks = importlib.import_module("pypowsybl.network")
        for name in ("ieee9", "four_substations_node_breaker_network"):
            getattr(networks, f"create_{name}")().save(place("powsybl", name))
    return [target for target in found if target.seeds]


def _other_formats(place: Callable[[str, str], Path], small: list[Grid], series_grid: Grid) -> None:
    """Seeds in formats whose libraries may be missing."""
    make_episode(5, 6).save(place("episode", "small"))
    try:
        import pyarrow as pa
        from pyarrow import parquet

        parquet.write_table(pa.table({"time_h": [0.0, 1.0, 2.0], "a [MW]": [1.0, 2, 3]}), place("parquet", "series"))
    except ImportError:
        pass
    try:
        import openpyxl  # noqa: F401

        for grid in small[:2]:
            spreadsheet.write(grid, place("workbook", grid.name))
    except ImportError:
        pass
    try:
        from pandapower import networks, to_json

        for name in ("case4gs", "example_simple"):
            to_json(getattr(networks, name)(), str(place("pandapower", name)))
        write_environment(place("grid2op", "tiny"))
    except ImportError:
        pass
    try:
        import pypsa  # noqa: F401

        from topologies.formats import pypsa_write

        for grid in (*small[1:], series_grid):
            pypsa_write.write_folder(grid, place("pypsa folder", grid.name))
            pypsa_write.write_netcdf(grid, place("pypsa netcdf", grid.name))
    except ImportError:
        pass


def _with_series() -> Grid:
    grid = Grid("own")
    grid.add_source("sun", gen_max_mw=2, gen_profile="roof")
    grid.add_consumer("town", load_max_mw=3, load_profile="street")
    grid.add_line("sun", "town", reactance_pu=0.1)
    hours = np.arange(48)
    grid.series = TimedSeries(("roof", "street"), 1.0, np.stack([hours % 24 / 24, 1.5 + hours % 3], axis=1), 6.0)
    return grid


def mutate(data: bytes, other: bytes, rng: random.Random) -> bytes:
    """A few changes to a file: to its bits, its words, its numbers, its lines, or a piece of another file."""
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        start = rng.randrange(len(data) + 1)
        end = min(start + rng.choice((1, 2, 8, 64, 1024)), len(data))
        nasty = rng.choice(NASTY).encode("utf-8", "surrogatepass")
        kind = rng.randrange(10)
        if kind == 0:
            data = (
                data[:start]
                + bytes(byte ^ (1 << rng.randrange(8)) for byte in data[start : start + 1])
                + data[start + 1 :]
            )
        elif kind == 1:
            data = data[:start] + data[end:]
        elif kind == 2:
            data = data[:start] + nasty + data[start:]
        elif kind == 3:
            data = data[:start] + data[start:end] * rng.choice((2, 3, 50)) + data[end:]
        elif kind == 4:
            at = rng.randrange(len(other) + 1)
            data = data[:start] + other[at : at + end - start] + data[end:]
        elif kind == 5 and rng.random() < 0.3:
            data = data[:start]
        elif kind == 6:
            lines = data.split(b"\n")
            i, j = rng.randrange(len(lines)), rng.randrange(len(lines))
            lines[i], lines[j] = rng.choice(((lines[j], lines[i]), (lines[j], lines[j]), (b"", lines[j])))
            data = b"\n".join(lines)
        elif kind == 7 and rng.random() < 0.05:
            data = rng.choice(
                (data.decode("utf-8", "replace").encode("utf-16"), b"\x1f\x8b" + data, b"PK\x03\x04" + data)
            )
        else:
            data = _replace_word(data, start, nasty, rng)
    return data


def _replace_word(data: bytes, start: int, nasty: bytes, rng: random.Random) -> bytes:
    """Put something else in the place of the number or word after a position."""
    plain = b"0123456789.abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-"
    while start < len(data) and data[start] not in plain:
        start += 1
    end = start
    while end < len(data) and data[end] in plain:
        end += 1
    words = data[start : start + 4000].split(b",")
    return data[:start] + (nasty if rng.random() < 0.7 else rng.choice(words)[:40]) + data[end:]


VALUES = (
    *(
        None,
        True,
        False,
        0,
        1,
        -1,
        2,
        7,
        0.5,
        1.5,
        1e-12,
        1e11,
        1e13,
        1e300,
        float("nan"),
        float("inf"),
        10**400,
        99999,
    ),
    *(
        "",
        "1",
        "a",
        "x" * 2000,
        "NaN",
        "3,5",
        "\u202e",
        "a\nb",
        "../x",
        "</script>",
        [],
        [1, 2, 3],
        [[0, 1, 2]],
        {},
        {"a": 1},
    ),
)


def mutate_tree(text: str, rng: random.Random) -> bytes:
    """A few values of a JSON file replaced, doubled or taken away, also in the tables that are texts in it."""
    data = json.loads(text)
    for _ in range(rng.choice((1, 1, 2, 5, 20))):
        _mutate_value(data, rng)
    return json.dumps(data).encode()


def _mutate_value(data: object, rng: random.Random) -> None:
    while True:
        keys = list(data) if isinstance(data, dict) else list(range(len(data))) if isinstance(data, list) else []
        if not keys:
            return
        key = rng.choice(keys)
        value = data[key]
        if isinstance(value, dict | list) and value and rng.random() < 0.97:
            data = value
            continue
        if isinstance(value, str) and value.startswith("{") and rng.random() < 0.97:
            inner = json.loads(value)
            for _ in range(rng.choice((1, 1, 3))):
                _mutate_value(inner, rng)
            data[key] = json.dumps(inner)
        elif isinstance(data, list) and rng.random() < 0.2:
            data.insert(rng.randrange(len(data) + 1), copy.deepcopy(value))
        elif rng.random() < 0.1:
            del data[key]
        elif isinstance(value, int | float) and abs(value) < 1e9 and rng.random() < 0.4:
            data[key] = rng.choice((-value, value * 1000, value / 1000, value + 1, str(value), round(value)))
        else:
            data[key] = copy.deepcopy(rng.choice(VALUES))
        return


def one(target: Target, rng: random.Random, work: Path) -> None:
    """One mutated file through one reader."""
    seed, other = rng.choice(target.seeds), rng.choice(target.seeds)
    path = work / f"case{target.suffix}"
    if seed.is_dir():
        shutil.rmtree(path, ignore_errors=True)
        shutil.copytree(seed, path)
        file = rng.choice(_files(path))
        if rng.random() < 0.05:
            file.unlink()
        else:
            file.write_bytes(mutate(file.read_bytes(), rng.choice(_files(other)).read_bytes(), rng))
    elif target.suffix == ".json" and rng.random() < 0.7:
        path.write_bytes(mutate_tree(seed.read_text("utf-8"), rng))
    else:
        path.write_bytes(mutate(seed.read_bytes(), other.read_bytes(), rng))
    begin, problem = cpu_s(), ""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)
            target.use(path)
        target.read += 1
    except GridError as error:
        target.refused += 1
        if not all(fault.where and fault.found and fault.allowed and fault.mend for fault in error.faults):
            problem = f"a message with a gap: {error}"
        if "\n" in str(error.faults[0]) or len(str(error)) > 200_000:
            problem = f"a message of several lines or too long: {str(error)[:300]!r}"
    except Exception:
        problem = traceback.format_exc()
    took_s = cpu_s() - begin
    target.slowest_s = max(target.slowest_s, took_s)
    if took_s > SLOWEST_S:
        problem += f" took {took_s:.1f} s"
    if problem:
        kept = work / f"bad-{target.name.replace(' ', '-')}-{len(target.bad)}{target.suffix}"
        (shutil.copytree if path.is_dir() else shutil.copy)(path, kept)
        target.bad.append(f"{kept}: {problem}")


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def cpu_s() -> float:
    """Processor time of this process and its children: other work on the machine does not count."""
    spent = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in spent)


def peak_mb() -> float:
    """Memory of this process and its children at their peak."""
    who = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return max(resource.getrusage(kind).ru_maxrss for kind in who) / 1024


def run(target: Target, seconds: float, seed: int, work: Path) -> None:
    """Mutate and read for a time."""
    end = time.monotonic() + seconds
    count = 0
    while time.monotonic() < end and len(target.bad) < 20:
        one(target, random.Random(f"{target.name} {seed} {count}"), work)
        count += 1


def main() -> int:
    """Run what the command line asks for; the exit code is 1 if something else than a GridError was seen."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seconds", type=float, default=60.0, help="for all readers together")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--only", default="", help="names of readers, with commas")
    asked = options.parse_args()
    work = Path(tempfile.mkdtemp(prefix="fuzz-"))
    chosen = [t for t in targets(work) if not asked.only or t.name in asked.only.split(",")]
    for target in chosen:
        run(target, asked.seconds / len(chosen), asked.seed, work)
        print(
            f"{target.name:14} {target.read:6,} read {target.refused:7,} refused, slowest {target.slowest_s:5.2f} s, "
            f"peak {peak_mb():.0f} MB, {len(target.bad)} bad",
            flush=True,
        )
        print(*target.bad, sep="\n", end="\n" if target.bad else "")
    bad = any(target.bad for target in chosen) or peak_mb() > MOST_MB
    if not bad:
        shutil.rmtree(work)
    return int(bad)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.exit(main())
