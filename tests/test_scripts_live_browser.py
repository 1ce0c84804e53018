"""The page ``live`` in a headless Chromium: built, mended, driven, scored and trained by mouse and keys."""

from __future__ import annotations

from contextlib import suppress

import pytest

from browser import MISSING, browser
from live import serving

pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"needs {MISSING}, to be found on the PATH")

READY = "return document.getElementById('pick').options.length > arguments[0]"
AT = """const box = document.getElementById("sheet").getBoundingClientRect();
    return [box.left + box.width * arguments[0], box.top + box.height * arguments[1]]"""
TO_THE_LAST = """const time = document.getElementById("time");
    time.value = time.max;
    time.dispatchEvent(new Event("input"));"""
SPOTS = {"plant": (0.3, 0.25), "battery": (0.3, 0.75), "town": (0.75, 0.5)}
FIELDS = {
    "plant": ("source", {"gen_max_mw": 12, "gen_cost_per_mwh": 30}),
    "battery": ("storage", {"store_max_mwh": 16, "charge_max_mw": 4, "discharge_max_mw": 4}),
    "town": ("consumer", {"load_max_mw": 10, "load_profile": "household"}),
}
LINES = (("plant", "town", 5), ("plant", "battery", 6), ("battery", "town", 6))


@pytest.fixture(scope="module")
def window(tmp_path_factory):
    with browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("work"), "triangle") as made:
        yield made


def opened(window, server, *size, **media):
    window.open(server.url, *size, **media)
    window.until("return document.getElementById('pick')?.options.length > 3", 60)


def spot(window, name):
    return tuple(window.run(AT, *SPOTS[name]))


def build_triangle(window, after_part=lambda: None):
    """The README's grid, by mouse from nothing."""
    window.click("#new")
    window.until("return document.getElementById('pick').options.length === 1")
    for name, (kind, fields) in FIELDS.items():
        x, y = window.middle(f"[data-tool={kind}]")
        window.drag((x, y), spot(window, name))
        window.type("#f-id", name)
        for column, value in fields.items():
            window.type(f"#f-{column}", str(value))
        after_part()
    window.click("[data-tool=line]")
    for source, target, capacity_mw in LINES:
        window.drag(spot(window, source), spot(window, target))
        window.type("#f-capacity_mw", str(capacity_mw))
        after_part()
    window.click("[data-tool=move]")


def faults(window):
    return window.run("return [...document.querySelectorAll('#faults .fault')].map(each => each.innerText)")


def step_to(window, step):
    """Go forward; once more where a step was looked at, and so taken anew, before the page had come to its end."""
    there = f"return document.getElementById('step').innerText.startsWith('step {step} ')"
    for _ in range(4):
        window.run("document.getElementById('forward').click()")
        with suppress(TimeoutError):
            window.until(there, 30)
            return
    raise TimeoutError(there)


def test_a_grid_is_built_by_mouse_and_a_fault_is_seen_at_its_field_and_mended(window, server):
    opened(window, server)
    build_triangle(window)
    window.until("return document.getElementById('status').innerText === 'no faults'")
    window.run("document.getElementById('pick').value = 'node 0'")
    window.type("#pick", "node 0")
    window.type("#f-gen_max_mw", "-3")
    window.until("return document.querySelector('#f-gen_max_mw').getAttribute('aria-invalid')")
    (said,) = faults(window)
    assert said == "node 'plant': found gen_max_mw -3; allowed: a number >= 0; correct the value"
    assert window.text("#fields .fault") == said
    window.type("#f-gen_max_mw", "12")
    window.until("return document.getElementById('status').innerText === 'no faults'")
    window.click("#undo")
    window.until("return document.querySelectorAll('#faults .fault').length === 1")
    window.click("#redo")
    window.until("return document.querySelectorAll('#faults .fault').length === 0")
    window.type("#name", "mygrid")
    window.click("#save")
    window.until("return document.getElementById('status').innerText.startsWith('Saved as mygrid.json')")
    assert (server.folder / "mygrid.json").is_file()
    assert window.log() == []


