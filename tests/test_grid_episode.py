"""An episode survives its file; what is not an episode is refused in one line, and nothing is unpickled."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from episodes import in_ac, make_episode
from grid import Episode, Grid, GridError
from grid.episode import OF_AC, band_pu, describe

MEND = "give a file written by `load-balancer optimum --out`, `render` or Episode.save"


def refusal(path: Path) -> str:
    with pytest.raises(GridError) as caught:
        Episode.load(path)
    text = str(caught.value)
    assert text.startswith(f"{path}: found ")
    assert text.endswith(f"; {MEND}")
    assert "\n" not in text
    return text


def saved(tmp_path: Path) -> Path:
    return make_episode(nodes=6, steps=4).save(tmp_path / "episode.npz")


def rewritten(path: Path, **changes: np.ndarray | None) -> Path:
    """The same archive with some members replaced or, where None, left out."""
    with np.load(path) as data:
        members = {name: data[name] for name in data.files}
    members |= changes
    np.savez(path, **{name: value for name, value in members.items() if value is not None})
    return path


@pytest.mark.parametrize("steps", [0, 1, 5])
def test_an_episode_comes_back_as_it_was(tmp_path, steps):
    episode = make_episode(nodes=9, steps=steps, dt_h=0.5, positions=steps > 0)
    assert episode.save(tmp_path / "new folder" / "episode.npz") == tmp_path / "new folder" / "episode.npz"
    loaded = Episode.load(str(tmp_path / "new folder" / "episode.npz"))
    for field in fields(Episode):
        ours, theirs = getattr(episode, field.name), getattr(loaded, field.name)
        assert type(ours) is type(theirs), field.name
        if isinstance(ours, np.ndarray):
            assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
            np.testing.assert_array_equal(ours, theirs)
        elif field.name == "costs":
            assert list(ours) == list(theirs)
            for name, term in ours.items():
                np.testing.assert_array_equal(term, theirs[name])
        else:
            assert ours == theirs, field.name
    assert (loaded.steps, loaded.cost, loaded.unserved_mwh) == (steps, episode.cost, episode.unserved_mwh)


def test_an_episode_of_ac_comes_back_with_what_only_ac_has(tmp_path):
    episode = in_ac(make_episode(nodes=7, steps=5), slice(1, 3))
    loaded = Episode.load(episode.save(tmp_path / "ac.npz"))
    for name in OF_AC:
        np.testing.assert_array_equal(getattr(loaded, name), getattr(episode, name))
    assert loaded.is_ac
    assert loaded.collapsed.tolist() == [0, 1, 1, 0, 0]
    over_mva = np.clip(1.06 * np.abs(episode.flow_mw) - episode.capacity_mw, 0, None)
    assert loaded.overload_mwh == pytest.approx(over_mva.sum())
    assert (np.sign(loaded.carried) == np.sign(episode.flow_mw)).all()


def test_a_file_of_dc_holds_nothing_of_ac(tmp_path):
    with np.load(saved(tmp_path)) as data:
        assert not set(OF_AC) & set(data.files)
        assert not set(OF_AC) & set(json.loads(str(data["json"])))
    loaded = Episode.load(tmp_path / "episode.npz")
    assert (loaded.is_ac, [getattr(loaded, name) for name in OF_AC]) == (False, [None] * 6)
    assert loaded.carried is loaded.flow_mw


@pytest.mark.parametrize("name", OF_AC)
def test_a_file_with_a_part_of_ac_is_refused(tmp_path, name):
    path = in_ac(make_episode(nodes=5, steps=2)).save(tmp_path / "ac.npz")
    assert f"{name} has shape ()" in refusal(rewritten(path, **{name: None}))


def test_numbers_from_numpy_are_saved_like_any_other(tmp_path):
    episode = replace(make_episode(nodes=5, steps=2), start_hour=np.float32(7), dt_h=np.float64(0.5))
    loaded = Episode.load(episode.save(tmp_path / "e.npz"))
    assert (loaded.start_hour, loaded.dt_h) == (7.0, 0.5)


def test_names_may_hold_any_text(tmp_path):
    episode = make_episode(nodes=5, steps=1)
    names = ('quote"', "newline\n", "umlaut ü", "", "\N{HIGH VOLTAGE SIGN}")
    loaded = Episode.load(replace(episode, node_names=names, grid_name="ü").save(tmp_path / "e.npz"))
    assert loaded.node_names == names
    assert loaded.grid_name == "ü"


def test_the_sums_of_an_episode():
    episode = make_episode(nodes=6, steps=3, dt_h=0.25)
    assert episode.steps == 3
    assert episode.cost == pytest.approx(sum(float(v) for term in episode.costs.values() for v in term))
    assert episode.unserved_mwh == pytest.approx(0.25 * episode.shed_mw.sum())
    tight = replace(episode, capacity_mw=np.full(len(episode.line_names), 1.0))
    wanted = 0.25 * sum(max(0.0, abs(f) - 1.0) for f in episode.flow_mw.ravel())
    assert tight.overload_mwh == pytest.approx(wanted)
    assert wanted > 0
    free = replace(episode, capacity_mw=np.full(len(episode.line_names), np.inf))
    assert free.overload_mwh == 0


def test_a_failed_save_keeps_the_old_file(tmp_path):
    path = saved(tmp_path)
    before = path.read_bytes()
    broken = replace(make_episode(nodes=6, steps=4), policy=object())
    with pytest.raises(TypeError):
        broken.save(path)
    objects = replace(make_episode(nodes=6, steps=4), reward=np.array([object()]))
    with pytest.raises(ValueError, match="allow_pickle=False"):
        objects.save(path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["episode.npz"]


def test_a_missing_file_is_said_to_be_missing(tmp_path):
    assert refusal(tmp_path / "none.npz") == (
        f"{tmp_path / 'none.npz'}: found no such file; allowed: an episode file (.npz); {MEND}"
    )


def test_a_folder_is_refused(tmp_path):
    assert "IsADirectoryError" in refusal(tmp_path)


@pytest.mark.parametrize("keep", [0, 1, 3, 10, 100, 0.5, 0.9, -1])
def test_a_truncated_file_is_refused(tmp_path, keep):
    path = saved(tmp_path)
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content)) if isinstance(keep, float) else keep])
    assert "allowed: an episode file (.npz)" in refusal(path)


def test_damaged_bytes_are_refused_or_do_no_harm(tmp_path):
    """Each file with one damaged byte either loads or is refused in one line."""
    path = saved(tmp_path)
    content = path.read_bytes()
    rng = np.random.default_rng(0)
    lines = []
    for place in rng.integers(0, len(content), 150):
        damaged = bytearray(content)
        damaged[place] ^= 0xFF
        path.write_bytes(damaged)
        try:
            Episode.load(path)
        except GridError as error:
            lines.append(str(error))
    assert len(lines) > 75
    assert all(line.startswith(f"{path}: found ") and line.endswith(MEND) for line in lines)
    assert not any("\n" in line for line in lines)


class Bomb:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


def test_nothing_is_unpickled(tmp_path):
    mark, path = tmp_path / "exploded", tmp_path / "episode.npz"
    path.write_bytes(pickle.dumps(Bomb(mark)))
    assert "allowed: an episode file (.npz)" in refusal(path)
    bomb = np.array([Bomb(mark)], dtype=object)
    np.save(tmp_path / "plain.npy", bomb, allow_pickle=True)
    refusal(tmp_path / "plain.npy")
    saved(tmp_path)
    for member in ("flow_mw", "json"):
        saved(tmp_path)
        assert "Object arrays cannot be loaded" in refusal(rewritten(path, **{member: bomb}))
    assert not mark.exists()


def text_member(**texts: object) -> np.ndarray:
    return np.array(json.dumps(texts))


def test_foreign_files_are_refused(tmp_path):
    path = tmp_path / "foreign.npz"
    path.write_text("x,y\n1,2\n")
    refusal(path)
    path.write_text('{"nodes": []}')
    refusal(path)
    np.savez(path, weights=np.zeros(3))
    refusal(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "no arrays here")
    refusal(path)
    with path.open("wb") as file:
        np.save(file, np.zeros(3))
    refusal(path)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(np.array("not json"), id="not json"),
        pytest.param(np.array("[1, 2]"), id="a list"),
        pytest.param(np.array("3"), id="a number"),
        pytest.param(np.zeros((2, 2)), id="numbers"),
        pytest.param(text_member(), id="empty"),
        pytest.param(text_member(format="load-balancer-episode/1"), id="only the format"),
        pytest.param(None, id="none"),
    ],
)
def test_an_archive_with_another_text_is_refused(tmp_path, text):
    refusal(rewritten(saved(tmp_path), json=text))


def test_another_version_of_the_format_is_refused(tmp_path):
    path = saved(tmp_path)
    with np.load(path) as data:
        texts = json.loads(str(data["json"]))
    changed = rewritten(path, json=np.array(json.dumps(texts | {"format": "load-balancer-episode/9"})))
    assert refusal(changed) == f"{path}: found another format; allowed: load-balancer-episode/1; {MEND}"
    refusal(rewritten(path, json=np.array(json.dumps(texts | {"surprise": 1}))))


def test_an_archive_with_a_missing_array_is_refused(tmp_path):
    for name in ("flow_mw", "cost_shed", "store_mwh", "line_from"):
        assert name in refusal(rewritten(saved(tmp_path), **{name: None}))


def test_an_archive_whose_arrays_do_not_fit_together_is_refused(tmp_path):
    for name, value in (("flow_mw", np.zeros((4, 1))), ("store_mwh", np.zeros((4, 6))), ("reward", np.zeros(3))):
        assert name in refusal(rewritten(saved(tmp_path), **{name: value}))
    assert "cost_shed" in refusal(rewritten(saved(tmp_path), cost_shed=np.zeros((4, 2))))
    assert "load_mw" in refusal(rewritten(saved(tmp_path), load_mw=np.array([["a"] * 6] * 4)))


def test_an_archive_that_unpacks_to_gigabytes_is_refused_unread(tmp_path):
    path = tmp_path / "bomb.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("json.npy", bytes(20_000_000))
    raw = path.read_bytes().replace((20_000_000).to_bytes(4, "little"), (2_000_000_000).to_bytes(4, "little"))
    path.write_bytes(raw)  # the same, declared as 2 GB
    assert len(raw) < 100_000
    assert "2,000 MB when unpacked, more than 1,000 MB" in refusal(path)


def test_the_fields_that_come_from_the_grid():
    grid = Grid("small")
    grid.add_source("s", gen_max_mw=5, x=1, y=2)
    grid.add_consumer("c", load_max_mw=4)
    grid.add_line("c", "s", capacity_mw=3)
    arrays = grid.compile()
    about = describe(arrays)
    assert set(about) < {field.name for field in fields(Episode)}
    assert about.pop("grid_name") == "small"
    assert about.pop("gen_profiled").tolist() == [0, 0]
    for name, value in about.items():
        assert getattr(arrays, name) is value


def test_a_bus_has_the_tightest_band_of_its_nodes():
    grid = Grid("small")
    grid.add_source("s", gen_max_mw=5, voltage_min_pu=0.95)
    grid.add_consumer("c", load_max_mw=4, voltage_max_pu=1.05)
    grid.add_consumer("d", load_max_mw=4, voltage_max_pu=1.02)
    grid.add_line("c", "s", reactance_pu=0)
    grid.add_line("c", "d", reactance_pu=0.1)
    band = band_pu(grid.compile())
    assert (band["voltage_min_pu"].tolist(), band["voltage_max_pu"].tolist()) == ([0.95, 0.95, 0.9], [1.05, 1.05, 1.02])


def test_saving_leaves_no_open_file(tmp_path):
    """Warnings are errors, so a file left open would show here."""
    path = saved(tmp_path)
    for _ in range(3):
        Episode.load(path)
        path.write_bytes(path.read_bytes())
    assert io.BytesIO(path.read_bytes()).read(2) == b"PK"
