"""A short piece of what ``tests/run_fuzz.py`` does for longer: mutated files for each reader."""

from __future__ import annotations

import random
import time

import pytest

import run_fuzz as fuzz
from grid import GridError


@pytest.fixture(scope="module")
def targets(tmp_path_factory):
    return {target.name: target for target in fuzz.targets(tmp_path_factory.mktemp("fuzz"))}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("name", "files"),
    [
        *[(name, 60) for name in ("json", "graphml", "matpower", "csv", "parquet", "episode")],
        *[("pandapower", 3), ("pypsa folder", 8), ("pypsa netcdf", 3)],
    ],
)
def test_a_mutated_file_gives_a_grid_or_a_clear_fault(targets, tmp_path, name, files):
    if name not in targets:
        pytest.skip(f"the library of {name} is not installed")
    target = targets[name]
    for count in range(files):
        fuzz.one(target, random.Random(f"{name} {count}"), tmp_path)
    assert target.bad == []
    assert target.read + target.refused == files
    assert target.refused > 0


def test_what_is_neither_is_found(tmp_path):
    """The search itself: an exception, a message with a gap, and a slow reader are reported."""

    def crash(path):
        raise KeyError(path)

    def mumble(path):
        raise GridError(str(path), "", "something", "do something")

    def dawdle(path):
        end = time.process_time() + 0.2
        while time.process_time() < end:
            pass

    seed = tmp_path / "seed.json"
    seed.write_text("{}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fuzz, "SLOWEST_S", 0.1)
        for use, words in ((crash, "KeyError"), (mumble, "a message with a gap"), (dawdle, "took 0.")):
            target = fuzz.Target("json", ".json", [seed], use)
            fuzz.one(target, random.Random(0), tmp_path)
            assert len(target.bad) == 1
            assert words in target.bad[0]
