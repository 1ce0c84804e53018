"""Makes docs/live.gif from a real session: a grid built by mouse, driven, broken, scored, and seen beside the optimum.

python tests/run_live_picture.py docs/live.gif
"""

from __future__ import annotations

import sys
import tempfile
import time
from io import BytesIO
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from PIL import Image

from browser import Browser, browser
from live import serving
from test_scripts_live_browser import build_triangle, step_to

SIZE, WIDTH = (1060, 700), 720
COLOURS = 160


class Film:
    """Frames of the window, each with how long it is shown."""

    def __init__(self, window: Browser) -> None:
        self._window, self._frames, self._ms = window, list[Image.Image](), list[int]()

    def shoot(self, ms: int) -> None:
        """Add what the window shows now."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "frame.png"
            self._window.picture(path)
            frame = Image.open(BytesIO(path.read_bytes())).convert("RGB")
        self._frames.append(frame.resize((WIDTH, round(WIDTH * frame.height / frame.width)), Image.Resampling.LANCZOS))
        self._ms.append(ms)

    def write(self, path: Path) -> None:
        """Write them with one palette."""
        some = self._frames[:: max(1, len(self._frames) // 6)]
        sheet = Image.new("RGB", (some[0].width, some[0].height * len(some)))
        for row, frame in enumerate(some):
            sheet.paste(frame, (0, row * frame.height))
        palette = sheet.quantize(COLOURS)
        first, *rest = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in self._frames]
        first.save(path, save_all=True, append_images=rest, duration=self._ms, loop=0, optimize=True)


def main() -> None:
    """Play the session and write the animation."""
    with (
        tempfile.TemporaryDirectory() as work,
        serving(Path(work), "triangle") as server,
        browser(Path(work) / "profile") as window,
    ):
        film = Film(window)
        window.open(server.url, *SIZE)
        window.until("return document.getElementById('pick')?.options.length > 3", 60)
        build_triangle(window, lambda: film.shoot(500))
        window.type("#name", "mygrid")
        film.shoot(1200)
        window.run("document.getElementById('assistant').value = 'merit'")
        window.click("#tab-drive")
        window.until("return document.getElementById('counts').innerText.includes('48 steps')", 120)
        film.shoot(900)
        for step in range(1, 19):
            step_to(window, step)
            film.shoot(200)
            if step == 9:
                window.click("#break")
                window.until("return document.getElementById('status').innerText.includes('is out')", 30)
            if step == 14:
                window.type("#unit-1", "3")
                time.sleep(0.5)
        window.click("#finish")
        window.until("return !document.getElementById('scores').hidden", 240)
        window.run("scrollTo(0, 0)")
        film.shoot(2500)
        window.click("#watch")
        window.until("return document.body.classList.contains('pair')", 60)
        window.run("document.getElementById('play').click()")
        for t in range(6, 48, 3):
            script = "const time = document.getElementById('time'); time.value = arguments[0];"
            window.run(script + "time.dispatchEvent(new Event('input'))", t)
            film.shoot(200)
        film.write(Path(sys.argv[1]))


if __name__ == "__main__":
    main()
