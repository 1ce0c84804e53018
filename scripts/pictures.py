"""Writing an episode as a picture, an animation or a file of its own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from scripts.console import Console
from scripts.tables import TABLE_SUFFIXES, check_tables, is_table, write_tables

if TYPE_CHECKING:
    from envs import EnvConfig
    from grid import Episode
    from policies import Evaluation, Policy

Kind = Literal["grid_state", "sim_results"]
EPISODE_SUFFIX, PAGE_SUFFIX = ".npz", ".html"
DATA_SUFFIXES = (EPISODE_SUFFIX, *TABLE_SUFFIXES)
"""Files of one episode and not of two."""


def kind_of(path: Path | None) -> Kind:
    """The picture that the file's name asks for."""
    return "sim_results" if path is not None and path.name.startswith("sim_results") else "grid_state"


def check_path(path: Path | None, suffixes: tuple[str, ...] = ()) -> None:
    """Refuse, before any work, a file that cannot be written; without suffixes, one that is no picture.

    Raises:
        GridError: another suffix, or a folder that cannot be written.
    """
    if path is not None:
        from envs.rendering import PICTURES, check_suffix
        from grid import check_writable

        check_suffix(path, suffixes or PICTURES)
        check_writable(path)


def check_file(path: Path | None, kind: Kind) -> None:
    """Refuse, before any work, a file that ``draw`` cannot write.

    Raises:
        GridError: the suffix is of none of its files, or the folder cannot be written.
    """
    if path is not None:
        from envs.rendering import SUFFIXES

        check_path(path, (*SUFFIXES[kind], PAGE_SUFFIX, *DATA_SUFFIXES))
        if is_table(path):
            check_tables(path)


def draw(episode: Episode, path: Path, kind: Kind, console: Console, versus: Episode | None = None) -> Path:
    """Write the file; what kind of file is said by its suffix. A file of an episode, and tables, hold one.

    Raises:
        GridError: a path that cannot be written; two different episodes.
    """
    if path.suffix.lower() == EPISODE_SUFFIX:
        return episode.save(path)
    if is_table(path):
        return write_tables(path, [episode])
    from envs import rendering

    if path.suffix.lower() == PAGE_SUFFIX:
        return rendering.replay(episode, path, versus)
    with console.progress(f"drawing {path}", 1.0) as report:
        write = getattr(rendering, kind)
        return write(episode, path, versus=versus, progress=lambda done, frames: report(done / frames, ""))


def draw_comparison(outcome: Evaluation, policy: str | Policy, config: EnvConfig, path: Path) -> Path:
    """Draw the gaps of an evaluation, and a day of its first episode as the policy and the optimum run it.

    Raises:
        GridError: a path that cannot be written.
    """
    from dataclasses import astuple

    from envs.rendering import comparison
    from policies import run_episodes
    from scripts.running import Schedule

    gaps = {row.name: astuple(row.gap_frac) for row in outcome.rows}
    shown, best = (run_episodes(one, config, 1, outcome.seed)[0] for one in (policy, Schedule()))
    note = f"{outcome.of}; below, a day of the first of them"
    return comparison(gaps, shown, best, path, note=note, highlight=shown.policy)
