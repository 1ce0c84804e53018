"""The SB3 shell: the contract that SB3's algorithms and wrappers rely on, and nothing lost on the way."""

import gymnasium as gym
import numpy as np
import pytest
from stable_baselines3 import A2C
from stable_baselines3.common.vec_env import VecMonitor, VecNormalize

from congested import congested_grid
from envs import EnvConfig, GridBatch
from grid import GridError
from policies import GridVecEnv, make_vec_env

HORIZON, ENVS = 6, 4
OBSERVATIONS = ("flat", "graph")


def config(observation="flat"):
    return EnvConfig(topology=congested_grid(), horizon=HORIZON, observation=observation)


def leaves(observation):
    return list(observation.values()) if isinstance(observation, dict) else [observation]


@pytest.fixture(params=OBSERVATIONS)
def env(request):
    made = make_vec_env(config(request.param), ENVS, seed=5)
    made.reset()
    return made


def act(env, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, (ENVS, *env.action_space.shape)).astype(np.float32)


@pytest.mark.parametrize("observation", OBSERVATIONS)
def test_it_goes_the_way_of_the_batch_to_the_bit(observation):
    env, batch = make_vec_env(config(observation), ENVS, seed=5), GridBatch(config(observation), ENVS, seed=5)
    pairs = [(env.reset(), batch.reset())]
    for t in range(2 * HORIZON + 1):
        actions = act(env, t)
        seen, reward, done, _ = env.step(actions)
        expected, expected_reward, ended = batch.step(actions)
        expected = batch.reset() if ended else expected
        pairs.append((seen, expected))
        assert np.array_equal(reward, expected_reward.astype(np.float32))
        assert done.tolist() == [ended] * ENVS
    for seen, expected in pairs:
        assert all(np.array_equal(a, b) for a, b in zip(leaves(seen), leaves(expected), strict=True))


def test_observations_fit_the_space_and_never_share_memory(env):
    before = env.reset()
    for t in range(HORIZON + 2):
        now, reward, done, infos = env.step(act(env, t))
        assert reward.dtype == np.float32
        assert done.dtype == bool
        assert len(infos) == ENVS
        for i in range(ENVS):
            assert env.observation_space.contains(
                {k: v[i] for k, v in now.items()} if isinstance(now, dict) else now[i]
            )
        assert not any(np.shares_memory(a, b) for a, b in zip(leaves(before), leaves(now), strict=True))
        before = now


def test_infos_are_empty_until_the_end_and_complete_there(env):
    rewards = []
    for t in range(HORIZON):
        seen, reward, done, infos = env.step(act(env, t))
        rewards.append(reward.astype(float))
        assert done.all() == (t == HORIZON - 1)
        if t < HORIZON - 1:
            assert infos == [{}] * ENVS
    for i, info in enumerate(infos):
        assert info["TimeLimit.truncated"] is False
        assert info["episode"]["l"] == HORIZON
        assert info["episode"]["r"] == pytest.approx(np.sum(rewards, axis=0)[i], rel=1e-5)
        assert info["episode"]["t"] > 0
        assert info["episode_metrics"]["cost"] == pytest.approx(env.batch.metrics["cost"][i])
        reward = (
            info["episode_metrics"]["reference"] - info["episode_metrics"]["cost"]
        ) / env.batch.problem.reward_scale
        assert reward == pytest.approx(info["episode"]["r"])
        last = info["terminal_observation"]
        for final, first in zip(leaves(last), leaves(seen), strict=True):
            assert final.shape == first[i].shape
        assert not all(np.array_equal(a, b[i]) for a, b in zip(leaves(last), leaves(seen), strict=True))
    assert env.batch.last.done
    assert env.step(act(env))[3] == [{}] * ENVS  # and nothing is left over afterwards


def test_the_terminal_observation_is_that_of_the_old_episode():
    env = make_vec_env(config(), 1, seed=5)
    env.reset()
    for _ in range(HORIZON):
        seen, _, _, infos = env.step(np.zeros((1, *env.action_space.shape)))
    remaining = 2  # place of the remaining share of the episode in the flat vector
    assert infos[0]["terminal_observation"][remaining] == 0
    assert seen[0, remaining] == 1


def test_a_seed_applies_at_the_next_reset_and_only_there(env):
    first = env.reset()
    assert env.seed(7) == [7] * ENVS
    seeded = env.reset()
    other = env.reset()
    env.seed(7)
    again = env.reset()
    assert all(np.array_equal(a, b) for a, b in zip(leaves(seeded), leaves(again), strict=True))
    for unlike in (first, other):
        assert not all(np.array_equal(a, b) for a, b in zip(leaves(seeded), leaves(unlike), strict=True))
    assert not np.array_equal(leaves(seeded)[0][0], leaves(seeded)[0][1])  # each env has a stream of its own


