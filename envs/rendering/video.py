"""Write animations frame by frame: .gif with Pillow, .mp4 with ffmpeg. A file is written whole or not at all."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BufferedWriter
from pathlib import Path
from typing import IO, TypeAlias

import numpy as np
from matplotlib.colors import to_rgb
from numpy.typing import NDArray
from PIL import GifImagePlugin
from PIL import Image as Pillow

from envs.rendering.canvas import Image
from envs.rendering.style import EXACT
from grid import GridError, atomic_path

Progress: TypeAlias = Callable[[int, int], None]  # called with the number of frames done and of all frames

ANIMATIONS, PICTURES = (".gif", ".mp4"), (".png", ".svg", ".pdf")
SUFFIXES = dict.fromkeys(("grid_state", "sim_results"), (*ANIMATIONS, *PICTURES))
"""What files each picture of an episode can be."""

SECONDS_PER_STEP = 0.32
LONGEST_S = 25.0  # longer episodes play faster
HOLD_S = 1.0  # the last frame stays
MP4_FPS = 24.0
_SAMPLES = 6  # frames that the colours of a GIF are chosen from


@dataclass(frozen=True)
class Clip:
    """An animation of an episode: ``paint(t)`` gives the picture t steps after the first."""

    paint: Callable[[float], Image]
    steps: int
    fps: float
    colours: int = 63  # of a .gif, at most 255; one more means "as before"

    @property
    def times(self) -> list[float]:
        """When each frame is, in steps after the first."""
        last = self.steps - 1
        frames = round(last * seconds_per_step(self.steps) * self.fps) + 1
        return [float(t) for t in np.linspace(0, last, frames)]


def seconds_per_step(steps: int) -> float:
    """Duration of each step in an animation of this many steps."""
    return min(SECONDS_PER_STEP, LONGEST_S / max(steps - 1, 1))


def check_suffix(path: str | Path, allowed: tuple[str, ...]) -> str:
    """The suffix of a path, in lower case.

    Raises:
        GridError: it is not one of those allowed.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in allowed:
        found = f"the suffix {suffix!r}" if suffix else "no suffix"
        raise GridError(str(path), found, ", ".join(allowed), "end the file name with one of these")
    return suffix


def write_animation(path: str | Path, clip: Clip, progress: Progress | None = None) -> Path:
    """Write a .gif or .mp4; returns its path.

    Raises:
        GridError: the suffix is another, the file cannot be written, or ffmpeg is missing or fails.
    """
    write = {".gif": _write_gif, ".mp4": _write_mp4}[check_suffix(path, ANIMATIONS)]
    with atomic_path(path) as temporary:
        write(Path(path), temporary, clip, progress)
    return Path(path)


def _frames(clip: Clip, progress: Progress | None) -> Iterator[Image]:
    times = clip.times
    for done, t in enumerate(times, start=1):
        yield clip.paint(t)
        if progress is not None:
            progress(done, len(times))


def _write_gif(path: Path, temporary: Path, clip: Clip, progress: Progress | None) -> None:
    """Write one palette for all frames, and of each frame only the pixels that have changed: this keeps files small."""
    samples = np.linspace(0, clip.steps - 1, min(_SAMPLES, clip.steps))
    palette = _palette([clip.paint(float(t)) for t in samples], clip.colours)
    nearest = _nearest(palette)
    last, same = len(clip.times) - 1, len(palette)
    before: NDArray[np.uint8] | None = None
    with temporary.open("wb") as file:
        for number, frame in enumerate(_frames(clip, progress)):
            red, green, blue = (frame[..., channel].astype(np.uint16) for channel in range(3))
            now = nearest[(red >> 3 << 11) | (green >> 2 << 5) | (blue >> 3)]
            milliseconds = 1000 * (HOLD_S if number == last else 1 / clip.fps)
            _write_gif_frame(file, palette, now, before, same, milliseconds)
            before = now
        file.write(b";")


