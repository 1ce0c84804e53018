"""Machine code is kept from process to process, but never longer than the sources that it was made from."""

import os

import pytest
from policies.planner.jit import FILES, forget_outdated

from scripts.console import Console
from scripts.running import tell_of_compiling


@pytest.mark.parametrize("changed", FILES)
def test_machine_code_older_than_any_source_is_removed(tmp_path, changed):
    cache = tmp_path / "__pycache__"
    cache.mkdir()
    for name in FILES:
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (100, 100))
    old, new = cache / "old.nbi", cache / "new.nbi"
    for index, time in ((old, 200), (new, 400)):
        index.touch()
        os.utime(index, (time, time))
    forget_outdated(tmp_path)
    assert old.exists()
    os.utime(tmp_path / changed, (300, 300))
    forget_outdated(tmp_path)
    assert not old.exists()
    assert new.exists()


def test_the_wait_for_machine_code_is_announced_once(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("policies.planner.jit.FOLDER", tmp_path)
    tell_of_compiling(Console())
    assert "half a minute, this once" in capsys.readouterr().out
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "day_ahead.plan_eight-100.py311.nbi").touch()
    tell_of_compiling(Console())
    assert capsys.readouterr().out == ""