def test_an_episode_is_driven_a_line_breaks_and_earlier_steps_are_taken_anew(window, server):
    opened(window, server)
    window.click("#tab-drive")
    window.until("return document.getElementById('counts').innerText.includes('48 steps')", 120)
    for step in range(1, 11):
        step_to(window, step)
    window.type("#unit-0", "6")
    window.until("return document.querySelector('.unit').classList.contains('held')")
    window.click("#break")
    window.until("return document.getElementById('status').innerText.includes('is out')", 30)
    step_to(window, 11)
    window.until("return document.getElementById('panels').innerText.match(/1\\s+lines out/)")
    assert "6 MW" in window.text(".unit")
    for _ in range(4):
        window.run("document.getElementById('back').click()")
    window.type("#unit-0", "5")
    window.until("return document.getElementById('status').innerText === 'From step 8 on it is decided anew.'", 30)
    window.until(TO_THE_LAST + "return document.getElementById('step').innerText.startsWith('step 7 ')", 30)
    step_to(window, 8)
    assert window.log() == []


def test_a_faulty_grid_shows_its_faults_in_place_of_an_episode_and_the_way_back(window, server):
    opened(window, server, 390, 800)
    window.type("#pick", "node 0")
    window.type("#f-gen_max_mw", "ten")
    window.click("#tab-drive")
    window.until("return !document.getElementById('refused').hidden", 60)
    assert "node 'plant': found gen_max_mw 'ten'; allowed: a number >= 0" in window.text("#refused")
    assert window.run("return document.getElementById('player').hidden")
    assert window.run("return [...document.getElementById('setup').elements].every((each) => each.disabled)")
    window.click("#refused button")
    assert not window.run("return document.getElementById('edit').hidden")
    window.type("#f-gen_max_mw", "12")
    window.click("#tab-drive")
    window.until("return !document.getElementById('player').hidden", 120)
    assert window.run("return document.getElementById('refused').hidden")
    assert not window.run("return document.getElementById('finish').disabled")
    assert window.log() == []


def touch(window, start, end):
    window.run("scrollTo(0, 0)")
    window.drag(start(), end(), "touch")


def test_a_phone_places_wires_and_holds_with_a_finger(window, server):
    window.open(server.url, 390, 844, is_phone=True)
    window.until(READY.replace("arguments[0]", "3"), 60)
    window.run("document.getElementById('new').click()")
    window.until("return document.getElementById('pick').options.length === 1")
    for name, (kind, fields) in FIELDS.items():
        touch(window, lambda kind=kind: tool(window, kind), lambda name=name: spot(window, name))
        window.type("#f-id", name)
        for column, value in fields.items():
            window.type(f"#f-{column}", str(value))
    window.run("document.querySelector('[data-tool=line]').click()")
    for source, target, _ in LINES:
        touch(window, lambda name=source: spot(window, name), lambda name=target: spot(window, name))
    window.until("return document.getElementById('status').innerText === 'no faults'")
    assert window.run("return document.getElementById('pick').options.length") == 7
    window.run("document.getElementById('tab-drive').click()")
    window.until("return document.getElementById('counts').innerText.includes('48 steps')", 120)
    assert window.run("return document.documentElement.scrollWidth <= innerWidth")
    x, y = window.middle("#unit-0")
    window.drag((x, y), (x + 60, y), "touch")
    window.until("return document.querySelector('.unit').classList.contains('held')")
    assert window.log() == []


def tool(window, kind):
    script = """const { left, top, width, height } = document.querySelector(arguments[0]).getBoundingClientRect();
        return [left + width / 2, top + height / 2]"""
    return tuple(window.run(script, f"[data-tool={kind}]"))


NAMED = {*("button", "checkbox", "combobox", "form", "image", "region", "slider"), *("spinbutton", "tab", "textbox")}


def parts(window):
    """Role, name and whether it can be focused, of everything that a screen reader is told of."""
    for node in window.chrome("Accessibility.getFullAXTree")["nodes"]:
        about = {each["name"]: each["value"].get("value") for each in node.get("properties", [])}
        if not node["ignored"]:
            yield node["role"]["value"], node.get("name", {}).get("value", "").strip(), about


def unnamed(window):
    return [role for role, name, about in parts(window) if not name and (role in NAMED or about.get("focusable"))]


