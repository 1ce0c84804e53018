"""The list of columns on the command line."""

import json

from grid import COLUMNS
from scripts.cli import main


def test_every_column_is_listed_with_unit_range_default_and_meaning(capsys):
    assert main(["columns"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert all(f"{name} {column.table}: {column.meaning} (" in text for name, column in COLUMNS.items())
    for words in (
        "gen_max_mw node: largest output (a number >= 0 in MW; required for a source)",
        "capacity_mw line: largest flow (a number > 0 in MW; default unlimited)",
        "charge_eff_frac node: energy stored per energy taken (a number in (0, 1]; default 0.95)",
        "gen_profile node: profile of the available share of gen_max_mw; absent: always 1 (the name of a profile)",
    ):
        assert words in text


def test_the_list_as_json_has_plain_values(capsys):
    assert main(["columns", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)["columns"]}
    assert list(rows) == list(COLUMNS)
    defaults = [
        rows[name]["default"] for name in ("shed_cost_per_mwh", "capacity_mw", "x", "load_profile", "start_cost")
    ]
    assert defaults == [1000, "unlimited", None, None, None]
    assert rows["store_max_mwh"]["required_for"] == ["storage"]
    assert (rows["tap"]["table"], rows["tap"]["unit"]) == ("line", "1")
