"""The server: one page, its scripts and its socket, for the browser that has the address and for nobody else."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import os
import secrets
import signal
import socket
import tempfile
import threading
import webbrowser
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import uvicorn

from envs import EnvConfig
from grid import GridError, check_writable
from scripts.console import Console
from scripts.live.session import LARGEST_MESSAGE, Session
from scripts.live.shared import Shared
from scripts.live.trainer import Trainer

if TYPE_CHECKING:
    from policies import Agent

COOKIE = "live"
SCRIPTS = ("live.js", "live_drive.js", "live_sheet.js", "live_edit.js", "live_form.js", "live_train.js")
MOST_TABS, MOST_PORT = 64, 65535
WORKERS, WORKER = 8, "live tab"  # threads that compute for all tabs, and their name
BYE_S = 2  # that open connections get when the server ends

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


def serve(
    config: EnvConfig, agent: Agent | None, address: tuple[str, int], opens: bool, console: Console, folder: Path
) -> None:
    """Serve until Ctrl-C; prints the address, with the token, on one line.

    Raises:
        GridError: the address cannot be listened on, or the folder not be written.
    """
    host, port = address
    check_writable(folder / ".live")
    try:
        if port > MOST_PORT:
            raise OSError(errno.EADDRNOTAVAIL, "no such port")
        listener = socket.create_server(address, family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        mend = "choose another --port or --host"
        raise GridError(f"{host}:{port}", str(error.strerror), "an address to listen on", mend) from error
    port = listener.getsockname()[1]
    token = secrets.token_urlsafe(24)
    shown = f"[{host}]" if ":" in host else host
    url = f"http://{shown}:{port}/?token={token}"
    with tempfile.TemporaryDirectory(prefix=".live-", dir=folder) as workshop:
        pool = ThreadPoolExecutor(WORKERS, WORKER)
        shared = Shared(config, agent, folder, Path(workshop), Trainer(folder, Path(workshop)), pool)
        settings = uvicorn.Config(
            Gate(App(shared), token, host, port),
            log_level="error",
            lifespan="off",
            server_header=False,
            ws="websockets-sansio",
            ws_max_size=LARGEST_MESSAGE,
            ws_per_message_deflate=False,
            timeout_graceful_shutdown=BYE_S,
        )
        if signal.getsignal(hang_up := getattr(signal, "SIGHUP", signal.SIGTERM)) is signal.SIG_DFL:
            signal.signal(hang_up, signal.default_int_handler)  # the terminal has been closed
        console.result([url])
        if opens:
            webbrowser.open(url)
        try:
            asyncio.run(uvicorn.Server(settings).serve([listener]))
        except KeyboardInterrupt:  # the way to end it
            pass
        finally:
            shared.trainer.close()
            pool.shutdown(wait=False, cancel_futures=True)
            listener.close()
            for worker in _workers():
                worker.join(BYE_S)
    if _workers():  # a solver does not let itself be stopped
        os._exit(0)


def _workers() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name.startswith(WORKER)]


class Gate:
    """Lets requests in that name this host, come from its own page, and have the token; others get nothing.

    The token of the address becomes a cookie, so it does not stay in the history or go on to others. Naming the host
    keeps out pages whose own name has been pointed at this machine (DNS rebinding).
    """

    def __init__(self, app: App, token: str, host: str, port: int) -> None:
        self._app, self._token, self._port = app, token, port
        self._hosts = {"localhost", "127.0.0.1", "[::1]", host, f"[{host}]", socket.gethostname()}
        self._is_open = host not in ("127.0.0.1", "::1", "localhost")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request or one connection of a socket."""
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        is_named = self._knows(headers.get("host", ""))
        is_own = headers.get("origin", "") in ("", f"http://{headers.get('host')}")
        if scope["type"] == "websocket":
            is_own = headers.get("origin", "") == f"http://{headers.get('host')}"
        if not (is_named and is_own):
            await _refuse(scope, receive, send)
        elif scope["type"] == "http" and scope["path"] == "/" and self._is_token(given):
            cookie = f"{COOKIE}{self._port}={self._token}; HttpOnly; SameSite=Strict; Path=/"
            await _answer(send, 303, b"", [("location", "/"), ("set-cookie", cookie)])
        elif any(map(self._is_token, _cookies(headers.get("cookie", ""), f"{COOKIE}{self._port}"))):
            await self._app(scope, receive, send)
        else:
            await _refuse(scope, receive, send)

    def _is_token(self, text: str) -> bool:
        return secrets.compare_digest(text.encode("latin-1", "replace"), self._token.encode())

    def _knows(self, host: str) -> bool:
        name, _, port = host.rpartition(":")
        if port != str(self._port):
            return False
        if name in self._hosts:
            return True
        try:
            ipaddress.ip_address(name.strip("[]"))
        except ValueError:
            return False
        return self._is_open  # an address in numbers is no name that somebody could point here


def _cookies(header: str, name: str) -> list[str]:
    """All of that name: a page of another port of this machine can add one."""
    pairs = (part.strip().partition("=") for part in header.split(";"))
    return [value for key, _, value in pairs if key == name]


async def _answer(send: Send, status: int, body: bytes, headers: list[tuple[str, str]]) -> None:
    every = [("cache-control", "no-store"), ("x-content-type-options", "nosniff"), ("referrer-policy", "no-referrer")]
    raw = [(name.encode(), value.encode()) for name, value in (*headers, *every, ("content-length", str(len(body))))]
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": body})


async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "http":
        await _answer(send, 403, b"", [])
    else:
        await receive()
        await send({"type": "websocket.close", "code": 1008})


class App:
    """What is behind the gate: the page, its style, its script, and the socket."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._parts = _parts()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request or one connection of a socket."""
        if scope["type"] == "websocket":
            await self._tab(scope, receive, send)
            return
        kind, body = self._parts.get(scope["path"], ("", b""))
        if not kind or scope["method"] not in ("GET", "HEAD"):
            await _answer(send, 404, b"", [])
            return
        allowed = (
            "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
            "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
            "require-trusted-types-for 'script'; trusted-types 'none'"
        )
        headers = [("content-type", f"{kind}; charset=utf-8"), ("content-security-policy", allowed)]
        await _answer(send, 200, body, headers)

    async def _tab(self, scope: Scope, receive: Receive, send: Send) -> None:
        from starlette.websockets import WebSocket

        tab = WebSocket(scope, receive, send)
        if self._shared.tabs >= MOST_TABS:
            await tab.close(1013)
            return
        self._shared.tabs += 1
        try:
            await tab.accept()
            await Session(self._shared, tab).run()
        finally:
            self._shared.tabs -= 1


def _parts() -> dict[str, tuple[str, bytes]]:
    """Kind and content of everything that is served, by path."""
    from envs.rendering.page import PLAYER, as_script, asset, filled, style_sheet

    own = {path.name: path.read_text("utf-8") for path in files("scripts.live").joinpath("page").iterdir()}
    script = as_script([*map(asset, PLAYER), *(own[name] for name in SCRIPTS)])
    return {
        "/": ("text/html", filled(own["live.html"], {}).encode()),
        "/live.css": ("text/css", (style_sheet() + own["live.css"]).encode()),
        "/live.js": ("text/javascript", script.encode()),
    }
