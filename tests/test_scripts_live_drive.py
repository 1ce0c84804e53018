"""``live``'s episodes: their numbers are those of ``evaluate``, and assistants work around what is held."""

from __future__ import annotations

import numpy as np
import pytest

from envs import EnvConfig, Outage, Problem
from scripts.live.drive import Drive
from scripts.running import run_config
from slow_cases import slow
from topologies import load


@pytest.mark.parametrize(
    ("world", "words"),
    [
        ({}, ()),
        *slow(({"gate_h": 1.0}, ("--set", "gate_h=1")), ({"flow": "ac"}, ("--flow", "ac"))),
    ],
)
def test_an_episode_left_to_an_assistant_costs_what_evaluate_says_to_the_digit(run, world, words):
    problem = Problem.of(EnvConfig(topology="case14", split="test", **world))
    told = {}
    for name in ("merit", "plan", "mpc"):
        drive = Drive(problem, None, name, 3)
        while drive.step():
            pass
        found = {row["name"]: row for row in drive.score()["rows"]}
        told[name] = found["you"]["cost"]
        episode = drive.episode()
        assert episode.cost == pytest.approx(found["you"]["cost"], rel=1e-14)
    policies = run.json("evaluate", *told, "--grid", "case14", "--episodes", 1, "--seed", 3, *words)["policies"]
    assert told == {name: policies[name]["cost"]["mean"] for name in told}
    assert found["optimum"]["cost"] == policies["optimum"]["cost"]["mean"]
    assert found["you"]["score"] == policies["mpc"]["score"]["mean"]


def test_an_agent_that_assists_decides_as_in_evaluate():
    config, agent = run_config("universal", "case14")
    drive = Drive(Problem.of(config), agent, "agent", 0)
    while drive.step():
        pass
    rows = {row["name"]: row["cost"] for row in drive.score()["rows"]}
    assert rows["you"] == rows["agent"] != rows["plan"]


def test_what_is_held_is_done_and_earlier_steps_can_be_taken_anew_exactly():
    drive = Drive(Problem.of(EnvConfig(topology="classic", split="test")), None, "plan", 0)
    for _ in range(12):
        drive.step()
    first = drive.episode()
    node = int(np.flatnonzero(first.gen_max_mw > 0)[0])
    drive.rewind(5)
    assert drive.t == 5
    drive.hold("gen", node, 3.0)
    for _ in range(7):
        drive.step()
    other = drive.episode()
    assert np.array_equal(other.gen_mw[:5], first.gen_mw[:5])
    assert other.gen_mw[6:, node] == pytest.approx(3.0)  # a ramp before it
    drive.rewind(5)
    drive.hold("gen", node, None)
    for _ in range(7):
        drive.step()
    assert np.array_equal(drive.episode().flow_mw, first.flow_mw)


def test_what_was_asked_of_a_unit_is_told_beside_what_it_did():
    drive = Drive(Problem.of(EnvConfig(topology="triangle", split="test")), None, "merit", 0)
    drive.hold("gen", 0, 1000.0)
    *_, held, asked = drive.happened(0)["coming"]["units"][0]
    assert (held, asked) == (1000.0, None)  # no step yet
    drive.step()
    _, _, did, held, asked = drive.happened(0)["coming"]["units"][0]
    assert held == asked == 1000.0
    assert did == pytest.approx(drive.episode().gen_mw[0, 0], abs=1e-4)
    assert did <= drive.episode().gen_max_mw[0] < asked


def test_a_line_that_is_broken_is_out_at_once_and_nobody_knew():
    drive = Drive(Problem.of(EnvConfig(topology="classic", split="test")), None, "plan", 0)
    for _ in range(6):
        drive.step()
    before = drive.episode()
    drive.break_line(2, 3.0)
    while drive.step():
        pass
    after = drive.episode()
    assert np.array_equal(after.gen_mw[:6], before.gen_mw)
    assert np.flatnonzero(after.line_status[:, 2] == 0).tolist() == [6, 7, 8]
    rows = {row["name"]: row["cost"] for row in drive.score()["rows"]}
    assert rows["you"] == rows["plan"]  # the others meet the same outage
    drive.rewind(4)
    while drive.step():
        pass
    assert (drive.episode().line_status == 1).all()


