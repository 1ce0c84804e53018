"""``demo``: everything once, on the grid `classic` with its gate closed an hour ahead, within three minutes."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path

from scripts import console as words
from scripts.console import Console
from scripts.options import Common, Seconds
from scripts.pictures import draw, kind_of

TASK = "classic-weather-v1"
EPISODES = 50
ENVS = 16  # fewer than usual: more updates fit into the time
PICTURES = {
    "the grid at work": "grid_state.gif",
    "the course of the episode": "sim_results.gif",
    "both in the browser": "replay.html",
}


@dataclass(frozen=True, kw_only=True)
class Demo(Common):
    """Train on the task classic-weather-v1, compare with the plan and draw it all in under 3 minutes."""

    out: Path = Path("demo")
    """folder for the run and the pictures; an older demo in it is replaced"""
    seconds: Seconds = 60.0
    """time for the training in seconds, start-up included, compiling not; the rest takes about half a minute"""

    def run(self, console: Console) -> None:
        """Train, evaluate, render."""
        started_s = time.perf_counter()
        console.say(f"1/3 training on {TASK} for {self.seconds:g} s")
        from envs import find_task
        from policies import QUICK, TrainConfig, evaluate, train
        from scripts.run_page import explain, keep_evaluation
        from scripts.running import record

        run = self.out / "run"
        with console.progress("training", 1.0) as report:
            train_config = TrainConfig(policy="mlp", stages=("gradient",), seconds=self.seconds, n_envs=ENVS)
            env_config = find_task(TASK).config(split="train", action="plan")
            agent = train(env_config, train_config, run, report, started_s, overwrite=True)
        explain(run)
        if agent.stopped_early:
            raise KeyboardInterrupt
        config = replace(agent.env_config, split="test")
        console.say(f"2/3 evaluating on {EPISODES} episodes that the training has not seen")
        with console.progress("evaluating", 1.0) as report:
            outcome = evaluate([*QUICK, agent], config, EPISODES, progress=report)
        keep_evaluation(run, outcome)
        console.say("3/3 drawing the first of them")
        episode = record(agent, config, seed=0)
        rows = [
            (f"{shows}:", str(draw(episode, self.out / name, kind_of(Path(name)), console)))
            for shows, name in PICTURES.items()
        ]
        rows.append(("the trained agent:", str(run)))
        took = words.duration(time.perf_counter() - started_s)
        console.result(["", *outcome.table().splitlines(), "", *words.pairs(rows)])
        console.say(f"{'took:'.ljust(max(len(name) for name, _ in rows))}  {took}")
