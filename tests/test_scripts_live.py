"""``live`` without a browser: who gets in, what a tab may ask, and that its numbers are those of ``evaluate``."""

from __future__ import annotations

import base64
import json
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from envs import EnvConfig
from grid import GridError
from live import Tab, serving
from scripts.live import editing
from scripts.live.session import Session
from scripts.live.shared import Shared
from scripts.live.trainer import Trainer
from topologies import load

HOSTILE = "</script><img src=x onerror=hacked=1>"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("work"), "triangle") as made:
        yield made


@pytest.fixture
def session(tmp_path):
    """A tab without a socket: its answers alone."""
    config = EnvConfig(topology=load("triangle"), split="test")
    with ThreadPoolExecutor(1) as pool:
        shared = Shared(config, None, tmp_path, tmp_path, Trainer(tmp_path, tmp_path), pool)
        made = Session(shared, None)
        made._hello()
        yield made


def ask(session, what, **more):
    return session._answer(json.dumps({"do": what, "id": 1, **more}))


def triangle():
    return editing.shown(load("triangle"))["grid"]


# --- who gets in ------------------------------------------------------------------------------------------------------


def request(server, path="/", **headers):
    with closing(HTTPConnection(server.host, timeout=20)) as connection:
        connection.putrequest("GET", path, skip_host=True)
        for name, value in {"Host": server.host, **headers}.items():
            connection.putheader(name, value)
        connection.endheaders()
        answer = connection.getresponse()
        return answer, answer.read()


def test_the_address_with_its_token_opens_the_page_and_the_token_leaves_the_address(server):
    answer, body = request(server, f"/?token={server.token}")
    assert (answer.status, answer.headers["location"], body) == (303, "/", b"")
    assert answer.headers["set-cookie"] == f"{server.cookie}; HttpOnly; SameSite=Strict; Path=/"
    for path, begin in (("/", b"<!doctype html>"), ("/live.css", b":root"), ("/live.js", b"(() => {")):
        answer, body = request(server, path, Cookie=server.cookie)
        assert (answer.status, body.startswith(begin)) == (200, True)
        assert "script-src 'self'" in answer.headers["content-security-policy"]
        assert b"https://" not in body
    two = f"{server.cookie.partition('=')[0]}=wrong; {server.cookie}"
    assert request(server, "/", Cookie=two)[0].status == 200
    assert request(server, "/../pyproject.toml", Cookie=server.cookie)[0].status == 404


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/", {}),
        ("/?token=wrong", {}),
        ("/live.js", {}),
        ("/", {"Cookie": "live=wrong"}),
        ("OWN", {"Host": "evil.example:80"}),
        ("OWN", {"Host": "evil.example:PORT"}),
        ("OWN", {"Host": "93.184.216.34:PORT"}),
        ("OWN", {"Origin": "http://evil.example"}),
    ],
)
def test_a_wrong_token_host_or_origin_gets_nothing(server, path, headers):
    port = server.host.partition(":")[2]
    given = {name: value.replace("PORT", port) for name, value in headers.items()}
    answer, body = request(server, path.replace("OWN", f"/?token={server.token}"), **given)
    assert (answer.status, body, answer.headers["set-cookie"]) == (403, b"", None)


@pytest.mark.parametrize("headers", [{"Cookie": "live=wrong"}, {"Origin": "http://evil.example"}])
def test_no_foreign_page_gets_a_socket(server, headers):
    with pytest.raises(InvalidStatus), server.socket(**headers):
        pass


def _flood(socket):
    for _ in range(2000):
        socket.send("{}")
    while True:
        socket.recv()


def test_texts_that_are_no_unicode_close_no_tab(server):
    with server.socket() as socket:
        tab = Tab(socket)
        assert r"found '\ud800'; allowed: agent" in tab.ask("\ud800")["text"]
        assert tab.ask("open", name="\ud800.json", content="e30=")["is"] == "refused"
        assert tab.ask("check", grid=triangle())["faults"] == []


def test_a_tab_that_sends_too_much_is_closed_and_others_go_on(server):
    with server.socket() as socket:
        Tab(socket)
        with pytest.raises(ConnectionClosed) as closed:
            _flood(socket)
    assert closed.value.rcvd.code == 1008
    with server.socket() as socket:
        assert Tab(socket).ask("check", grid=triangle())["faults"] == []


