"""LoadBalancer keeps gymnasium's and stable-baselines3's contracts, and shows itself."""

import warnings

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.wrappers import DiscretizeAction, RecordVideo

from envs import EnvConfig, GridBatch, LoadBalancer, LoadBalancerVector
from grid import GridError
from slow_cases import slow
from topologies import names

KINDS = [("graph", "residual"), ("flat", "residual"), ("flat", "absolute"), ("graph", "absolute")]
CASES = [
    case if case[0] == "triangle" or case[1:] == KINDS[0] else slow(case)[0]
    for case in [(topology, *kind) for topology in names() for kind in KINDS]
]


def make(**fields):
    return gym.make("envs:LoadBalancer-v0", **fields)


@pytest.mark.parametrize(("topology", "observation", "action"), CASES)
def test_gymnasiums_checker_finds_nothing(topology, observation, action):
    env = make(topology=topology, observation=observation, action=action).unwrapped
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(env)


@pytest.mark.parametrize(("topology", "observation", "action"), CASES)
def test_stable_baselines3s_checker_finds_nothing(topology, observation, action):
    checker = pytest.importorskip("stable_baselines3.common.env_checker")
    env = make(topology=topology, observation=observation, action=action).unwrapped
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message=".*unconventional shape")  # of the 2-D boxes of a graph
        checker.check_env(env)


def test_the_last_step_terminates_and_reports():
    env = LoadBalancer(topology="triangle", horizon=4)
    env.reset(seed=0)
    rows = [env.step(np.zeros(env.action_space.shape, dtype=np.float32)) for _ in range(4)]
    assert [row[2] for row in rows] == [False, False, False, True]
    assert not any(row[3] for row in rows)
    metrics = rows[-1][4]["episode_metrics"]
    keys = ("generation", "shed", "overload", "spill", "balancing", "wear", "co2", "settlement")
    assert metrics["cost"] == pytest.approx(sum(row[4][key] for row in rows for key in keys))


def test_a_step_before_reset_or_after_the_end_is_an_error():
    env = LoadBalancer(topology="triangle", horizon=1)
    message = "step: found a call before reset, or after the end; allowed: a running episode; call reset first"
    with pytest.raises(GridError) as caught:
        env.step(np.zeros(2))
    assert str(caught.value) == message
    env.reset(seed=0)
    env.step(np.zeros(2))
    with pytest.raises(GridError) as caught:
        env.step(np.zeros(2))
    assert str(caught.value) == message


def test_there_is_nothing_to_render_before_reset():
    env = LoadBalancer(topology="triangle", render_mode="ansi")
    with pytest.raises(GridError) as caught:
        env.render()
    assert str(caught.value) == "render: found a call before reset; allowed: a running episode; call reset first"


def test_an_action_of_texts_is_one_clear_line():
    env = LoadBalancer(topology="triangle")
    env.reset(seed=0)
    with pytest.raises(GridError, match="action: found what is no array of real numbers; allowed: finite numbers of"):
        env.step(["up", "down"])


def test_the_constructor_refuses_an_outage_of_no_line():
    with pytest.raises(GridError, match=r"config.outages: found line 'nosuch'; allowed: the name of a line"):
        LoadBalancer(topology="triangle", outages=[{"line": "nosuch", "start_h": 0, "duration_h": 1}])


def test_an_unknown_render_mode_names_the_nearest():
    with pytest.raises(GridError) as caught:
        LoadBalancer(render_mode="rgb")
    assert str(caught.value) == ("render_mode: found 'rgb'; allowed: rgb_array, human, ansi; did you mean 'rgb_array'?")


def test_ansi_is_one_line_a_step():
    env = make(topology="classic", render_mode="ansi")
    env.reset(seed=0)
    lines = []
    for _ in range(3):
        _, reward, *_ = env.step(env.action_space.sample())
        lines.append((env.render(), reward))
    for t, (line, reward) in enumerate(lines, start=1):
        assert "\n" not in line
        assert f"step {t:>2}/48" in line
        for word in ("demand", "served", "stored", "reward"):
            assert word in line
        assert f"{reward:+.3f}" in line


def test_rgb_array_shows_each_step_anew():
    env = make(topology="triangle", render_mode="rgb_array", horizon=6)
    env.reset(seed=0)
    frames = []
    for _ in range(3):
        env.step(env.action_space.sample())
        frames.append(env.render())
    assert all(frame.shape == (800, 1280, 3) and frame.dtype == np.uint8 for frame in frames)
    assert not np.array_equal(frames[0], frames[1])
    assert not np.shares_memory(frames[0], frames[1])
    env.close()


def test_the_grid_is_shown_before_the_first_step():
    env = make(topology="triangle", render_mode="rgb_array")
    env.reset(seed=0)
    idle = env.render()
    assert idle.shape == (800, 1280, 3)
    assert len(np.unique(idle.reshape(-1, 3), axis=0)) > 20
    env.step(env.action_space.sample())
    assert not np.array_equal(env.render(), idle)


