"""Ranks share an update's episodes: one seed gives one result, and one rank that of a training without ranks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import distributed as dist

from envs import EnvConfig, GridBatch
from grid import GridError
from policies import TrainConfig, train
from policies.learning import read_curve
from policies.learning.average import average
from policies.many_grids import Rotation

WORLD = EnvConfig(topology="triangle", horizon=6)


def weights(run, **fields):
    """The trained network, and the rewards of its updates."""
    config = TrainConfig(policy="mlp", stages=("gradient",), n_envs=8, steps=4 * 8 * 6, seed=3, **fields)
    state = train(WORLD, config, run).policy.state_dict()
    return {name: value.numpy() for name, value in state.items()}, [row["reward"] for row in read_curve(run)[1:]]


@pytest.mark.slow
def test_two_ranks_give_the_same_twice_and_learn_what_one_learns(tmp_path):
    one, two, again = (weights(tmp_path / str(k), ranks=ranks) for k, ranks in enumerate((1, 2, 2)))
    assert two[1] == again[1]
    assert all(np.array_equal(two[0][name], again[0][name]) for name in two[0])
    np.testing.assert_allclose(two[1], one[1], rtol=1e-4)
    assert all(np.allclose(two[0][name], one[0][name], atol=1e-3) for name in two[0])


def test_shares_of_the_ranks_are_the_episodes_and_grids_of_one():
    whole, half = GridBatch(WORLD, 8), GridBatch(WORLD, 4)
    whole.reset(5)
    for rank in (0, 1):
        half.reset(5, rank * 4)
        assert np.array_equal(half.outlook.load_mw, whole.outlook.load_mw[:, 4 * rank : 4 * rank + 4])
    together, shares = Rotation(9, 4, 1), [Rotation(9, 4, 1, rank, 2) for rank in (0, 1)]
    for _ in range(5):
        assert sorted(together.next()) == sorted([*shares[0].next(), *shares[1].next()])


def test_alone_gradients_stay_as_they_are_and_a_group_takes_their_mean(tmp_path):
    gradients = [torch.tensor([1.0, 2.0]), torch.tensor([[3.0]])]
    assert average(gradients, 0.1) == 0.1
    dist.init_process_group("gloo", init_method=(tmp_path / "meeting").as_uri(), rank=0, world_size=1)
    try:
        assert average(gradients, 0.5) == 0.5
    finally:
        dist.destroy_process_group()
    assert [each.tolist() for each in gradients] == [[1.0, 2.0], [[3.0]]]


def test_ranks_of_other_stages_and_of_unequal_shares_are_refused(tmp_path):
    with pytest.raises(GridError) as caught:
        TrainConfig(policy="mlp", ranks=2)
    assert str(caught.value) == (
        "train.ranks: found 2 for optimum, gradient; allowed: 1, or the stage gradient alone; "
        "write --stages gradient, or leave out ranks"
    )
    with pytest.raises(GridError) as caught:
        train(WORLD, TrainConfig(policy="mlp", stages=("gradient",), n_envs=9, steps=54, ranks=2), tmp_path / "run")
    assert str(caught.value) == (
        "train.ranks: found 2 for 9 n_envs; allowed: a number that divides them; change ranks or n_envs"
    )
