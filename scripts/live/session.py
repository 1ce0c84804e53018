"""One tab: its messages, what they ask for, and what keeps them small and few."""

from __future__ import annotations

import asyncio
import json
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from envs import WORLDS, Problem
from grid import Grid, GridError, Series
from scripts.live import editing
from scripts.live.messages import Budget, Message, finite, number, text, whole
from scripts.running import AGENT, fitting
from topologies import names

if TYPE_CHECKING:
    from starlette.websockets import WebSocket

    from policies import Agent
    from scripts.live.drive import Drive
    from scripts.live.shared import Shared

LARGEST_MESSAGE = 12_000_000  # bytes: a file of 9 MB in base64
A_SECOND, AT_ONCE = 60.0, 240.0  # messages of one tab
BYTES_A_SECOND, BYTES_AT_ONCE = 3e6, 40e6
LONGEST_STEPS, MOST_NODE_STEPS = 2000, 1_000_000  # of an episode, and times its nodes
LOOK_S = 0.5  # between two looks at the training
MOST_WAITING = 8  # messages of a tab that have been read and are not yet answered


class TabClosedError(Exception):
    """Nobody waits for the answer any more."""


class Session:
    """Answers the messages of one tab, one after the other; what it holds goes when the tab does."""

    def __init__(self, shared: Shared, tab: WebSocket) -> None:
        self._shared, self._tab = shared, tab
        self._agent: Agent | None = shared.agent
        self._series: Series | None = None
        self._drive: Drive | None = None
        self._sending = asyncio.Lock()
        self._told: Any = None  # of the training
        self._is_closed = False
        self._does: dict[str, Callable[[Message], Message]] = {
            name.removeprefix("do_"): getattr(self, name) for name in dir(self) if name.startswith("do_")
        }

    async def run(self) -> None:
        """Answer until the tab closes, or sends too much."""
        texts = asyncio.Queue[str](MOST_WAITING)
        read, answer = (asyncio.create_task(each) for each in (self._read(texts), self._answer_each(texts)))
        look = asyncio.create_task(self._look_at_training())
        try:
            await asyncio.wait((read, answer), return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._is_closed = True  # what is being computed ends
            for each in (read, answer, look):
                each.cancel()
            self._drive = None

    async def _read(self, texts: asyncio.Queue[str]) -> None:
        messages, size = Budget(A_SECOND, AT_ONCE), Budget(BYTES_A_SECOND, BYTES_AT_ONCE)
        while (message := await self._tab.receive())["type"] != "websocket.disconnect":
            text = message.get("text")
            if text is None or not messages.take(1) or not size.take(len(text)):
                await self._tab.close(1008)
                break
            await texts.put(text)

    async def _answer_each(self, texts: asyncio.Queue[str]) -> None:
        await self._send(await self._in_thread(self._hello))
        while True:
            await self._send(await self._in_thread(self._answer, await texts.get()))

    def _check_open(self, *_: Any) -> None:
        if self._is_closed:
            raise TabClosedError

    async def _in_thread(self, work: Callable[..., Message], *given: Any) -> Message:
        return await asyncio.get_running_loop().run_in_executor(self._shared.pool, work, *given)

    async def _send(self, message: Message) -> None:
        from starlette.websockets import WebSocketDisconnect

        text = json.dumps(message, allow_nan=False, separators=(",", ":"))
        with suppress(WebSocketDisconnect, RuntimeError, OSError):  # the tab has gone, or the server ends
            async with self._sending:
                await self._tab.send_text(text)

    async def _look_at_training(self) -> None:
        while True:
            state = await self._in_thread(self._shared.trainer.state)
            if state != self._told:
                self._told = state
                await self._send({"is": "training", **state})
            await asyncio.sleep(LOOK_S)

    def _answer(self, text: str) -> Message:
        """What a message is answered with; whatever is wrong with it is told."""
        about: Message = {}
        try:
            message = json.loads(text)
            if not isinstance(message, dict) or not isinstance(message.get("do"), str):
                raise GridError("message", "another shape", "an object with do", "reload the page")
            about = {"of": message["do"][:20], "id": message.get("id") if isinstance(message.get("id"), int) else None}
            if message["do"] not in self._does:
                raise GridError("message", repr(message["do"][:20]), ", ".join(self._does), "reload the page")
            return {**about, **finite(self._does[message["do"]](message))}
        except GridError as error:
            faults = editing.faults(message.get("grid"), error) if about and isinstance(message, dict) else []
            return {**about, "is": "refused", "text": str(error)[:2000], "faults": faults}
        except (ValueError, RecursionError):
            return {**about, "is": "refused", "text": "a message that cannot be understood", "faults": []}
        except OSError as error:
            return {**about, "is": "refused", "text": f"the working folder: {error.strerror}", "faults": []}
        except TabClosedError:
            return about
        except Exception as error:  # the page and the others go on
            traceback.print_exc(file=sys.stderr)
            return {**about, "is": "refused", "text": f"a fault of the program: {type(error).__name__}", "faults": []}

    def _hello(self) -> Message:
        from envs.rendering.page import shapes

        config = self._shared.config
        grid = cast(Grid, config.topology)
        try:
            opened = self._open(grid)
        except GridError as error:
            opened = {"is": "refused", "text": str(error)}
        about = {
            "columns": editing.columns(),
            "names": names(),
            "built_in": editing.built_in_curves(),
            "shapes": shapes(),
        }
        about |= {"has_agent": self._agent is not None, "steps": min(config.horizon, LONGEST_STEPS)}
        return finite({"is": "hello", **about, "opened": opened})

    def _open(self, grid: Grid) -> Message:
        found = editing.shown(grid)
        self._series, self._drive = grid.series, None
        return {"is": "opened", **found}

    def _grid(self, message: Message) -> Grid:
        return editing.read(message.get("grid"), self._series)

    def _at(self, message: Message) -> Drive:
        """The running episode, gone back to the step at which the message was sent."""
        if self._drive is None:
            raise GridError("episode", "none", "a running episode", "start one")
        if "at" in message:
            self._drive.rewind(whole(message, "at"))
        return self._drive

    # --- edit ---

    def do_new(self, message: Message) -> Message:
        """An empty grid."""
        self._series = self._drive = None
        return {"is": "new"}

    def do_open(self, message: Message) -> Message:
        """A bundled or generated grid, or one in a file that the tab sends."""
        name = text(message, "name", 200)
        if "content" in message:
            return self._open(editing.open_file(name, text(message, "content", LARGEST_MESSAGE), self._shared.workshop))
        return self._open(editing.open_named(name))

    def do_check(self, message: Message) -> Message:
        """All faults of the grid, each with its element, or what is assumed."""
        try:
            return {"is": "checked", "faults": [], "notes": self._grid(message).assumed()}
        except GridError as error:
            return {"is": "checked", "faults": editing.faults(message.get("grid"), error), "notes": []}

    def do_arrange(self, message: Message) -> Message:
        """Places for all nodes where the lines put them."""
        data = message.get("grid")
        return {"is": "arranged", "places": editing.places(data, anew=True) if isinstance(data, dict) else []}

    def do_save(self, message: Message) -> Message:
        """Native JSON in the working folder."""
        name, again = text(message, "name", 70), message.get("replace") is True
        return {"is": "saved", "path": editing.save(self._grid(message), name, self._shared.folder, again)}

    # --- drive ---

    def do_drive(self, message: Message) -> Message:
        """A new episode on the grid as it is."""
        from scripts.live.drive import Drive

        config = replace(self._shared.config, topology=self._grid(message), horizon=whole(message, "steps"))
        most = min(LONGEST_STEPS, MOST_NODE_STEPS // max(len(cast(Grid, config.topology).graph), 1))
        if config.horizon > most:
            raise GridError("steps", str(config.horizon), f"at most {most} here", "use the command line")
        lines = {name for name, *_ in cast(Grid, config.topology).lines()}
        config = replace(config, outages=tuple(each for each in config.outages if each.line in lines))
        if message.get("storm") is True:
            config = replace(config, **WORLDS["storm"])
        problem = Problem.of(fitting(config))
        self._drive = Drive(problem, self._agent, text(message, "assistant", 20), whole(message, "seed"))
        return {"is": "episode", **self._drive.described(), **self._drive.happened(0)}

    def do_step(self, message: Message) -> Message:
        """The next step."""
        drive = self._at(message)
        first = drive.t
        drive.step()
        return {"is": "step", **drive.happened(first)}

    def do_finish(self, message: Message) -> Message:
        """All steps that are left, by the assistant and what is held."""
        drive = self._at(message)
        first = drive.t
        while drive.step():
            self._check_open()
        return {"is": "step", **drive.happened(first)}

    def do_hold(self, message: Message) -> Message:
        """Take a unit in hand, or leave it to the assistant."""
        drive = self._at(message)
        mw = None if message.get("mw") is None else number(message, "mw")
        drive.hold(text(message, "what", 10), whole(message, "node"), mw)
        return {"is": "step", **drive.happened(drive.t)}

    def do_assist(self, message: Message) -> Message:
        """Another assistant."""
        drive = self._at(message)
        drive.assist(text(message, "name", 20))
        return {"is": "step", **drive.happened(0)}

    def do_break(self, message: Message) -> Message:
        """Take a line out."""
        drive = self._at(message)
        hours = number(message, "hours")
        if not 0 < hours <= 10_000:
            raise GridError("hours", f"{hours:g}", "more than 0, at most 10,000", "correct it")
        drive.break_line(whole(message, "line"), hours)
        return {"is": "step", **drive.happened(0)}

    def do_score(self, message: Message) -> Message:
        """You beside the others, once the episode is over."""
        return {"is": "score", **self._at({}).score(self._check_open)}

    def do_watch(self, message: Message) -> Message:
        """What you did beside the optimum, to be played."""
        from envs.rendering.page import described, happened

        you, best = self._at({}).beside_optimum()
        name = message.get("name") if message.get("name") == AGENT else you.policy
        return {
            "is": "pair",
            "data": described(you, [str(name), best.policy], you.steps),
            "steps": happened([you, best]),
            "prices": np.round(cast(np.ndarray, best.nodal_price_per_mwh).T, 3).tolist(),  # (N, T) of the optimum
        }

    def do_keep(self, message: Message) -> Message:
        """Save the episode beside the optimum as a page, as ``render`` does."""
        from envs.rendering import replay

        you, best = self._at({}).beside_optimum()
        folder, number = self._shared.folder, 1
        path = folder / "replay.html"
        while path.exists():
            number += 1
            path = folder / f"replay-{number}.html"
        return {"is": "kept", "path": replay(you, path, versus=best).name}

    # --- train ---

    def do_train(self, message: Message) -> Message:
        """Train on the grid as it is."""
        trainer = self._shared.trainer
        trainer.start(self._grid(message), text(message, "policy", 10), number(message, "seconds"))
        return {"is": "begun"}

    def do_stop(self, message: Message) -> Message:
        """End the training; its best stays."""
        self._shared.trainer.stop()
        return {"is": "stopping"}

    def do_agent(self, message: Message) -> Message:
        """The agent of the training as the assistant from now on."""
        trainer = self._shared.trainer
        if trainer.run is None or trainer.state()["state"] != "done":
            raise GridError("agent", "no trained agent", "a training that ran an update and has ended", "train first")
        from policies import load_agent

        self._agent = load_agent(trainer.run)
        return {"is": "agent", "run": Path(trainer.run).name}