def test_outages_that_nobody_here_caused_stay_when_steps_are_taken_anew():
    lines = load("triangle").lines()
    outage = Outage(lines[0][0], 4, 2, announced=False)
    config = EnvConfig(topology="triangle", split="test", horizon=8, outages=(outage,))
    drive = Drive(Problem.of(config), None, "merit", 0)
    for _ in range(3):
        drive.step()
    drive.break_line(1, 1.0)
    drive.rewind(1)
    while drive.step():
        pass
    assert np.argwhere(drive.episode().line_status != 1).tolist() == [[4, 0], [5, 0]]


def test_the_fan_is_about_the_forecast_and_grows():
    drive = Drive(Problem.of(EnvConfig(topology="classic", split="test")), None, "merit", 0)
    low, mean, high = (np.array(each) for each in drive.happened(0)["coming"]["fan"]["demand"])
    width = (high - low) / mean
    assert width[0] == 0
    assert (np.diff(width) > 0).all()
    assert width[-1] == pytest.approx(2 * 1.645 * 0.05 * (23 / 24) ** 0.5, rel=1e-3)


def drive(grid, assistant, held_mw, steps=8):
    made = Drive(Problem.of(EnvConfig(topology=grid, split="test", horizon=steps)), None, assistant, 0)
    names = made._batch.arrays.node_names
    for (what, node), mw in held_mw.items():
        made.hold(what, names.index(node), mw)
    while made.step():
        pass
    return made.episode(), {node: names.index(node) for _, node in held_mw}


@pytest.mark.parametrize("assistant", ["merit", "redispatch", "plan", "mpc"])
def test_assistants_decide_around_what_is_held(assistant):
    episode, at = drive("classic", assistant, {("gen", "coal"): 4.0, ("store", "store1"): -0.25})
    assert episode.gen_mw[:, at["coal"]] == pytest.approx(4.0)
    assert episode.charge_mw[:, at["store1"]] == pytest.approx(0.25)
    assert episode.costs["balancing"] == pytest.approx(0.0, abs=1e-6)
    assert episode.shed_mw.sum() == pytest.approx(0.0, abs=1e-9)


def test_what_cannot_all_be_done_is_planned_as_if_nothing_were_held():
    held = {("gen", "coal"): 8.0, ("gen", "gas"): 12.0, ("gen", "wind"): 9.0}
    episode, at = drive("classic", "mpc", held, 4)
    assert (episode.gen_mw[:, at["gas"]] < 11).any()  # there is no demand for it
    assert episode.shed_mw.sum() == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("assistant", ["merit", "redispatch", "plan", "mpc"])
def test_held_plants_and_others_start_and_stop_beside_each_other(assistant):
    episode, at = drive("thermal:case14", assistant, {("gen", "1"): 60.0, ("gen", "8"): 0.0})
    assert episode.gen_mw[:, at["1"]] == pytest.approx(60.0)
    assert (episode.on[:, at["1"]] == 1).all()
    assert (episode.on[:, at["8"]] == 0).all()
    assert episode.on[:, episode.node_names.index("2:gas")].sum() < 8  # which was on
    assert episode.costs["balancing"] == pytest.approx(0.0, abs=1e-6)
    assert episode.shed_mw.sum() == pytest.approx(0.0, abs=1e-9)
    held_off, at = drive("thermal:case14", assistant, {("gen", "1"): 0.0}, 4)
    assert (held_off.gen_mw[:, at["1"]] == 0).all()
    assert held_off.shed_mw.sum() == pytest.approx(0.0, abs=1e-9)
