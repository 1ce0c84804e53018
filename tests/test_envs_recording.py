"""Recording: what it costs, what it hands out, and what it says of who acts."""

from __future__ import annotations

import numpy as np
import pytest

from envs import EnvConfig, GridBatch, LoadBalancer, Recorder, recording
from grid import SHAPES, TERMS

HORIZON = 40


@pytest.fixture
def batch():
    made = GridBatch(EnvConfig(topology="triangle", horizon=HORIZON), 2, seed=0)
    made.reset()
    return made


def series_of(episode):
    return [getattr(episode, name) for axes in ("TN", "SN", "TE", "T") for name in SHAPES[axes]] + [
        *episode.costs.values()
    ]


def idle(batch):
    return np.zeros((batch.batch_size, *batch.action_space.shape))


def test_showing_every_step_reads_each_step_once_and_copies_nothing(batch, monkeypatch):
    reads, read = [], recording.line_status
    monkeypatch.setattr(recording, "line_status", lambda outcome: reads.append(outcome) or read(outcome))
    recorder, shown = Recorder(batch, "idle"), []
    for _ in range(HORIZON):
        batch.step(idle(batch))
        recorder.add()
        shown.append(recorder.episode(1))
    assert len(reads) == HORIZON
    whole = shown[-1]
    for steps, early in enumerate(shown, start=1):
        assert early.steps == steps
        for part, series in zip(series_of(early), series_of(whole), strict=True):
            assert np.shares_memory(part, series)
            assert np.array_equal(part, series[: len(part)])


def test_what_was_handed_out_is_not_changed_by_anybody(batch):
    recorder = Recorder(batch, "idle")
    batch.step(idle(batch))
    recorder.add()
    first = recorder.episode(0)
    kept = [series.copy() for series in series_of(first)]
    with pytest.raises(ValueError, match="read-only"):
        first.load_mw[0, 0] = 9.0
    for _ in range(3):  # the rest of this episode, the next one, and the start of a third
        batch.reset()
        for _ in range(HORIZON):
            batch.step(idle(batch))
            recorder.add()
    assert all(np.array_equal(one, other) for one, other in zip(kept, series_of(first), strict=True))
    assert not np.array_equal(recorder.episode(0).load_mw[0], first.load_mw[0])


def test_before_the_first_step_the_stores_are_there_and_nothing_else(batch):
    recorder = Recorder(batch, "idle")
    for episode in recorder.episodes():
        assert (episode.steps, episode.costs.keys()) == (0, TERMS.keys() - {"voltage", "start", "no_load"})
        assert np.array_equal(episode.store_mwh, batch.arrays.store_init_mwh[None])
        assert episode.flow_mw.shape == (0, len(batch.arrays.line_names))


def test_a_recorder_that_comes_late_holds_what_it_saw(batch):
    batch.step(idle(batch))
    recorder = Recorder(batch, "idle")
    batch.step(idle(batch))
    recorder.add()
    assert np.array_equal(recorder.episode(0).load_mw, batch.last.inputs.load_mw[:1])
    assert np.array_equal(recorder.episode(0).store_mwh[-1], batch.state.store_mwh[0])


def test_an_env_that_is_stepped_by_anybody_calls_no_one_an_agent():
    env = LoadBalancer(topology="triangle", render_mode="ansi")
    env.reset(seed=0)
    env.step(env.action_space.sample())
    assert env.episode.policy == "actions"
    env.policy = "my PPO"
    env.reset(seed=0)
    env.step(env.action_space.sample())
    assert env.episode.policy == "my PPO"
