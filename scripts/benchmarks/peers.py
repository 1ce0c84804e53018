"""The optimum of an episode by PyPSA: a second answer, and what our time is compared with."""

from __future__ import annotations

import logging
import warnings
from typing import Any

import numpy as np

from grid import GridArrays, Inputs, Prices, marginal_cost_per_mwh, store_value_per_mwh

UNLIMITED_MW = 1e5


def pypsa_cost(arrays: GridArrays, inputs: Inputs, prices: Prices) -> float:
    """Cost of the best schedule that overloads no line and spills nothing, built and solved by PyPSA.

    Steps are of one hour; the grid has no phase shifts, and each of its connectors an end that has no other line.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # other programs' own affairs
        network = pypsa_network(arrays, inputs, prices)
        for name in ("linopy", "pypsa"):
            logging.getLogger(name).setLevel(logging.ERROR)
        given = {"solver_name": "highs", "mip_rel_gap": 0.0, "log_to_console": False}
        network.optimize(**given, include_objective_constant=False, progress=False)
    start_value = float(store_value_per_mwh(arrays, prices) @ (arrays.store_init_mwh - arrays.store_min_mwh))
    return float(network.objective or 0.0) + start_value


def pypsa_network(arrays: GridArrays, inputs: Inputs, prices: Prices) -> Any:
    """Buses, lines (connectors as links), generators, demand that may be shed, and storage units."""
    import pandas as pd
    import pypsa

    network: Any = pypsa.Network()  # its types know neither arrays of names nor of values
    network.set_snapshots(range(len(inputs.load_mw)))
    nodes = np.array(arrays.node_names)

    def series(values: np.ndarray, names: np.ndarray) -> Any:
        return pd.DataFrame(values, index=network.snapshots, columns=names)

    network.add("Bus", nodes, v_nom=1.0)
    lines, ideal = np.array(arrays.line_names), arrays.reactance_pu == 0
    start, end = nodes[arrays.line_from], nodes[arrays.line_to]
    most_mw = np.where(np.isfinite(arrays.capacity_mw), arrays.capacity_mw, UNLIMITED_MW)
    reactance = (arrays.reactance_pu * arrays.tap)[~ideal]
    network.add("Line", lines[~ideal], bus0=start[~ideal], bus1=end[~ideal], x=reactance, s_nom=most_mw[~ideal])
    network.add("Link", lines[ideal], bus0=start[ideal], bus1=end[ideal], p_nom=most_mw[ideal], p_min_pu=-1.0)

    is_source = arrays.is_source
    most_mw = arrays.gen_max_mw[is_source]
    ramp_frac = np.minimum(arrays.gen_ramp_mw_per_h[is_source] / most_mw, 1.0)
    free_fall = np.isinf(arrays.gen_ramp_down_mw_per_h[is_source])
    available = inputs.gen_avail_frac[:, is_source]
    network.add(
        "Generator",
        nodes[is_source] + " source",
        bus=nodes[is_source],
        p_nom=most_mw,
        p_min_pu=arrays.gen_min_mw[is_source] / most_mw,
        p_max_pu=series(available, nodes[is_source] + " source"),
        marginal_cost=marginal_cost_per_mwh(arrays, prices)[is_source],
        marginal_cost_quadratic=arrays.gen_cost_per_mw2h[is_source],
        **_starts(arrays, most_mw),
        ramp_limit_up=np.where(ramp_frac < 1, ramp_frac, np.nan),
        ramp_limit_down=np.where(~free_fall & (ramp_frac < 1), ramp_frac, np.nan),
    )
    eats = arrays.load_max_mw > 0
    load_mw = inputs.load_mw[:, eats]
    network.add("Load", nodes[eats] + " load", bus=nodes[eats], p_set=series(load_mw, nodes[eats] + " load"))
    network.add(
        "Generator",
        nodes[eats] + " shed",
        bus=nodes[eats],
        p_nom=arrays.load_max_mw[eats],
        p_max_pu=series(load_mw / arrays.load_max_mw[eats], nodes[eats] + " shed"),
        marginal_cost=arrays.shed_cost_per_mwh[eats],
    )
    _add_stores(network, arrays, prices, series)
    return network


def _starts(arrays: GridArrays, most_mw: np.ndarray) -> dict[str, Any]:
    """What PyPSA knows of generators that start and stop."""
    own = {
        name: getattr(arrays, name)[arrays.is_source] for name in ("start_cost", "no_load_cost_per_h", "start_ramp_mw")
    }
    up, down, on = (
        np.minimum(np.ceil(getattr(arrays, name)[arrays.is_source]), 10_000)
        for name in ("min_up_h", "min_down_h", "initial_on_h")
    )
    return {
        "committable": np.isin(np.flatnonzero(arrays.is_source), arrays.stoppable),
        "start_up_cost": own["start_cost"],
        "stand_by_cost": own["no_load_cost_per_h"],
        "ramp_limit_start_up": np.minimum(own["start_ramp_mw"] / most_mw, 1.0),
        "min_up_time": up.astype(int),
        "min_down_time": down.astype(int),
        "up_time_before": np.maximum(on, 0).astype(int),
        "down_time_before": np.maximum(-on, 0).astype(int),
    }


def _add_stores(network: Any, arrays: GridArrays, prices: Prices, series: Any) -> None:
    """Storage units hold what stores have above their minimum; what they end with is worth its value."""
    stores = np.flatnonzero(arrays.is_store)
    names = np.array(arrays.node_names)[stores]
    power_mw = np.maximum(arrays.charge_max_mw, arrays.discharge_max_mw)[stores]
    worth = np.zeros((len(network.snapshots), len(stores)))
    worth[-1] = -store_value_per_mwh(arrays, prices)[stores]
    network.add(
        "StorageUnit",
        names + " store",
        bus=names,
        p_nom=power_mw,
        p_min_pu=-arrays.charge_max_mw[stores] / power_mw,
        p_max_pu=arrays.discharge_max_mw[stores] / power_mw,
        max_hours=(arrays.store_max_mwh - arrays.store_min_mwh)[stores] / power_mw,
        state_of_charge_initial=(arrays.store_init_mwh - arrays.store_min_mwh)[stores],
        efficiency_store=arrays.charge_eff_frac[stores],
        efficiency_dispatch=arrays.discharge_eff_frac[stores],
        standing_loss=arrays.store_loss_frac_per_h[stores],
        marginal_cost=prices.wear_per_mwh,
        marginal_cost_storage=series(worth, names + " store"),
    )
