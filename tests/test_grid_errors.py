"""The report of many faults: those that are alike in one line, and no file read on without end."""

from __future__ import annotations

import pickle

import pytest

from grid import Fault, Faults, GridError
from topologies import load, read_series


def fault(where: str, found: str) -> Fault:
    return Fault(where, found, "something else", "correct it")


def test_many_faults_that_are_alike_are_one_line_with_their_number():
    faults = [fault(f"node {name!r}", f"gen_max_mw -{i}") for i, name in enumerate("abcde", 1)]
    error = GridError.of(
        [fault("graph", "x"), *faults, fault("line 'e'", "gen_max_mw -1"), fault("node 'a'", "no kind")]
    )
    assert str(error).splitlines() == [
        "graph: found x; allowed: something else; correct it",
        "node 'a' and 4 others: found gen_max_mw -1; allowed: something else; correct it",
        "line 'e': found gen_max_mw -1; allowed: something else; correct it",
        "node 'a': found no kind; allowed: something else; correct it",
    ]
    assert len(error.faults) == 8
    assert str(pickle.loads(pickle.dumps(error))) == str(error)  # noqa: S301 -- our own bytes


def test_a_few_faults_and_those_with_other_names_stay_lines_of_their_own():
    few = [fault(f"x.csv, line {i}, p_nom", repr(f"{i},0")) for i in range(3)]
    assert len(str(GridError.of(few)).splitlines()) == 3
    unlike = [fault(f"node {i}", f"the unknown field {name!r}") for i, name in enumerate("abcdefgh")]
    assert len(str(GridError.of(unlike)).splitlines()) == 8


def test_columns_of_one_file_are_grouped_apart():
    faults = [fault(f"x.csv, line {i}, {column}", "-1") for i in range(9) for column in ("p_nom", "p_max")]
    assert [line.partition(":")[0] for line in str(GridError.of(faults)).splitlines()] == [
        "x.csv, line 0, p_nom and 8 others",
        "x.csv, line 0, p_max and 8 others",
    ]


def test_a_file_is_not_read_on_after_a_thousand_faults():
    def read() -> None:
        faults = Faults()
        for i in range(5000):
            with faults.gather():
                raise GridError.of([fault(f"line {i}", "x")])

    with pytest.raises(GridError) as error:
        read()
    first, last = str(error.value).splitlines()
    assert first == "line 0 and 999 others: found x; allowed: something else; correct it"
    assert last == (
        "line 999: found 1,000 faults so far; allowed: none; correct those first; the rest of the file was not read"
    )


def test_hundreds_of_like_faults_of_a_file_are_one_line(tmp_path):
    node = '<node id="n{}"><data key="k">sauce</data></node>'
    key = '<key id="k" for="node" attr.name="kind" attr.type="string"/>'
    nodes = "".join(node.format(i) for i in range(212))
    (tmp_path / "net.graphml").write_text(f"<graphml>{key}<graph>{nodes}</graph></graphml>")
    series = "".join(f"{hour},x\n" for hour in range(400))
    (tmp_path / "series.csv").write_text(f"time_h,town [MW]\n{series}")
    case = "mpc.bus = [\n" + "a b\n" * 300 + "];"
    (tmp_path / "case.m").write_text(case)
    for name, act, count in (
        ("net.graphml", load, "node 'n0' and 211 others: found kind 'sauce'"),
        ("series.csv", read_series, "column 'town' and 399 others: found 'x'"),
        ("case.m", load, "mpc.bus and 299 others: found 'a'"),
    ):
        with pytest.raises(GridError) as error:
            act(tmp_path / name)
        assert len(str(error.value).splitlines()) == 1
        assert count in str(error.value)
