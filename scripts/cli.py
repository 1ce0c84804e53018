"""``load-balancer``: finds the command, runs it, and turns every error into one line."""

from __future__ import annotations

import importlib
import importlib.util
import io
import logging
import signal
import sys
import threading
import traceback
from collections.abc import Collection, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, get_type_hints

from scripts import console

PROGRAM = "load-balancer"
COMMANDS: dict[str, tuple[str, str]] = {
    "topologies": ("list_topologies.Topologies", "list the grids that come with the program"),
    "inspect": ("inspect_grid.Inspect", "check a grid: size, limits, assumptions, faults"),
    "profiles": ("profiles.Profiles", "check and draw time series: a file's, or the shipped year's"),
    "columns": ("columns.ColumnsCommand", "list what nodes and lines of a grid can say, with units and defaults"),
    "new": ("new.New", "write a small grid as tables to start from: nodes.csv and lines.csv"),
    "convert": ("convert.Convert", "convert a grid file to another format"),
    "tasks": ("tasks.Tasks", "list the named decision problems on which results are compared"),
    "train": ("train.Train", "train an agent to run a grid"),
    "evaluate": ("evaluate.Evaluate", "compare policies on the same episodes, up to the optimum"),
    "optimum": ("optimum.OptimumCommand", "compute the provable best of one episode"),
    "contingency": ("contingency.ContingencyCommand", "rank every single line outage by what it leads to"),
    "render": ("render.Render", "make a picture or an animation of an episode"),
    "live": ("live.Live", "edit a grid, run it by hand and train on it, in the browser"),
    "benchmark": ("benchmarks.Benchmark", "measure how fast this machine steps, trains and draws"),
    "demo": ("demo.Demo", "train, evaluate and render on the grid `classic` in 3 minutes"),
}
"""Each command with its class and what it does."""

EXIT_FAILED, EXIT_BAD_INPUT, EXIT_BROKEN_PIPE = 1, 2, 141


