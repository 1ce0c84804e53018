"""Machine code is kept from process to process, but never longer than the sources that it was made from."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from grid import jit
from slow_cases import slow

ROOT = Path(__file__).resolve().parent.parent
CALLEE = "from jit import compiled\n@compiled\ndef number():\n    return {}\n"
CALLER = "from callee import number\nfrom jit import compiled\n@compiled\ndef twice():\n    return 2 * number()\n"
ASK = "from caller import twice; print(twice(), twice())"
TOLD = "compiling for this machine: a minute or a few; later runs find it made\n"


@pytest.fixture
def ask(tmp_path):
    """What a function returns, and whether it had to be compiled, by a process of its own; that is said once.

    The function stands in one file, what it calls in another; ``ask(5)`` makes the latter return 5.
    """
    folder = tmp_path / "sources"
    folder.mkdir()
    shutil.copy(jit.__file__, folder)
    (folder / "caller.py").write_text(CALLER, encoding="utf-8")

    def run(number, **environment):
        (folder / "callee.py").write_text(CALLEE.format(number), encoding="utf-8")
        path = os.pathsep.join([str(folder), str(ROOT)])
        environment = {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1", **environment}
        command = [sys.executable, "-c", ASK]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert done.stderr in ("", TOLD)
        return done.stdout.split()[0], done.stderr == TOLD

    return run


@pytest.mark.parametrize("place", slow("beside", "elsewhere"))
def test_machine_code_is_kept_while_no_source_changes(ask, tmp_path, place):
    elsewhere = {"NUMBA_CACHE_DIR": str(tmp_path / "cache")} if place == "elsewhere" else {}
    assert ask(5, **elsewhere) == ("10", True)
    assert ask(5, **elsewhere) == ("10", False)
    if place == "beside":
        assert ask(7) == ("14", True)  # numba alone would answer 10
    assert (tmp_path / "cache").is_dir() == bool(elsewhere)


def test_nothing_is_needed_beside_the_sources_or_in_the_home(ask, tmp_path):
    (tmp_path / "sources" / "__pycache__").touch()  # so that it cannot be a folder, also for root
    (tmp_path / "file").touch()
    nowhere = {"HOME": str(tmp_path / "file"), "XDG_CACHE_HOME": str(tmp_path / "file" / "cache")}
    assert ask(5, **nowhere) == ask(5, **nowhere) == ("10", True)