def test_seeding_without_a_seed_takes_a_fresh_one(env):
    assert env.seed()[0] != env.seed()[0]


def test_attributes_and_methods_of_single_envs(env):
    assert env.get_attr("horizon") == [HORIZON] * ENVS
    assert env.get_attr("arrays", [0, 2]) == [env.arrays] * 2
    assert env.get_attr("render_mode", 1) == [None]
    assert env.has_attr("config")
    assert not env.has_attr("no_such_thing")
    env.set_attr("label", "mine", indices=[1])
    assert env.get_attr("label", 1) == ["mine"]
    with pytest.raises(AttributeError):
        env.get_attr("label", 0)
    inputs = env.env_method("episode_inputs", indices=[2])[0]
    assert np.array_equal(inputs.load_mw, env.batch.episode_inputs(2).load_mw)
    assert env.env_method("get_wrapper_attr", "horizon", indices=0) == [HORIZON]
    assert env.env_is_wrapped(gym.Wrapper) == [False] * ENVS


def test_what_the_batch_shares_cannot_be_set_for_one_env(env):
    with pytest.raises(AttributeError, match="'prices' belongs to the whole batch"):
        env.set_attr("prices", None, indices=[0])


def test_sb3_wrappers_and_algorithms_run_on_it(env):
    monitored = VecMonitor(env)
    wrapped = VecNormalize(monitored, norm_obs=False)
    policy = "MultiInputPolicy" if isinstance(env.observation_space, gym.spaces.Dict) else "MlpPolicy"
    model = A2C(policy, wrapped, n_steps=HORIZON, seed=0, device="cpu")
    model.learn(3 * HORIZON * ENVS)
    assert model.num_timesteps == 3 * HORIZON * ENVS
    assert [episode["l"] for episode in model.ep_info_buffer] == [HORIZON] * 3 * ENVS


def test_bad_requests_are_refused():
    with pytest.raises(GridError, match="n_envs: found 0; allowed: a whole number >= 1"):
        make_vec_env(config(), 0)
    with pytest.raises(GridError, match=r"config.horizn: .*did you mean 'horizon'"):
        make_vec_env(horizn=3)
    with pytest.raises(
        GridError, match=r"paired_envs: found 3; allowed: a divisor of 4, the number of envs; 1 for sev"
    ):
        GridVecEnv(GridBatch(config(), 4), paired_envs=3)
    env = make_vec_env(config(), 2)
    env.reset()
    with pytest.raises(GridError, match=r"action: found shape \(3, 6\); allowed: finite numbers of shape \(2, 6\)"):
        env.step(np.zeros((3, 6)))


def test_paired_envs_run_the_same_episodes_and_are_rewarded_for_what_they_gain_over_each_other():
    plain, env = make_vec_env(config(), ENVS, seed=5), GridVecEnv(GridBatch(config(), ENVS), paired_envs=2)
    observation = env.reset()
    np.testing.assert_array_equal(observation[0], observation[1])
    for made in (plain, env):
        made.seed(3)
    observation = env.reset()
    seeds = np.repeat(np.random.SeedSequence(3).generate_state(2), 2).tolist()
    np.testing.assert_array_equal(observation, plain.batch.reset(seeds))
    assert not np.array_equal(observation[0], observation[2])
    for t in range(2 * HORIZON):  # into the next episodes, which the two share as well
        observation, reward, _, infos = env.step(act(env, t))
        _, raw, ended = plain.batch.step(act(env, t))
        if ended:
            metrics = plain.batch.metrics
            plain.batch.reset()
        gain = raw.reshape(2, 2)[:, 0] - raw.reshape(2, 2)[:, 1]
        np.testing.assert_allclose(reward.reshape(2, 2), np.stack([gain, -gain], 1), rtol=1e-5, atol=1e-6)
        if t % HORIZON == HORIZON - 1:
            np.testing.assert_array_equal(observation[0], observation[1])
    gained = (metrics["reference"] - metrics["cost"]) / plain.batch.problem.reward_scale
    assert [info["episode"]["r"] for info in infos] == pytest.approx(gained)


def test_an_empty_list_of_configs_is_refused():
    with pytest.raises(GridError) as caught:
        make_vec_env([], 2)
    assert str(caught.value) == "config: found an empty list; allowed: a config, or at least one of them; name a grid"
