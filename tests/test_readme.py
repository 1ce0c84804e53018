"""The README is short, its commands come first, and what it names is there; ``test_docs_pages`` runs its code."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_two_commands_come_before_line_40():
    top = README.splitlines()[:40]
    for command in ("make demo", "make test"):
        (line,) = [line for line in top if line.startswith(f"    {command} ")]
        assert re.search(r"\d min", line)


def test_it_has_at_most_130_lines():
    assert len(README.splitlines()) <= 130


def test_the_walk_in_python_has_at_most_15_lines():
    (walk,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    assert len(walk.splitlines()) <= 15


def test_its_make_targets_exist():
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for target in re.findall(r"\bmake (\w+)", README):
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target


def test_what_it_links_to_is_there():
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", README)
    assert len(links) > 10
    for link in links:
        assert link.startswith("https://") or (ROOT / link).is_file(), link


def test_the_places_that_contributing_names_exist():
    page = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    places = set(re.findall(r"`([\w./-]+/[\w./-]*)`", page)) - {"tests/grid/"}  # which must not be made
    assert len(places) > 15
    assert [place for place in places if not (ROOT / place).exists()] == []
