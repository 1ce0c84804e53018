"""What the command line prints: aligned, one line where one is promised, plain where nobody is watching."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest

from scripts import console
from scripts.console import Console, amount, duration, one_line, pairs, table


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """Yes."""
        return True


def on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Put a terminal in the place of stderr; called in a test itself, as pytest sets stderr anew before each."""
    stream = Terminal()
    monkeypatch.setattr("sys.stderr", stream)
    monkeypatch.delenv("NO_COLOR", raising=False)
    return stream


def test_numbers_end_in_the_same_column() -> None:
    lines = table(("name", "MW"), [["a", "1"], ["longer", "1,000"]])
    assert lines == ["name       MW", "a           1", "longer  1,000"]


def test_long_values_go_on_below_their_beginning() -> None:
    lines = pairs([("a", "word " * 40), ("long name", "x")])
    assert max(map(len, lines)) <= 100
    assert [line[:11].strip() for line in lines] == ["a", "", "", "long name"]
    assert all(line[11] != " " for line in lines)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (12.3456, "12.35"), (9999, "9,999"), (123456.7, "123,457"), (np.inf, "unlimited"), (np.nan, "-")],
)
def test_amounts_have_four_digits(value: float, text: str) -> None:
    assert amount(value) == text


@pytest.mark.parametrize(("seconds", "text"), [(0.2, "0:00"), (75, "1:15"), (3661, "1:01:01"), (-3, "0:00")])
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_forged_line_stays_one_line() -> None:
    assert one_line("a\nerror: \033[31mb\r\u2028") == "a\\nerror: \\x1b[31mb\\r\\u2028"


def test_json_says_null_for_what_json_cannot_say_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    out = Console(json=True)
    out.say("a remark")
    out.result(["text"], {"a": np.float64(1.5), "b": np.array([1, np.inf]), "c": [np.nan], "d": np.int64(3)})
    assert json.loads(capsys.readouterr().out) == {"a": 1.5, "b": [1, None], "c": [None], "d": 3}


def test_quiet_prints_the_result_alone(capsys: pytest.CaptureFixture[str]) -> None:
    out = Console(quiet=True)
    out.say("a remark")
    out.result(["the result"])
    assert capsys.readouterr().out == "the result\n"


def test_a_bar_on_a_terminal_tells_what_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_a_terminal(monkeypatch)
    monkeypatch.setenv("COLUMNS", "75")
    now_s = iter([100.0, 100.0, 130.0])
    monkeypatch.setattr(console.time, "monotonic", lambda: next(now_s))
    with Console().progress("training", 4.0) as report:
        report(1.0, "far from done, and more than fits into the line")
    first, last, cleared = terminal.getvalue().split("\r\033[K")[1:]
    assert first == "training [..............................]   0%  starting  "
    assert last == "training [########......................]  25%  1:30 left  far from done, and more"[:74]
    assert cleared == ""


@pytest.mark.parametrize("silent", [{"quiet": True}, {"json": True}])
def test_no_bar_where_silence_is_asked_for(monkeypatch: pytest.MonkeyPatch, silent: dict[str, bool]) -> None:
    terminal = on_a_terminal(monkeypatch)
    with Console(**silent).progress("training", 4.0) as report:
        report(1.0, "")
    assert terminal.getvalue() == ""


def test_no_bar_and_no_colour_away_from_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with Console().progress("training", 4.0) as report:
        report(1.0, "")
    console.error("wrong")
    assert capsys.readouterr().err == "error: wrong\n"


def test_a_line_a_minute_away_from_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A log of a long training shows that it goes on."""
    now_s = iter([100.0, 100.0, 159.0, 190.0, 220.0, 251.0])
    monkeypatch.setattr(console.time, "monotonic", lambda: next(now_s))
    with Console().progress("training", 4.0) as report:
        for done in (0.5, 1.0, 1.5, 2.0):
            report(done, "gradient")
    lines = ["training: 25%, 4:30 left  gradient", "training: 50%, 2:31 left  gradient"]
    assert capsys.readouterr().err.splitlines() == lines


def test_colour_on_a_terminal_unless_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_a_terminal(monkeypatch)
    console.error("wrong")
    assert terminal.getvalue() == "\033[31merror:\033[0m wrong\n"
    monkeypatch.setenv("NO_COLOR", "1")
    console.error("wrong")
    assert terminal.getvalue().endswith("\nerror: wrong\n")
