"""A headless Chromium for tests, driven by chromedriver through the W3C WebDriver protocol over plain HTTP."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import ProxyHandler, Request, build_opener

CHROMIUM = next((found for name in ("chromium", "google-chrome") if (found := shutil.which(name))), None)
DRIVER = shutil.which("chromedriver")
MISSING = " and ".join(n for n, found in (("chromium", CHROMIUM), ("chromedriver", DRIVER)) if found is None)
KEYS = {"space": " ", "left": "\ue012", "right": "\ue014", "home": "\ue011", "end": "\ue010", "tab": "\ue004"}
_OPTIONS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage", "--hide-scrollbars"),
)
_direct = build_opener(ProxyHandler({}))


class Browser:
    """One window; pages see no network but files."""

    def __init__(self, address: str, profile: Path) -> None:
        options = {"binary": CHROMIUM, "args": [*_OPTIONS, f"--user-data-dir={profile}"]}
        wanted = {"browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
        self._address = address
        made = self._call("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
        self._address = f"{address}/session/{made['sessionId']}"

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = Request(self._address + path, data, {"Content-Type": "application/json"}, method=method)
        with _direct.open(request, timeout=60) as answer:
            return json.load(answer)["value"]

    def open(
        self, path: Path | str, width: int = 1280, height: int = 800, is_phone: bool = False, **media: str
    ) -> None:
        """Show a file or an address in a window of this size; ``media`` are features as prefers_color_scheme="dark"."""
        features = [{"name": name.replace("_", "-"), "value": value} for name, value in media.items()]
        self.chrome("Emulation.setEmulatedMedia", features=features)
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": is_phone}
        self.chrome("Emulation.setTouchEmulationEnabled", enabled=is_phone)
        self.chrome("Emulation.setDeviceMetricsOverride", **size)
        self.log()
        self._call("POST", "/url", {"url": path if isinstance(path, str) else path.resolve().as_uri()})

    def chrome(self, command: str, **values: Any) -> Any:
        """A command of the DevTools protocol."""
        return self._call("POST", "/goog/cdp/execute", {"cmd": command, "params": values})

    def run(self, script: str, *values: Any) -> Any:
        """Run a function body of JavaScript in the page; ``arguments`` are the values."""
        return self._call("POST", "/execute/sync", {"script": script, "args": list(values)})

    def text(self, selector: str) -> str:
        """What the reader sees of an element."""
        return str(self.run("return document.querySelector(arguments[0]).innerText", selector))

    def key(self, name: str) -> None:
        """Press and release a key."""
        keys = [{"type": kind, "value": KEYS[name]} for kind in ("keyDown", "keyUp")]
        self._act({"type": "key", "id": "keys", "actions": keys})

    def mouse(self, x: float, y: float, *, click: bool = False) -> None:
        """Move the mouse to a point of the window, and click there."""
        actions: list[dict[str, Any]] = [{"type": "pointerMove", "duration": 0, "x": round(x), "y": round(y)}]
        if click:
            actions += [{"type": "pointerDown", "button": 0}, {"type": "pointerUp", "button": 0}]
        self._act({"type": "pointer", "id": "mouse", "parameters": {"pointerType": "mouse"}, "actions": actions})

    def drag(self, start: tuple[float, float], end: tuple[float, float], pointer: str = "mouse") -> None:
        """Press the mouse, or with pointer="touch" a finger, at a point of the window, and let go at another."""
        (xa, ya), (xb, yb) = start, end
        places = [(xa, ya), ((xa + xb) / 2, (ya + yb) / 2), (xb, yb)]
        moves = [{"type": "pointerMove", "duration": 20, "x": round(x), "y": round(y)} for x, y in places]
        actions = [moves[0], {"type": "pointerDown", "button": 0}, *moves[1:], {"type": "pointerUp", "button": 0}]
        self._act({"type": "pointer", "id": pointer, "parameters": {"pointerType": pointer}, "actions": actions})

    def click(self, selector: str) -> None:
        """Click on the middle of an element with the mouse."""
        x, y = self.middle(selector)
        self.mouse(x, y, click=True)

    def middle(self, selector: str) -> tuple[float, float]:
        """The middle of an element, which is brought into sight."""
        script = """const each = document.querySelector(arguments[0]);
            each.scrollIntoView({ block: "center" });
            const { left, right, top, bottom } = each.getBoundingClientRect();
            return [(left + right) / 2, (top + bottom) / 2];"""
        x, y = self.run(script, selector)
        return x, y

    def type(self, selector: str, text: str) -> None:
        """Put a value into a field, and leave it, as its user does."""
        script = """const field = document.querySelector(arguments[0]);
            field.focus();
            field.value = arguments[1];
            for (const name of ["input", "change"]) field.dispatchEvent(new Event(name, { bubbles: true }));"""
        self.run(script, selector, text)

    def _act(self, actions: dict[str, Any]) -> None:
        self._call("POST", "/actions", {"actions": [actions]})

    def picture(self, path: Path) -> None:
        """Save what the window shows."""
        path.write_bytes(b64decode(self._call("GET", "/screenshot")))

    def log(self) -> list[str]:
        """Messages of the console since the last call: errors, violations of the content policy, and the rest."""
        return [entry["message"] for entry in self._call("POST", "/se/log", {"type": "browser"})]

    def until(self, script: str, seconds: float = 10.0) -> Any:
        """Wait until a function body returns something true; returns that."""
        end = time.monotonic() + seconds
        while not (value := self.run(script)):
            if time.monotonic() > end:
                raise TimeoutError(script)
            time.sleep(0.02)
        return value

    def close(self) -> None:
        """End the session and its processes."""
        self._call("DELETE", "")


@contextmanager
def browser(profile: Path) -> Iterator[Browser]:
    """A browser with a new profile in the given folder."""
    with subprocess.Popen(
        [str(DRIVER), "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as driver:
        try:
            window = Browser(f"http://127.0.0.1:{_port(driver)}", profile)
            try:
                yield window
            finally:
                window.close()
        except URLError as error:
            raise RuntimeError(f"chromedriver does not answer: {error}") from error
        finally:
            driver.terminate()


def _port(driver: subprocess.Popen[str]) -> int:
    for line in driver.stdout or ():
        if "successfully on port" in line:
            return int(line.rstrip(".\n ").rpartition(" ")[2])
    raise RuntimeError("chromedriver ended without a word")