# --- edit -------------------------------------------------------------------------------------------------------------


def test_every_fault_comes_with_its_element_and_the_words_of_the_checker(session):
    grid = triangle()
    grid["nodes"][0]["gen_max_mw"] = -1
    grid["nodes"][1]["kind"] = "lake"
    grid["edges"][2]["capacity_mw"] = "much"
    grid["edges"].append({"source": "plant", "target": "nowhere", "key": HOSTILE})
    found = {fault["element"]: fault["text"] for fault in ask(session, "check", grid=grid)["faults"]}
    assert found.keys() == {"node 0", "node 1", "line 2", "line 3"}
    assert found["node 0"].endswith("allowed: a number >= 0; correct the value")
    assert "did you mean" in found["node 1"] or "use one of" in found["node 1"]


def test_faults_are_no_longer_than_they_can_be_read(session):
    grid = triangle()
    grid["nodes"][0]["id"] = "n" * 100_000
    told = ask(session, "check", grid=grid)["faults"]
    assert max(len(fault["text"]) for fault in told) <= 600


def test_a_bundled_grid_comes_back_as_it_was():
    for name in ("classic", "case14"):
        grid = load(name)
        again = editing.read(editing.shown(grid)["grid"], grid.series)
        assert again.compile().fingerprint == grid.compile().fingerprint


def test_files_of_any_format_are_opened_by_their_reader_and_leave_nothing(session, tmp_path):
    content = base64.b64encode(b"id,kind,gen_max_mw\n").decode()
    said = ask(session, "open", name="../../nodes.csv", content=content)
    assert said["is"] == "refused"
    case = Path("tests/data")
    assert case.is_dir()
    native = json.dumps(
        {
            "nodes": [
                {"id": "a", "kind": "source", "gen_max_mw": 1},
                {"id": "b", "kind": "consumer", "load_max_mw": 1},
            ],
            "edges": [{"source": "a", "target": "b"}],
        }
    )
    found = ask(session, "open", name="small.json", content=base64.b64encode(native.encode()).decode())
    assert [node["id"] for node in found["grid"]["nodes"]] == ["a", "b"]
    assert len(found["places"]) == 2
    assert list(tmp_path.iterdir()) == []


def test_a_grid_too_large_for_the_page_is_refused(session, monkeypatch):
    monkeypatch.setattr(editing, "MOST_NODES", 2)
    assert "found 3 nodes; allowed: at most 2; use the command line" in ask(session, "open", name="triangle")["text"]


def test_an_episode_too_large_for_the_page_is_refused(session, monkeypatch):
    monkeypatch.setattr("scripts.live.session.MOST_NODE_STEPS", 30)
    said = ask(session, "drive", grid=triangle(), steps=11, seed=0, assistant="merit")["text"]
    assert "steps: found 11; allowed: at most 10 here; use the command line" in said


def test_saving_stays_in_the_folder_and_replaces_only_when_told(session, tmp_path):
    assert ask(session, "save", grid=triangle(), name="mine")["path"] == "mine.json"
    assert load(tmp_path / "mine.json").compile().fingerprint == load("triangle").compile().fingerprint
    assert "press save again" in ask(session, "save", grid=triangle(), name="mine")["text"]
    assert ask(session, "save", grid=triangle(), name="mine", replace=True)["path"] == "mine.json"
    for name in ("../mine", "/mine", ".mine", "a/b", "", "x" * 80):
        assert ask(session, "save", grid=triangle(), name=name)["is"] == "refused"
    (tmp_path / "link.json").symlink_to(tmp_path / "mine.json")
    assert "a link" in ask(session, "save", grid=triangle(), name="link", replace=True)["text"]