def test_a_screen_reader_is_told_the_name_of_every_control_what_is_wrong_and_what_a_step_did(window, server):
    opened(window, server)
    window.type("#pick", "node 0")
    window.run("document.getElementById('tables').open = true")
    window.until("return document.querySelector('#nodes-table td')")
    assert unnamed(window) == []
    window.type("#f-gen_max_mw", "-3")
    window.until("return document.getElementById('status').innerText === '1 fault'")
    assert {role for role, _, about in parts(window) if about.get("live") == "polite"} == {"status", "list"}
    window.type("#f-gen_max_mw", "12")
    window.click("#tab-drive")
    window.until("return document.getElementById('counts').innerText.includes('48 steps')", 120)
    window.key("right")
    window.until("return document.getElementById('status').innerText.startsWith('Step 1, ')", 30)
    assert "100% served, 0 MW unserved, cost so far" in window.text("#status")
    assert unnamed(window) == []
    assert [about.get("live") for role, _, about in parts(window) if role == "status"].count("polite") == 1
    window.click("#finish")
    window.until("return !document.getElementById('scores').hidden", 120)
    assert unnamed(window) == []
    window.click("#watch")
    window.until("return document.body.classList.contains('pair')", 60)
    window.type("#choose", "node 2")
    window.until("return document.getElementById('values').innerText.match(/price\\s+–\\s+30 per MWh/)")
    assert unnamed(window) == []
    window.click("#tab-train")
    assert unnamed(window) == []
    assert window.log() == []


@pytest.mark.slow
def test_what_comes_in_while_the_grid_is_edited_waits_for_its_episode(window, server):
    opened(window, server)
    window.click("#new")
    window.until("return document.getElementById('pick').options.length === 1")
    window.click("#undo")
    window.until("return document.getElementById('pick').options.length > 3")
    window.click("#tab-drive")
    window.until("return document.getElementById('counts').innerText.includes('48 steps')", 120)
    leave = "document.getElementById('forward').click(); document.getElementById('tab-edit').click()"
    window.run(leave)
    window.type("#pick", "node 1")
    window.until("return document.getElementById('f-id')?.value === 'battery'")
    window.click("#tab-drive")
    window.until("return document.getElementById('step').innerText.startsWith('step 1 ')", 30)
    window.run(leave)
    window.type("#f-store_max_mwh", "20")  # the step is now of another grid
    window.click("#tab-drive")
    window.until("return document.getElementById('status').innerText.includes('nothing decided yet')", 60)
    step_to(window, 1)
    window.run("document.getElementById('start').click(); document.getElementById('tab-edit').click()")
    window.click("#tab-drive")
    window.until("return document.getElementById('status').innerText.includes('nothing decided yet')", 60)
    step_to(window, 1)
    assert window.log() == []


@pytest.mark.slow
def test_a_whole_session_from_nothing_to_a_trained_agent_beside_the_optimum(window, server):
    opened(window, server)
    build_triangle(window)
    window.type("#name", "mygrid")
    window.until("return document.getElementById('status').innerText === 'no faults'")
    window.click("#tab-drive")
    window.until("return document.getElementById('counts').innerText.includes('48 steps')", 120)
    for step in range(1, 11):
        step_to(window, step)
    window.click("#break")
    window.until("return document.getElementById('status').innerText.includes('is out')", 30)
    window.click("#finish")
    window.until("return !document.getElementById('scores').hidden", 240)
    table = window.text("#scores")
    assert all(name in table for name in ("you", "merit", "mpc", "plan", "optimum"))
    window.click("#tab-train")
    window.type("#seconds", "20")
    window.click("#begin")
    window.until("return document.getElementById('train-state').innerText.includes('of the reference after')", 120)
    window.until("return !document.getElementById('watch-agent').disabled", 180)
    assert (server.folder / "runs/mygrid-live/weights.safetensors").is_file()
    window.click("#watch-agent")
    window.until(
        "return document.body.classList.contains('pair') && runsShown() === 'agent,optimum'".replace(
            "runsShown()", "[...document.querySelectorAll('.policy b')].map(b => b.innerText).join()"
        ),
        240,
    )
    assert window.log() == []
