"""Episodes as tables: every row stands for what happened, and nothing is lost on the way."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from command_line import separate
from envs import EnvConfig
from episodes import make_episode
from grid import EPISODE_TABLES, Episode, GridError
from policies import run_episodes


@pytest.fixture(scope="module")
def episode() -> Episode:
    return run_episodes("redispatch", EnvConfig(topology="case14", horizon=24, dt_h=0.5))[0]


@pytest.mark.parametrize("seed", range(5))
def test_units_add_up_to_what_happened(seed: int) -> None:
    one = make_episode(seed=seed, dt_h=0.25)
    table = one.to_frame()
    by_kind = table.groupby(["kind", "step"])["mw"].sum()
    np.testing.assert_allclose(by_kind["source"], (one.gen_mw - one.spill_mw).sum(1))
    np.testing.assert_allclose(by_kind["consumer"], -one.served_mw.sum(1))
    np.testing.assert_allclose(by_kind["storage"], (one.discharge_mw - one.charge_mw).sum(1), atol=1e-12)
    sums = table[["mwh", "unserved_mw", "spilled_mw"]].sum() * [1, 0.25, 0.25]
    spill_mwh, served_mwh = (power.sum() * 0.25 for power in (one.spill_mw, one.served_mw))
    gen_mwh, stored_mwh = (power.sum() * 0.25 for power in (one.gen_mw, one.discharge_mw - one.charge_mw))
    np.testing.assert_allclose(
        sums, [gen_mwh - spill_mwh - served_mwh + stored_mwh, one.unserved_mwh, spill_mwh], atol=1e-9
    )
    ends = table[table["kind"] == "storage"].groupby("step")["stored_mwh"].sum()
    np.testing.assert_allclose(ends, one.store_mwh[1:].sum(1))


def test_injections_balance_in_dc_and_are_the_losses_in_ac() -> None:
    for flow in ("dc", "ac"):
        one = run_episodes("merit", EnvConfig(topology="case14", horizon=6, flow=flow))[0]
        loss_mw = np.zeros(6) if one.loss_mw is None else one.loss_mw
        np.testing.assert_allclose(one.to_frame().groupby("step")["mw"].sum(), loss_mw, atol=1e-6)
        assert ("voltage_pu" in one.to_frame()) == ("apparent_mva" in one.to_frame("lines")) == (flow == "ac")


def test_lines_and_costs_are_those_of_the_episode(episode: Episode) -> None:
    lines, costs = episode.to_frame("lines"), episode.to_frame("costs")
    row = lines[(lines["step"] == 7) & (lines["line"] == "4-7")].iloc[0]
    e = episode.line_names.index("4-7")
    assert (row["from"], row["to"], row["hour"], row["status"]) == ("4", "7", 3.5, "in service")
    assert row["flow_mwh"] == episode.flow_mw[7, e] / 2
    assert row["loading_frac"] == pytest.approx(abs(episode.flow_mw[7, e]) / episode.capacity_mw[e])
    unlimited = ~np.isfinite(episode.capacity_mw)
    assert lines["capacity_mw"].isna().sum() == lines["loading_frac"].isna().sum() == 24 * unlimited.sum() > 0
    assert costs["total"].sum() == pytest.approx(episode.cost)
    np.testing.assert_allclose(costs["total"], costs["operating"] + costs["settlement"])
    np.testing.assert_allclose(costs[list(episode.costs)].sum(axis=1), costs["total"])


def test_curtailed_is_what_sun_and_wind_could_have_given_and_not_what_plants_did_not(episode: Episode) -> None:
    table = episode.to_frame()
    sources = table[table["kind"] == "source"]
    unused = sources["available_mw"] - sources["mw"]
    is_sun_or_wind = sources["node"].isin(["3:wind", "6:sun"])
    np.testing.assert_allclose(sources["curtailed_mw"], np.where(is_sun_or_wind, unused, 0), atol=1e-9)
    assert sources["curtailed_mw"].sum() > 0
    older = replace(episode, gen_profiled=None)  # of a file that does not say: sources that were ever short
    pd.testing.assert_frame_equal(older.to_frame(), table)


def test_dated_episodes_have_times_and_optima_have_prices(episode: Episode, tmp_path: Path) -> None:
    assert "time" not in episode.to_frame()
    price = np.arange(24.0)[:, None] + np.arange(len(episode.node_names))
    dated = replace(episode, start="2025-03-30T23:30:00", nodal_price_per_mwh=price)
    kept = Episode.load(dated.save(tmp_path / "a.npz"))
    for name in EPISODE_TABLES:
        pd.testing.assert_frame_equal(kept.to_frame(name), dated.to_frame(name))
    table = kept.to_frame()
    assert table["time"].drop_duplicates().astype(str).tolist()[:3] == [
        "2025-03-30 23:30:00",
        "2025-03-31 00:00:00",
        "2025-03-31 00:30:00",
    ]
    last = table[(table["step"] == 23) & (table["node"] == "3:wind")]
    assert last["nodal_price_per_mwh"].item() == 23 + episode.node_names.index("3:wind")


def test_an_episode_without_steps_has_tables_without_rows() -> None:
    one = make_episode(steps=2)
    none = {name: getattr(one, name)[:0] for name in ("gen_mw", "spill_mw", "gen_avail_mw", "served_mw", "load_mw")}
    none |= {name: getattr(one, name)[:0] for name in ("shed_mw", "curtailed_mw", "charge_mw", "discharge_mw")}
    none |= {"flow_mw": one.flow_mw[:0], "line_status": one.line_status[:0], "store_mwh": one.store_mwh[:1]}
    empty = replace(one, **none, costs={name: term[:0] for name, term in one.costs.items()})
    for name in EPISODE_TABLES:
        assert empty.to_frame(name).shape[0] == 0


def test_what_is_no_table_and_a_missing_package_are_said(episode: Episode, tmp_path: Path) -> None:
    with pytest.raises(GridError, match=r"table: found 'line'; allowed: units, lines, costs; did you mean 'lines'"):
        episode.to_frame("line")
    episode.save(tmp_path / "a.npz")
    code = """
from grid import Episode, GridError
try:
    Episode.load("a.npz").to_frame()
except GridError as error:
    print(error)
"""
    said = separate(code, tmp_path, ("pandas",)).stdout
    assert said.startswith("pandas: found no such package; allowed: tables as data frames; pip install load-balancer[t")


def test_units_say_of_plants_that_stop_alone_whether_they_are_on(episode: Episode) -> None:
    assert "on" not in episode.to_frame()
    one = make_episode(6, 3)
    plant, other = np.flatnonzero(one.gen_max_mw > 0)[0], np.flatnonzero(one.load_max_mw > 0)[0]
    on, stoppable = np.ones_like(one.gen_mw), np.zeros(6)
    on[1, plant], stoppable[plant] = 0, 1
    table = replace(one, on=on, stoppable=stoppable).to_frame()
    names = one.node_names
    assert table[table["node"] == names[plant]]["on"].tolist() == [True, False, True]
    assert table[table["node"] == names[other]]["on"].isna().all()