REFUSED = {
    "message: found another shape": {"do": 3},
    "found 'fly'; allowed: agent, arrange": {"do": "fly"},
    "episode: found none; allowed: a running episode": {"do": "step"},
    "nodes: found 3,001 of them; allowed: at most 3,000": {"do": "check", "grid": {"nodes": [{}] * 3001}},
    "gen:3001:1: found 3,001 nodes; allowed: at most 3,000": {"do": "open", "name": "gen:3001:1"},
    "the working folder: File name too long": {"do": "save", "grid": "GRID", "name": "\U0001d49c" * 61},
    "found no such grid; allowed: case118": {"do": "open", "name": "/etc/passwd"},
    "the suffix '.exe'": {"do": "open", "name": "a.exe", "content": ""},
    "what is no base64": {"do": "open", "name": "a.json", "content": "%%%"},
    "message: seconds: found 'soon'": {"do": "train", "grid": "GRID", "policy": "mlp", "seconds": "soon"},
    "5 to 3600 seconds": {"do": "train", "grid": "GRID", "policy": "mlp", "seconds": 1},
    "found 'big'; allowed: mlp or graph": {"do": "train", "grid": "GRID", "policy": "big", "seconds": 9},
    "agent: found no trained agent": {"do": "agent"},
    "steps: found 9000; allowed: at most 2000": {"do": "drive", "grid": "GRID", "steps": 9000},
    "assistant: found 'god'; allowed: merit": {
        "do": "drive",
        "grid": "GRID",
        "steps": 9,
        "seed": 0,
        "assistant": "god",
    },
    "message: seed: found 0.5": {"do": "drive", "grid": "GRID", "steps": 9, "seed": 0.5, "assistant": "merit"},
    "mend the faults first": {"do": "arrange", "grid": {"nodes": [1], "edges": []}},
}


@pytest.mark.parametrize("said", REFUSED)
def test_whatever_is_wrong_with_a_message_is_told(session, said):
    message = {name: triangle() if value == "GRID" else value for name, value in REFUSED[said].items()}
    checked = session._answer(json.dumps(message))
    assert said in checked.get("text", "") or any(said in fault["text"] for fault in checked["faults"])


REFUSED_DRIVING = {
    "gen of node 99": {"do": "hold", "what": "gen", "node": 99, "mw": 1},
    "message: mw: found True": {"do": "hold", "what": "gen", "node": 0, "mw": True},
    "message: mw: found 1000": {"do": "hold", "what": "gen", "node": 0, "mw": 10**400},
    "line: found 7; allowed: one of 3 lines": {"do": "break", "line": 7, "hours": 1},
    "hours: found -1": {"do": "break", "line": 0, "hours": -1},
    "score: found 0 of 6 steps": {"do": "score"},
}


@pytest.mark.parametrize("said", REFUSED_DRIVING)
def test_whatever_is_wrong_with_an_order_is_told(session, said):
    assert ask(session, "drive", grid=triangle(), steps=6, seed=0, assistant="merit")["is"] == "episode"
    assert said in session._answer(json.dumps(REFUSED_DRIVING[said]))["text"]


@pytest.mark.parametrize("text", ["", "[" * 100_000, "nan", '{"do":"check","grid":NaN}', "{'do':1}", '"x"', "1" * 5000])
def test_no_text_brings_a_tab_down(session, text):
    assert session._answer(text)["is"] in ("refused", "checked")
    assert ask(session, "check", grid=triangle())["faults"] == []


def test_a_missing_package_is_named_with_what_brings_it(tmp_path, monkeypatch, capsys):
    from scripts import running
    from scripts.cli import main

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(running, "is_installed", lambda package: package != "uvicorn")
    assert main(["live", "triangle", "--no-open"]) == 2
    assert "uvicorn: found no such package" in (said := capsys.readouterr().err)
    assert "pip install load-balancer[live]" in said


def test_a_port_that_is_taken_is_refused(server, tmp_path, monkeypatch, capsys):
    from scripts.cli import main

    monkeypatch.chdir(tmp_path)
    assert main(["live", "triangle", "--no-open", "--port", server.host.partition(":")[2]]) == 2
    assert "allowed: an address to listen on; choose another --port or --host" in capsys.readouterr().err


def test_no_port_and_no_folder_are_refused(tmp_path, monkeypatch, capsys):
    from scripts.cli import main

    monkeypatch.chdir(tmp_path)
    assert main(["live", "triangle", "--no-open", "--port", "99999"]) == 2
    assert "127.0.0.1:99999: found no such port; allowed: an address to listen on" in capsys.readouterr().err
    monkeypatch.chdir("/proc")
    assert main(["live", "triangle", "--no-open"]) == 2
    assert "allowed: a path that can be written" in capsys.readouterr().err