class UsageError(Exception):
    """A command line that cannot be understood."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line (by default that of the process) and return its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in words
    before = _end_as_by_ctrl_c()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal that lacks a letter is no reason to stop
    try:
        if sys.stdout is None:
            raise UsageError("stdout: found it closed; allowed: an output that can be written; send it to a file")
        code = _run([word for word in words if word != "--debug"])
        with console.on_stdout():
            sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        console.error("interrupted before the end; nothing half-written is left behind")
        return console.EXIT_INTERRUPTED
    except BrokenPipeError:
        console.drop_stdout()
        return EXIT_BROKEN_PIPE
    except Exception as error:
        if debug:
            traceback.print_exc()
        return _report(error)
    finally:
        if before is not None:
            signal.signal(signal.SIGTERM, before)


def _end_as_by_ctrl_c() -> Any:
    """Let SIGTERM do what Ctrl-C does: it leaves a usable run and nothing half-written; returns its old handler."""
    if threading.current_thread() is not threading.main_thread():
        return None
    return signal.signal(signal.SIGTERM, _ctrl_c)


def _ctrl_c(*_: Any) -> None:
    handler = signal.getsignal(signal.SIGINT)
    if not callable(handler):  # it is ignored, as in the background of a script
        raise KeyboardInterrupt
    handler(signal.SIGINT, None)


def _run(words: list[str]) -> int:
    if not words or words[0] in ("-h", "--help", "help"):
        console.Console().result(overview())
        return 0
    if words[0] == "--version":
        console.Console().result([f"{PROGRAM} {_version()}"])
        return 0
    _refuse_shadows()
    with console.on_stdout():  # the help of a command is printed there
        options = parse(words)
    if options is None:
        return 0
    out = console.Console(json=getattr(options, "json", False), quiet=options.quiet)
    if out.quiet:
        logging.getLogger("grid").setLevel(logging.ERROR)
    with redirect_stdout(sys.stderr if out.json else sys.stdout):  # no library may add to the one object
        return options.run(out) or 0


def _report(error: Exception) -> int:
    """Print an error as one line a fault and return the exit code."""
    if isinstance(error, UsageError):
        console.error(str(error))
        return EXIT_BAD_INPUT
    from grid import GridError

    if isinstance(error, PermissionError) and error.filename is not None:
        mend = "choose another path, or change its permissions"
        error = GridError(str(error.filename), str(error.strerror), "a path that can be reached", mend)
    if isinstance(error, GridError):
        for line in str(error).splitlines():  # those that are alike in one, and a bounded number
            console.error(line)
        return EXIT_BAD_INPUT
    what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    console.error(f"a fault of the program, not of your input: {what}; run again with --debug to see where")
    return EXIT_FAILED


def overview() -> list[str]:
    """The help of the program as a whole."""
    rows = [(f"  {name}", text) for name, (_, text) in COMMANDS.items()]
    return [
        f"usage: {PROGRAM} COMMAND ...",
        "",
        "Learns to run energy grids, and measures the result against the provable optimum.",
        "",
        "commands:",
        *console.pairs(rows),
        "",
        f"{PROGRAM} COMMAND --help lists the options of a command with their defaults and units.",
        f"Start with: {PROGRAM} demo",
    ]


def parse(words: list[str]) -> Any:
    """The options of a command line as the command's dataclass; None where only help was asked for.

    Raises:
        UsageError: an unknown command or option, or a value that is not allowed.
    """
    import tyro
    from tyro._errors import on_parse_error  # not public yet: pyproject.toml bounds the version

    from grid import nearest

    name, rest = words[0], words[1:]
    if name not in COMMANDS:
        kind = "option" if name.startswith("-") else "command"
        raise UsageError(f"unknown {kind} {name!r}; {nearest(name, COMMANDS)}")
    module, _, cls = COMMANDS[name][0].partition(".")
    command = getattr(importlib.import_module(f"scripts.{module}"), cls)
    named = _option_names(command)
    given = [word.partition("=")[0].replace("_", "-") for word in rest if word.startswith("--")]
    for option, several in named.items():
        if given.count(option) > 1:
            mend = f"give {option} once{', with all its values' if several else ''}"
            raise UsageError(f"{option}: found it {given.count(option)} times; allowed: once; {mend}")

    def refuse(event: Any) -> None:
        raise UsageError(_reason(event, name, named))

    try:
        with on_parse_error(refuse):
            return tyro.cli(command, prog=f"{PROGRAM} {name}", args=rest, config=(tyro.conf.FlagCreatePairsOff,))
    except SystemExit as stop:
        if stop.code == 0:  # tyro has printed the help
            return None
        raise


def _reason(event: Any, name: str, named: Collection[str]) -> str:
    """Why tyro cannot understand the words of a command."""
    from tyro import _errors

    from grid import nearest

    help_ = f"{PROGRAM} {name} --help shows what it takes"
    if isinstance(event, _errors.UnrecognizedArgs):
        word = event.tokens[0]
        if word.startswith("-"):
            return f"unknown option {word!r} of {name}; {nearest(word, named)}"
        return f"{name} cannot use {word!r}; {help_}"
    if isinstance(event, _errors.BadValue) and not event.argument.is_positional():
        return f"{event.argument.display_name()}: found no value; allowed: {event.argument.lowered.metavar}; {help_}"
    missing = [event.argument] if isinstance(event, _errors.BadValue) else []
    if isinstance(event, _errors.MissingArgs):
        missing = [each.arg for each in event.missing_arguments]
    if missing:
        return f"{name} needs {' '.join(str(argument.lowered.metavar) for argument in missing)}; {help_}"
    if isinstance(event, _errors.InstantiationFailure) and event.argument is not None:
        return f"{event.argument.display_name()}: {event.message}"
    return f"{name} cannot be understood; {help_}"


def _option_names(command: type) -> dict[str, bool]:
    """The options of a command, positional ones left out, and whether each takes several values."""
    import tyro

    named: dict[str, bool] = {}
    for name, hint in get_type_hints(command, include_extras=True).items():
        about = getattr(hint, "__metadata__", ())
        if tyro.conf.OmitArgPrefixes in about:  # a group of options
            named |= _option_names(hint.__origin__)
        elif tyro.conf.Positional not in about:
            named[f"--{name.replace('_', '-')}"] = isinstance(getattr(command, name, None), tuple)
    return named


def _refuse_shadows() -> None:
    """Name a folder that stands in for one of the program's packages, such as an envs/ in the working directory.

    Raises:
        UsageError: there is one.
    """
    home = Path(__file__).resolve().parent.parent
    for package in ("grid", "topologies", "envs", "policies"):
        spec = importlib.util.find_spec(package)
        places = [] if spec is None else [Path(place).resolve() for place in spec.submodule_search_locations or ()]
        if spec is not None and home / package not in places[:1]:
            found = places[0] if places else spec.origin
            raise UsageError(
                f"{found} shadows the program's own package {package!r} in {home}; rename it or work in another folder"
            )


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(PROGRAM)
    except PackageNotFoundError:
        return "(not installed)"


if __name__ == "__main__":
    sys.exit(main())
