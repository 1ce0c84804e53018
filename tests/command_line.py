"""Running the command line in the tests, in this process or in one of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from scripts.cli import main

ROOT = Path(__file__).resolve().parent.parent
COMMAND = [sys.executable, "-c", "import sys; from scripts.cli import main; sys.exit(main())"]
"""What the installed command runs. With -m, Python ends as by SIGINT after an interrupt inside an ``exec`` of text,
where some imports spend their time, even though it was caught."""


class CommandLine:
    """``load-balancer`` in this process; keeps what the last call printed."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self.out = self.err = ""

    def __call__(self, *words: object) -> int:
        """Run one line and return the exit code."""
        self._capsys.readouterr()
        code = main([str(word) for word in words])
        self.out, self.err = self._capsys.readouterr()
        return code

    def ok(self, *words: object) -> str:
        """Run one line that must succeed without a word on stderr; what it prints fits into 100 columns."""
        code = self(*words)
        assert code == 0, self.err
        assert self.err == "", self.err
        if "--json" not in words:
            assert max(map(len, self.out.splitlines()), default=0) <= 100
        return self.out

    def json(self, *words: object) -> Any:
        """The one object that a line prints with --json."""
        return json.loads(self.ok(*words, "--json"))

    def fault(self, *words: object) -> str:
        """The one line that a bad input gives, without its ``error:``."""
        code = self(*words)
        assert (code, self.out) == (2, "")
        assert self.err.startswith("error: ")
        assert self.err.count("\n") == 1
        return self.err.removeprefix("error: ").rstrip("\n")


BLOCK = """
import importlib.abc, sys
class Missing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {names!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Missing())
"""


def separate(
    code: str, cwd: Path, missing: tuple[str, ...] = (), input: str | None = None, **env: str
) -> subprocess.CompletedProcess[str]:
    """Run Python code in a process of its own, as if the packages in ``missing`` were not installed."""
    return subprocess.run(
        [sys.executable, "-c", BLOCK.format(names=missing) + code],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), **env},
        input=input,
        capture_output=True,
        text=True,
        check=False,
    )
