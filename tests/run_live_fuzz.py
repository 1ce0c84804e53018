"""Hostile tabs for ``live``: random, huge, malformed and disordered messages from many at once.

    python tests/run_live_fuzz.py --seconds 600 --tabs 50

Ends with 1 if the server ends, says a fault of its own, writes anything but what it may, or grows without bound.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from websockets.exceptions import WebSocketException

from live import Server, Tab, serving

ORDERS = [
    *(
        "new",
        "open",
        "check",
        "arrange",
        "save",
        "drive",
        "step",
        "finish",
        "hold",
        "assist",
        "break",
        "score",
        "watch",
    ),
    *("keep", "agent", "stop"),
]
FIELDS = [
    *("grid", "name", "content", "assistant", "steps", "seed", "storm", "at", "what", "node", "mw", "line", "hours"),
    *("id", "do"),
]
MOST_GROWTH_MB = 150.0


def value(rng: random.Random, grid: object, depth: int = 0) -> object:
    """Anything that JSON can say, and grids in which something has been changed."""
    kind = rng.randrange(14 if depth < 3 else 9)
    if kind < 9:
        plain = (None, True, -1, rng.randrange(60), rng.random() * 1e9, float("nan"), "merit", "plan", "../../x", "gen")
        return rng.choice(
            (
                *plain,
                10**400,
                "\u202e\x00</script>",
                "\ud800",
                "gen:3001:1",
                "x" * rng.randrange(3000),
                "triangle",
                1e308,
                [],
            )
        )
    if kind < 11:
        return mutated(rng, grid)
    if kind == 11:
        return [value(rng, grid, depth + 1) for _ in range(rng.randrange(5))]
    return {rng.choice(FIELDS): value(rng, grid, depth + 1) for _ in range(rng.randrange(5))}


def mutated(rng: random.Random, grid: object) -> object:
    """A grid with some of its values replaced."""
    made = json.loads(json.dumps(grid))
    for _ in range(rng.randrange(4)):
        rows = made[rng.choice(("nodes", "edges"))]
        if rows:
            row = rng.choice(rows)
            row[rng.choice([*row, "x", "flex_max_frac"])] = value(rng, {}, 3)
    return made


def message(rng: random.Random, grid: object) -> str | bytes:
    """One message: mostly an order with fields, some right and some not; else noise."""
    kind = rng.random()
    if kind < 0.05:
        return rng.randbytes(rng.randrange(2000))
    if kind < 0.1:
        return "".join(chr(rng.randrange(1, 0xD7FF)) for _ in range(rng.randrange(500)))
    if kind < 0.12:
        return "[" * rng.randrange(200_000)
    if kind < 0.13:
        return json.dumps({"do": "open", "name": "a.json", "content": "A" * rng.randrange(1_000_000)})
    right = {"grid": grid, "assistant": "merit", "steps": 12, "seed": rng.randrange(9), "name": "fuzz", "replace": True}
    right |= {"what": "gen", "node": 0, "mw": 3.0, "line": rng.randrange(3), "hours": 2.0}
    made = {"do": rng.choice(ORDERS), "id": rng.randrange(99), **right}
    if rng.random() < 0.5:
        made["at"] = rng.randrange(12)
    for _ in range(rng.choice((0, 0, 1, 3))):
        made[rng.choice(FIELDS)] = value(rng, grid)
    return json.dumps(made)


def tab(server: Server, seed: int, end: float, seen: Counter[str]) -> None:
    """One tab after the other, each for some messages; some go without a word."""
    rng = random.Random(seed)
    while time.monotonic() < end and server.process.poll() is None:
        try:
            with server.socket() as socket:
                grid = Tab(socket).hello["opened"]["grid"]
                for _ in range(rng.randrange(1, 60)):
                    text = message(rng, grid)
                    socket.send(text)
                    seen["sent"] += 1
                    if rng.random() < 0.8:
                        answer = json.loads(socket.recv(timeout=60))
                        seen[answer["is"]] += 1
                        if "fault of the program" in str(answer.get("text")):
                            seen["FAULT"] += 1
                            print(answer["text"], str(text)[:300], flush=True)
                    if time.monotonic() > end:
                        break
        except (WebSocketException, TimeoutError, OSError) as error:
            seen[type(error).__name__] += 1


def main() -> int:
    """Run and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--tabs", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    seen: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "work"
        folder.mkdir()
        with serving(folder, "triangle") as server:
            rounds, memory = 4, []
            for part in range(rounds):
                end = time.monotonic() + given.seconds / rounds
                seeds = range(given.tabs * part, given.tabs * (part + 1))
                threads = [threading.Thread(target=tab, args=(server, given.seed + seed, end, seen)) for seed in seeds]
                for each in threads:
                    each.start()
                for each in threads:
                    each.join()
                time.sleep(2)
                memory.append(server.memory_mb())
                print(f"after {(part + 1) * given.seconds / rounds:.0f} s: {memory[-1]:.0f} MB", flush=True)
            is_up = server.process.poll() is None
            with server.socket() as socket:
                works = Tab(socket).ask("check", grid={"nodes": [], "edges": []})["is"]
        files = sorted(path.name for path in folder.rglob("*"))
        strangers = [name for name in files if not name.endswith((".json", ".html", ".csv"))]
        outside = [path.name for path in Path(place).iterdir() if path.name != "work"]
    growth_mb = memory[-1] - memory[1]
    print(dict(seen.most_common()), f"grew by {growth_mb:.0f} MB", f"files {len(files)}", strangers, outside, works)
    return int(not is_up or bool(seen["FAULT"]) or bool(strangers) or bool(outside) or growth_mb > MOST_GROWTH_MB)


if __name__ == "__main__":
    sys.exit(main())