def test_record_video_writes_a_film(tmp_path):
    pytest.importorskip("moviepy")
    env = RecordVideo(make(topology="triangle", render_mode="rgb_array", horizon=4), str(tmp_path / "films"))
    env.reset(seed=0)
    done = False
    while not done:
        done = env.step(env.action_space.sample())[2]
    env.close()
    assert [path.suffix for path in (tmp_path / "films").iterdir()] == [".mp4"]


def test_human_without_a_display_says_so_once_and_prints_lines(capsys, monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    env = make(topology="triangle", render_mode="human", horizon=3)
    env.reset(seed=0)
    for _ in range(3):
        env.step(env.action_space.sample())
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("No display found")
    assert [line.split()[0] for line in lines[1:]] == ["step"] * 3


def test_gymnasiums_wrapper_makes_it_discrete():
    env = DiscretizeAction(make(topology="triangle"), bins=5, multidiscrete=True)
    env.reset(seed=0)
    assert np.isfinite(env.step(env.action_space.sample())[1])


def test_the_recorded_episode_is_there_with_a_render_mode_only():
    env = LoadBalancer(topology="triangle")
    env.reset(seed=0)
    with pytest.raises(GridError, match="episode: found no recorded step"):
        _ = env.episode
    env = LoadBalancer(topology="triangle", render_mode="ansi")
    env.reset(seed=0)
    env.step(np.zeros(2))
    env.step(np.zeros(2))
    assert env.episode.steps == 2


def demands(env, seeds, horizon=6):
    """Total demand of the first step of each episode, run to its end."""
    found = []
    for seed in seeds:
        env.reset(seed=seed)
        found.append(env.batch.inputs.load_mw.sum())
        for _ in range(horizon):
            env.step(np.zeros(env.action_space.shape))
    return found


def test_the_second_episode_of_a_seed_is_that_of_the_vector_env():
    config = EnvConfig(topology="triangle", horizon=6)
    single, vector = demands(LoadBalancer(config), (4, None, None)), LoadBalancerVector(1, config)
    expected = [vector.reset(seed=4) and vector.batch.inputs.load_mw.sum()]
    for t in range(12):
        vector.step(np.zeros(vector.action_space.shape))
        if t % 6 == 5:
            expected.append(vector.batch.inputs.load_mw.sum())
    assert single == expected
    assert len(set(single)) == 3


def test_every_evaluation_episode_can_be_reached_by_its_number():
    config = EnvConfig(topology="triangle", horizon=6, split="test")
    batch, env = GridBatch(config, 5), LoadBalancer(config)
    batch.reset(seed=7)
    for i in (0, 1, 2, 3, 4):
        env.reset(seed=7, options={"episode": i})
        np.testing.assert_array_equal(env.batch.episode_inputs(0).load_mw, batch.episode_inputs(i).load_mw)


def test_an_episode_with_a_high_number_needs_none_of_those_before_it():
    env = LoadBalancer(topology="triangle", horizon=6)
    first, _ = env.reset(seed=7, options={"episode": 10**12})
    again, _ = env.reset(seed=7, options={"episode": 10**12})
    other, _ = env.reset(seed=7, options={"episode": 10**12 + 1})
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize(
    ("seed", "options", "message"),
    [
        (-1, None, "seed: found -1; allowed: a whole number >= 0, or None; correct the value"),
        (0, 5, "reset.options: found 5; allowed: a dict; write options={'episode': 0}"),
        (0, {"episod": 1}, "reset.options: found 'episod'; allowed: episode; did you mean 'episode'?"),
        (0, {"episode": -1}, "reset.options: episode: found -1; allowed: a whole number >= 0; correct the value"),
        (
            None,
            {"episode": 1},
            "reset.options: episode: found no seed; allowed: a seed, whose episodes are counted; add the seed",
        ),
    ],
)
def test_seeds_and_options_of_reset_that_mean_nothing_are_refused(seed, options, message):
    with pytest.raises(GridError) as caught:
        LoadBalancer(topology="triangle").reset(seed=seed, options=options)
    assert str(caught.value) == message


def test_a_vector_env_has_no_options():
    with pytest.raises(GridError, match=r"reset.options: found 'episode'; allowed: no option; leave it out"):
        LoadBalancerVector(2, topology="triangle").reset(seed=0, options={"episode": 1})


def test_an_episode_of_a_large_number_is_reached_without_those_before_it():
    env = LoadBalancer(topology="triangle", horizon=6)
    loads = []
    for _ in range(2):
        env.reset(seed=0, options={"episode": 10**12})
        loads.append(env.batch.episode_inputs(0).load_mw)
    np.testing.assert_array_equal(*loads)
