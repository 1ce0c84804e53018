"""A server of the page ``live`` for tests, in a folder of its own, and a client of its socket."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from websockets.sync.client import ClientConnection, connect

ROOT = Path(__file__).resolve().parent.parent
COMMAND = "import sys; from scripts.cli import main; sys.exit(main(sys.argv[1:]))"


@dataclass
class Server:
    url: str
    process: subprocess.Popen[str]
    folder: Path

    @property
    def host(self) -> str:
        return urlsplit(self.url).netloc

    @property
    def token(self) -> str:
        return parse_qs(urlsplit(self.url).query)["token"][0]

    @property
    def cookie(self) -> str:
        return f"live{urlsplit(self.url).port}={self.token}"

    def socket(self, **headers: str) -> ClientConnection:
        """A tab: its socket, with the headers of the page unless others are given."""
        given = {"Cookie": self.cookie, "Origin": f"http://{self.host}", **headers}
        origin = given.pop("Origin")
        address = f"ws://{self.host}/socket"
        return connect(address, origin=origin, additional_headers=given, max_size=None, compression=None, proxy=None)

    def memory_mb(self) -> float:
        """What the process holds."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024


class Tab:
    """Asks and gets answers, in turn; what the server says unasked is kept aside."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket, self._number = socket, 0
        self.hello = self._next("hello")

    def _next(self, kind: str) -> Any:
        while True:
            message = json.loads(self.socket.recv(timeout=180))
            if message["is"] == kind:
                return message

    def ask(self, what: str, **more: Any) -> Any:
        self._number += 1
        self.socket.send(json.dumps({"do": what, "id": self._number, **more}))
        while True:
            message = json.loads(self.socket.recv(timeout=180))
            if message.get("id") == self._number:
                return message


@contextmanager
def serving(folder: Path, *words: str) -> Iterator[Server]:
    """The command ``live`` in the folder, ended by Ctrl-C."""
    command = [sys.executable, "-c", COMMAND, "live", *words, "--no-open"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=folder, env=environment, text=True, **pipes) as process:
        try:
            url = (process.stdout.readline() if process.stdout else "").strip()
            if not url:
                raise RuntimeError(process.stderr.read() if process.stderr else "no address")
            yield Server(url, process, folder)
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
            try:
                process.wait(40)
            except subprocess.TimeoutExpired:
                process.kill()