def _write_gif_frame(
    file: BufferedWriter,
    palette: NDArray[np.uint8],
    now: NDArray[np.uint8],
    before: NDArray[np.uint8] | None,
    same: int,
    milliseconds: float,
) -> None:
    part, corner = now, (0, 0)
    if before is not None:
        changed = now != before
        rows, columns = np.flatnonzero(changed.any(1)), np.flatnonzero(changed.any(0))
        top, bottom = (rows[0], rows[-1] + 1) if rows.size else (0, 1)
        left, right = (columns[0], columns[-1] + 1) if columns.size else (0, 1)
        part = np.where(changed, now, np.uint8(same))[top:bottom, left:right]
        corner = int(left), int(top)
    image = Pillow.fromarray(part).convert("P")
    image.putpalette(palette.tobytes())
    if before is None:
        header, _ = GifImagePlugin.getheader(image, info={"loop": 0})
        file.writelines(header)
    keep = {"duration": milliseconds, "transparency": same, "disposal": 1, "include_color_table": False}
    file.writelines(GifImagePlugin.getdata(image, corner, **keep))


def _palette(samples: list[Image], count: int) -> NDArray[np.uint8]:
    """(count, 3) colours: first the colours that carry meaning, unchanged; then the most common of the others."""
    exact = np.round([[255 * part for part in to_rgb(colour)] for colour in EXACT]).astype(np.uint8)
    together, others = Pillow.fromarray(np.vstack(samples)), count - len(exact)
    common = together.quantize(others, method=Pillow.Quantize.MEDIANCUT, dither=Pillow.Dither.NONE)
    colours = np.array(common.getpalette("RGB"), np.uint8).reshape(-1, 3)
    return np.vstack([exact, colours[:others]])


def _nearest(palette: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(65536,) index of the nearest palette colour, for each colour of 5 + 6 + 5 bits."""
    bits = np.arange(65536)
    high = np.column_stack([bits >> 11, bits >> 5 & 63, bits & 31]).astype(np.float32)
    colours = high * np.array([255 / 31, 255 / 63, 255 / 31], np.float32)
    points = palette.astype(np.float32)
    distance = (points**2).sum(1) - 2 * colours @ points.T
    nearest: NDArray[np.uint8] = distance.argmin(1).astype(np.uint8)
    return nearest


def _write_mp4(path: Path, temporary: Path, clip: Clip, progress: Progress | None) -> None:
    program = _ffmpeg(path)
    height, width = clip.paint(0.0).shape[:2]
    command = [program, "-y", "-loglevel", "error", "-xerror"]
    command += ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", f"{clip.fps:g}", "-i", "-"]
    command += ["-c:v", "libx264", "-preset", "veryfast", "-crf", "20", "-tune", "animation"]
    command += ["-pix_fmt", "yuv420p", "-movflags", "+faststart", str(temporary)]
    with tempfile.TemporaryFile() as messages:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=messages)
        try:
            _feed(process.stdin, clip, progress)
        except BaseException:
            process.kill()
            raise
        finally:
            process.wait()
        messages.seek(0)
        said = messages.read().decode(errors="replace").strip()
    if process.returncode or said or not temporary.stat().st_size:
        reason = said.splitlines()[0][:200] if said else "no message"
        found = f"ffmpeg ended with code {process.returncode}: {reason}"
        raise GridError(str(path), found, "a video without errors", "free some space or choose another folder")


def _feed(pipe: IO[bytes] | None, clip: Clip, progress: Progress | None) -> None:
    """Write all frames to ffmpeg and repeat the last; stop if ffmpeg closes the pipe: its exit code says why."""
    if pipe is None:
        return
    try:
        with pipe:
            for frame in _frames(clip, progress):
                pipe.write(frame.data)
            for _ in range(round(HOLD_S * clip.fps)):
                pipe.write(frame.data)
    except BrokenPipeError:
        return


def _ffmpeg(path: Path) -> str:
    try:
        from imageio_ffmpeg import get_ffmpeg_exe

        return str(get_ffmpeg_exe())
    except (ImportError, RuntimeError) as error:
        found = "no ffmpeg to write it with"
        raise GridError(str(path), found, ".gif without it", "pip install load-balancer[render]") from error
