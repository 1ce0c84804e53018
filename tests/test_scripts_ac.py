"""The option --flow: what is trained, compared, drawn and kept in AC."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from command_line import CommandLine
from grid import Episode

pytest.importorskip("numba")

SAID = "AC: the optimum is a linear plan corrected at its own AC solution: a reference, not a bound"


def test_policies_run_the_same_episodes_in_ac_and_pay_for_losses(run: CommandLine) -> None:
    words = ("evaluate", "merit", "--grid", "case14", "--episodes", 2)
    dc, ac = run.json(*words), run.json(*words, "--flow", "ac")
    assert [(each["flow"], each["optimum_is"]) for each in (dc, ac)] == [("dc", "bound"), ("ac", "reference")]
    assert (SAID in dc["notes"], SAID in ac["notes"]) == (False, True)
    cheapest, paying = (each["policies"]["optimum"] for each in (dc, ac))
    assert paying["cost"]["mean"] > cheapest["cost"]["mean"]
    assert (cheapest["loss_mwh"], paying["loss_mwh"] > 0) == (0, True)
    free, paid = dc["policies"]["merit"], ac["policies"]["merit"]
    assert paid["cost"]["mean"] > free["cost"]["mean"]
    assert 0.005 < paid["loss_mwh"] / (48 * 200) < 0.05  # of a demand of about 200 MW
    assert [free[name] for name in ("loss_mwh", "voltage_pu_h", "collapsed_steps")] == [0, 0, 0]


def test_the_optimum_overloads_by_apparent_power_in_ac(run: CommandLine) -> None:
    units = {
        flow: run.ok("optimum", "case14", "--flow", flow).split("overload  ")[-1].split()[1] for flow in ("dc", "ac")
    }
    assert units == {"dc": "MWh", "ac": "MVAh"}


def test_an_external_grid_without_a_limit_carries_the_losses(run: CommandLine) -> None:
    networks = pytest.importorskip("pandapower.networks")
    pandapower = pytest.importorskip("pandapower")
    net = networks.create_kerber_landnetz_freileitung_1()
    pandapower.to_json(net, "net.json")
    run.ok("render", "net.json", "--flow", "ac", "--out", "net.npz")
    episode = Episode.load(Path("net.npz"))
    pandapower.runpp(net, numba=False)
    assert episode.shed_mw.sum() == 0
    assert episode.loss_mw[0] == pytest.approx(net.res_line.pl_mw.sum() + net.res_trafo.pl_mw.sum(), rel=1e-5)
    assert episode.voltage_pu[0].min() == pytest.approx(net.res_bus.vm_pu.min(), abs=1e-6)


def test_the_table_has_losses_voltages_and_collapses_in_ac_alone(run: CommandLine) -> None:
    words = ("evaluate", "merit", "--grid", "case14", "--episodes", 1)
    lines = run.ok(*words, "--flow", "ac").splitlines()
    assert "seed 0, AC power flow [95 % interval]" in lines[0]
    assert "MVAh" in lines[2]
    at = lines.index("")
    assert lines[at + 1].split() == ["AC", "loss", "voltage", "collapsed"]
    assert lines[at + 2].split() == ["MWh", "pu·h", "steps"]
    value = run.json(*words, "--flow", "ac")["policies"]["merit"]
    assert lines[at + 3].split() == ["merit", f"{value['loss_mwh']:.1f}", f"{value['voltage_pu_h']:.3f}", "0.0"]
    assert lines[-1] == SAID
    assert "voltage" not in run.ok(*words)


def test_an_agent_of_dc_is_checked_in_ac_and_the_check_is_not_kept(run: CommandLine, trained: Path) -> None:
    value = run.json("evaluate", trained, "merit", "--episodes", 2, "--flow", "ac")
    assert list(value["policies"]) == ["merit", "agent", "optimum"]
    assert value["policies"]["agent"]["loss_mwh"] > 0
    assert not (trained / "evaluation.json").exists()


def test_a_run_trained_in_ac_remembers_it(run: CommandLine, tmp_path: Path) -> None:
    words = "train triangle --policy mlp --steps 200 --set n_envs=4 --flow ac --out own"
    assert run(*words.split()) == 0, run.err
    content = json.loads(Path("own", "config.json").read_text("utf-8"))
    assert content["env"]["flow"] == "ac"
    run.ok("evaluate", "own", "merit", "--episodes", 1, "--flow", "dc")
    assert not Path("own", "evaluation.json").exists()
    assert run.json("evaluate", "own", "merit", "--episodes", 1)["flow"] == "ac"
    assert json.loads(Path("own", "evaluation.json").read_text("utf-8"))["flow"] == "ac"


def test_an_episode_is_recorded_in_ac(run: CommandLine, tmp_path: Path) -> None:
    run.ok("render", "case14", "--flow", "ac", "--out", "ac.npz")
    run.ok("render", "case14", "--out", "dc.npz")
    ac, dc = (Episode.load(tmp_path / f"{name}.npz") for name in ("ac", "dc"))
    assert ac.loss_mw.min() > 0
    assert (ac.voltage_pu > 0.9).all()
    assert not dc.is_ac
    said = run.fault("render", "ac.npz", "--versus", "dc.npz", "--out", "both.html")
    assert said.startswith("versus: found an episode in AC beside one in DC; allowed: two with the same power flow")
    assert "leave out --flow, or give a run or a grid" in run.fault("render", "ac.npz", "--flow", "ac")


def test_outages_in_ac_say_how_low_voltages_fall_and_what_collapses(run: CommandLine) -> None:
    words = ("contingency", "case14", "--hour", 18, "--flow", "ac")
    value, text = run.json(*words), run.ok(*words, "--top", 3, "--picture", "outages.png")
    assert value["flow"] == "ac"
    rows = [value["intact"], *value["outages"]]
    assert all(0.9 < row["lowest_voltage_pu"] < 1.1 and row["collapsed"] is False for row in rows)
    assert text.startswith("case14, merit order, the hour from 18:00, AC: 20 single outages\n")
    assert "0 collapse: a part has no AC solution" in text
    assert text.splitlines()[4].endswith("lowest pu")
    assert text.splitlines()[5].endswith(f"{value['intact']['lowest_voltage_pu']:.3f} {value['intact']['lowest_at']}")
    assert "lowest pu" not in run.ok("contingency", "case14", "--hour", 18)