def test_a_training_without_an_update_is_untrained(tmp_path):
    trainer = Trainer(tmp_path, tmp_path)
    trainer.run = tmp_path / "runs/grid-live"
    trainer.run.mkdir(parents=True)
    with subprocess.Popen([sys.executable, "-c", ""]) as trainer._process:
        pass
    (tmp_path / "said").write_text("no room")
    assert (trainer.state()["state"], trainer.state()["said"]) == ("failed", "no room")
    trainer._is_stopped = True
    assert trainer.state()["state"] == "untrained"
    trainer._is_stopped = False
    (trainer.run / "weights.safetensors").touch()
    rows = ["stage,steps,elapsed_s,reward,validation_cost_frac,learning_rate,std", "untrained,0,4,,1.16,0,1"]
    (trainer.run / "progress.csv").write_text("\n".join(rows))
    assert trainer.state()["state"] == "untrained"
    (trainer.run / "progress.csv").write_text("\n".join([*rows, "gradient,96,9,,0.5,0,1"]))
    assert (trainer.state()["state"], trainer.state()["stopped"]) == ("done", False)


def test_what_nobody_waits_for_any_more_is_not_computed(session):
    ask(session, "drive", grid=triangle(), steps=6, seed=0, assistant="merit")
    session._is_closed = True
    assert "is" not in ask(session, "finish")
    assert session._drive.t == 1
    session._is_closed = False
    ask(session, "finish")
    session._is_closed = True
    assert "rows" not in ask(session, "score")


@pytest.mark.slow
def test_a_closed_terminal_ends_it_at_once_in_the_middle_of_an_episode(tmp_path):
    with serving(tmp_path, "case14") as server, server.socket() as socket:
        tab = Tab(socket)
        grid = tab.hello["opened"]["grid"]
        assert tab.ask("drive", grid=grid, steps=2000, seed=0, assistant="mpc")["is"] == "episode"
        socket.send(json.dumps({"do": "finish", "id": 99}))
        time.sleep(0.5)
        server.process.send_signal(signal.SIGHUP)
        assert server.process.wait(20) == 0
    assert list(tmp_path.iterdir()) == []


def test_two_servers_of_a_folder_train_into_two_runs(tmp_path, monkeypatch):
    monkeypatch.setattr(subprocess, "Popen", lambda *words, **more: None)
    trainers = [Trainer(tmp_path, tmp_path) for _ in range(3)]
    for trainer in trainers:
        trainer.start(load("triangle"), "mlp", 10)
    assert [trainer.run.name for trainer in trainers] == ["triangle-live", "triangle-live-2", "triangle-live-3"]


@pytest.mark.slow
def test_ctrl_c_ends_it_with_the_training_that_it_began_and_keeps_the_best(tmp_path):
    with serving(tmp_path, "triangle") as server, server.socket() as socket:
        tab = Tab(socket)
        assert tab.ask("train", grid=triangle(), policy="mlp", seconds=600)["is"] == "begun"
        end = time.monotonic() + 120
        while not (tmp_path / "runs/triangle-live/weights.safetensors").exists():
            assert time.monotonic() < end
            time.sleep(0.2)
        assert "a training that is on" in tab.ask("train", grid=triangle(), policy="mlp", seconds=60)["text"]
        threads = Path(f"/proc/{server.process.pid}/task").glob("*/children")
        children = [child for thread in threads for child in thread.read_text().split()]
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(60) == 0
    assert children
    assert not any(Path(f"/proc/{child}").exists() for child in children)
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]


def test_the_replay_of_an_episode_is_kept_beside_the_others(session, tmp_path):
    ask(session, "drive", grid=triangle(), steps=4, seed=0, assistant="merit")
    assert ask(session, "finish")["coming"]["over"]
    assert [ask(session, "keep")["path"] for _ in range(2)] == ["replay.html", "replay-2.html"]
    assert (tmp_path / "replay.html").read_text().startswith("<!doctype html>")
    pair = ask(session, "watch")
    assert pair["data"]["policies"] == ["you", "optimum"]
    assert len(pair["steps"]["runs"]) == 2
    assert pair["prices"] == [[30.0] * 4] * 3  # of each node: the one source, nothing is full


def test_an_unknown_kind_of_grid_is_no_fault_of_the_program():
    with pytest.raises(GridError):
        editing.read([1], None)
