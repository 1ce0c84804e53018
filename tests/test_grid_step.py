"""The step keeps its promises on any grid, and equals a second implementation in plain loops."""

from __future__ import annotations

from dataclasses import fields, replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given

from grid import Grid, GridArrays, Inputs, Setpoint, State
from grid.step import initial_state, limits, step
from slow_step import PER_NODE, slow_step
from strategies import CHECKED, SEEDS, grids, random_inputs, random_setpoint, walk

TOLERANCE = 1e-9


def rows(thing: object) -> dict[str, np.ndarray]:
    return {f.name: v for f in fields(thing) if isinstance(v := getattr(thing, f.name), np.ndarray)}


def take(thing, index):
    return replace(thing, **{name: value[index] for name, value in rows(thing).items()})


def store_grid(**columns: float) -> GridArrays:
    """One large source, one consumer and one store; no line limits."""
    grid = Grid("store")
    grid.add_source("s", gen_max_mw=1000)
    grid.add_consumer("c", load_max_mw=100)
    grid.add_storage("b", **{"store_max_mwh": 100, "charge_max_mw": 30, "discharge_max_mw": 40, **columns})
    grid.add_line("s", "c")
    grid.add_line("c", "b")
    return grid.compile()


def run_store(arrays: GridArrays, ask_mw: list[float], dt_h: float = 1.0) -> SimpleNamespace:
    """Ask the store in store_grid for the given powers; the source covers the rest. Arrays over time."""
    state = initial_state(arrays, 1)
    energy, charge, discharge = [state.store_mwh[0, 2]], [], []
    for power in ask_mw:
        inputs = Inputs(np.ones((1, 3)), np.array([[0.0, 50.0, 0.0]]), dt_h)
        setpoint = Setpoint(np.array([[50.0 - power, 0.0, 0.0]]), np.array([[0.0, 0.0, power]]))
        state, outcome = step(arrays, state, setpoint, inputs)
        energy.append(state.store_mwh[0, 2])
        charge.append(outcome.charge_mw[0, 2])
        discharge.append(outcome.discharge_mw[0, 2])
    return SimpleNamespace(energy=energy, charge=charge, discharge=discharge)


@CHECKED
@given(grids(), SEEDS)
def test_equals_the_slow_oracle(grid, seed):
    arrays = grid.compile()
    for w in walk(arrays, seed, batch=2):
        for i in range(2):
            plan = (w.setpoint.shed_mw, w.setpoint.spill_mw)
            store, gen, outcome, lim = slow_step(
                arrays,
                w.before.store_mwh[i].tolist(),
                w.before.gen_mw[i].tolist(),
                int(w.before.t[i]),
                w.setpoint.gen_mw[i].tolist(),
                w.setpoint.store_mw[i].tolist(),
                w.inputs.gen_avail_frac[i].tolist(),
                w.inputs.load_mw[i].tolist(),
                w.inputs.dt_h,
                *(None if p is None else p[i].tolist() for p in plan),
            )
            for name, value in rows(w.limits).items():
                np.testing.assert_allclose(value[i], getattr(lim, name), rtol=0, atol=TOLERANCE, err_msg=name)
            for name, value in rows(w.outcome).items():
                np.testing.assert_allclose(value[i], getattr(outcome, name), rtol=0, atol=TOLERANCE, err_msg=name)
            np.testing.assert_allclose(w.after.store_mwh[i], store, rtol=0, atol=TOLERANCE)
            np.testing.assert_allclose(w.after.gen_mw[i], gen, rtol=0, atol=TOLERANCE)
            assert w.after.t[i] == w.before.t[i] + 1


@CHECKED
@given(grids(), SEEDS)
def test_no_limit_is_ever_broken(grid, seed):
    arrays = grid.compile()
    for w in walk(arrays, seed):
        o, lim = w.outcome, w.limits
        for name in PER_NODE[1:]:
            assert (getattr(o, name) >= -TOLERANCE).all(), name
        assert (o.gen_mw >= lim.gen_lo_mw - TOLERANCE).all()
        assert (o.gen_mw <= lim.gen_hi_mw + TOLERANCE).all()
        assert (o.gen_mw <= arrays.gen_max_mw * w.inputs.gen_avail_frac + TOLERANCE).all()
        assert (o.charge_mw <= -lim.store_lo_mw + TOLERANCE).all()
        assert (o.charge_mw <= arrays.charge_max_mw + TOLERANCE).all()
        assert (o.discharge_mw <= lim.store_hi_mw + TOLERANCE).all()
        assert (o.discharge_mw <= arrays.discharge_max_mw + TOLERANCE).all()
        assert (np.minimum(o.charge_mw, o.discharge_mw) == 0).all()
        assert (w.after.store_mwh >= arrays.store_min_mwh - TOLERANCE).all()
        assert (w.after.store_mwh <= arrays.store_max_mwh + TOLERANCE).all()
        assert (o.shed_mw <= w.inputs.load_mw + TOLERANCE).all()
        assert (o.spill_mw <= o.gen_mw + TOLERANCE).all()
        np.testing.assert_allclose(o.served_mw + o.shed_mw, w.inputs.load_mw, rtol=0, atol=TOLERANCE)


@CHECKED
@given(grids(), SEEDS)
def test_every_part_is_balanced_and_flows_close_at_every_node(grid, seed):
    arrays = grid.compile()
    incidence = np.zeros((len(arrays.line_names), len(arrays.node_names)))
    for line, (a, b) in enumerate(zip(arrays.line_from, arrays.line_to, strict=True)):
        incidence[line, a] += 1
        incidence[line, b] -= 1
    for w in walk(arrays, seed):
        o = w.outcome
        np.testing.assert_allclose(
            o.injection_mw,
            o.gen_mw - o.spill_mw + o.discharge_mw - o.charge_mw - o.served_mw,
            rtol=0,
            atol=TOLERANCE,
        )
        assert abs(o.injection_mw @ arrays.part_matrix).max() <= TOLERANCE
        scale = max(1.0, abs(o.flow_mw).max(initial=0), abs(o.injection_mw).max())
        np.testing.assert_allclose(o.flow_mw @ incidence, o.injection_mw, rtol=0, atol=TOLERANCE * scale)


@CHECKED
@given(grids(), SEEDS)
def test_planned_shed_and_spill_are_kept(grid, seed):
    arrays = grid.compile()
    for w in walk(arrays, seed):
        if w.setpoint.shed_mw is None:
            continue
        assert (w.outcome.shed_mw >= np.minimum(w.setpoint.shed_mw, w.inputs.load_mw) - TOLERANCE).all()
        feasible = np.clip(w.setpoint.gen_mw, w.limits.gen_lo_mw, w.limits.gen_hi_mw)
        assert (w.outcome.spill_mw >= np.minimum(w.setpoint.spill_mw, feasible) - TOLERANCE).all()


@CHECKED
@given(grids(), SEEDS)
def test_limits_do_not_depend_on_what_is_asked(grid, seed):
    arrays = grid.compile()
    here = arrays.controllable
    for w in walk(arrays, seed):
        lim = w.limits
        most = 2 * (arrays.gen_max_mw + arrays.discharge_max_mw + arrays.charge_max_mw) + 1
        for sign, gen, store in ((1, lim.gen_hi_mw, lim.store_hi_mw), (-1, lim.gen_lo_mw, lim.store_lo_mw)):
            asked = Setpoint(sign * most + 0 * gen, sign * most + 0 * gen)
            _, outcome = step(arrays, w.before, asked, w.inputs)
            feasible = (asked.gen_mw + asked.store_mw)[:, here] - outcome.clipped_mw
            np.testing.assert_allclose(feasible, (gen + store)[:, here], rtol=0, atol=TOLERANCE)
        after, outcome = step(arrays, w.before, w.setpoint, w.inputs, lim)
        for ours, given_limits in ((w.after, after), (w.outcome, outcome)):
            for name, value in rows(ours).items():
                np.testing.assert_array_equal(value, getattr(given_limits, name))


@CHECKED
@given(grids(), SEEDS)
def test_an_env_does_not_depend_on_its_batch(grid, seed):
    arrays = grid.compile()
    for w in walk(arrays, seed, batch=5):
        scale = max(1.0, abs(w.outcome.injection_mw).max(), abs(w.outcome.flow_mw).max(initial=0))
        for i in (0, 3):
            one = [take(x, [i]) for x in (w.before, w.setpoint, w.inputs)]
            for whole, single in zip((w.after, w.outcome), step(arrays, *one), strict=True):
                for name, value in rows(single).items():
                    wanted = getattr(whole, name)[[i]]
                    np.testing.assert_allclose(value, wanted, rtol=1e-12, atol=1e-12 * scale, err_msg=name)


@CHECKED
@given(grids(), SEEDS)
def test_the_same_batch_size_gives_the_same_bits(grid, seed):
    arrays = grid.compile()
    w = list(walk(arrays, seed, batch=5))[-1]
    rng = np.random.default_rng(seed)
    state, inputs, setpoint = w.before, w.inputs, w.setpoint
    others = [0, 1, 2, 4]
    strange = random_inputs(arrays, rng, 5, inputs.dt_h)
    load = inputs.load_mw.copy()
    load[others] = strange.load_mw[others]
    again = step(arrays, state, setpoint, inputs), step(arrays, state, setpoint, replace(inputs, load_mw=load))
    for after, outcome in again:
        for ours, theirs in ((w.after, after), (w.outcome, outcome)):
            for name, value in rows(ours).items():
                np.testing.assert_array_equal(value[3], getattr(theirs, name)[3])


@CHECKED
@given(grids(), SEEDS)
def test_relabelling_and_reordering_permute_the_outcome(grid, seed):
    arrays = grid.compile()
    rng = np.random.default_rng(seed)
    other, twin = Grid("other"), Grid("twin")
    nodes = list(grid.graph.nodes(data=True))
    order = rng.permutation(len(nodes))
    for i in order:
        other.graph.add_node(f"n{i}", **nodes[i][1])
    for i, (_, data) in enumerate(nodes):
        twin.graph.add_node(f"n{i}", **data)
    lines = list(enumerate(grid.lines()))
    number = {node: i for i, (node, _) in enumerate(nodes)}
    for graph, sequence in ((twin, lines), (other, [lines[k] for k in rng.permutation(len(lines))])):
        for k, (_, start, end, data) in sequence:
            columns = {key: value for key, value in data.items() if key != "line_from"}
            graph.add_line(f"n{number[start]}", f"n{number[end]}", key=f"l{k}", **columns)
    a, b = twin.compile(), other.compile()
    node = [a.node_names.index(name) for name in b.node_names]
    line = [a.line_names.index(name) for name in b.line_names]
    unit = [a.controllable.tolist().index(node[c]) for c in b.controllable]
    assert a.fingerprint != arrays.fingerprint
    state = initial_state(b, 3)
    for w in walk(a, seed, batch=3):
        setpoint = replace(w.setpoint, **{k: v[:, node] for k, v in rows(w.setpoint).items()})
        inputs = replace(w.inputs, **{k: v[:, node] for k, v in rows(w.inputs).items()})
        state, outcome = step(b, state, setpoint, inputs)
        for name, value in rows(w.outcome).items():
            along = {"flow_mw": line, "clipped_mw": unit}.get(name, node)
            wanted = value if value.ndim == 1 else value[:, along]
            np.testing.assert_allclose(getattr(outcome, name), wanted, rtol=0, atol=TOLERANCE, err_msg=name)
        np.testing.assert_allclose(state.store_mwh, w.after.store_mwh[:, node], rtol=0, atol=TOLERANCE)


@CHECKED
@given(grids(), SEEDS)
def test_nothing_that_comes_in_is_changed(grid, seed):
    arrays = grid.compile()
    rng = np.random.default_rng(seed)
    state = initial_state(arrays, 2)
    inputs, setpoint = random_inputs(arrays, rng, 2, 1.0), random_setpoint(arrays, rng, 2, planned=True)
    for thing in (state, inputs, setpoint):
        for value in rows(thing).values():
            value.setflags(write=False)
    after, outcome = step(arrays, state, setpoint, inputs)
    given_in = [*rows(state).values(), *rows(inputs).values(), *rows(setpoint).values()]
    for thing in (after, outcome):
        for name, value in rows(thing).items():
            assert not any(np.shares_memory(value, old) for old in given_in), name


def one_source(**columns) -> GridArrays:
    grid = Grid("one")
    grid.add_source("s", gen_max_mw=100, **columns)
    return grid.compile()


def source_limits(arrays: GridArrays, previous_mw: float, t: int, avail: float = 1.0, dt_h: float = 1.0):
    state = State(np.zeros((1, 1)), np.array([[previous_mw]]), np.array([t]))
    lim = limits(arrays, state, Inputs(np.array([[avail]]), np.zeros((1, 1)), dt_h))
    return float(lim.gen_lo_mw[0, 0]), float(lim.gen_hi_mw[0, 0])


@pytest.mark.parametrize(
    ("columns", "previous_mw", "t", "avail", "dt_h", "wanted"),
    [
        pytest.param({}, 0, 0, 1.0, 1.0, (0, 100), id="plain"),
        pytest.param({"gen_min_mw": 30}, 0, 0, 1.0, 1.0, (30, 100), id="minimum"),
        pytest.param({"gen_ramp_mw_per_h": 10}, 40, 0, 1.0, 1.0, (0, 100), id="no ramp on the first step"),
        pytest.param({"gen_ramp_mw_per_h": 10}, 40, 1, 1.0, 1.0, (30, 50), id="ramp"),
        pytest.param({"gen_ramp_mw_per_h": 10}, 40, 1, 1.0, 0.25, (37.5, 42.5), id="ramp over a quarter hour"),
        pytest.param({"gen_ramp_mw_per_h": 10, "gen_min_mw": 35}, 40, 1, 1.0, 1.0, (35, 50), id="minimum above ramp"),
        pytest.param({"gen_ramp_mw_per_h": 10, "gen_min_mw": 30}, 5, 1, 1.0, 1.0, (15, 15), id="ramp wins upwards"),
        pytest.param({"gen_ramp_mw_per_h": 10}, 40, 1, 0.2, 1.0, (20, 20), id="availability wins over ramp"),
        pytest.param({"gen_min_mw": 30}, 40, 1, 0.1, 1.0, (10, 10), id="availability wins over minimum"),
        pytest.param({"gen_ramp_mw_per_h": 10, "gen_profile": "sun"}, 40, 3, 1.0, 1.0, (0, 50), id="profile falls"),
        pytest.param({"gen_profile": "sun"}, 40, 3, 0.0, 1.0, (0, 0), id="no sun"),
    ],
)
def test_source_limits_by_hand(columns, previous_mw, t, avail, dt_h, wanted):
    assert source_limits(one_source(**columns), previous_mw, t, avail, dt_h) == pytest.approx(wanted, abs=1e-12)


def test_only_the_first_step_of_each_env_has_no_ramp():
    arrays = one_source(gen_ramp_mw_per_h=10)
    state = State(np.zeros((2, 1)), np.array([[40.0], [40.0]]), np.array([0, 1]))
    lim = limits(arrays, state, Inputs(np.ones((2, 1)), np.zeros((2, 1)), 1.0))
    np.testing.assert_array_equal(lim.gen_lo_mw.ravel(), [0, 30])
    np.testing.assert_array_equal(lim.gen_hi_mw.ravel(), [100, 50])


def test_a_store_fills_to_the_brim_and_empties_to_its_minimum():
    arrays = store_grid(store_min_mwh=10, store_init_mwh=50, charge_eff_frac=0.8, discharge_eff_frac=0.5)
    seen = run_store(arrays, [1000.0] + [-1000.0] * 5 + [1000.0] * 6)
    # discharge: (50 − 10)·0.5 = 20 MW is all there is above the minimum
    assert seen.discharge[0] == pytest.approx(20)
    assert seen.energy[1] == pytest.approx(10)
    # charge: 30 MW stores 24 MWh an hour; 90 MWh of room: three full hours, then (90 − 72)/0.8 = 22.5 MW, then none
    assert seen.charge[1:6] == pytest.approx([30, 30, 30, 22.5, 0])
    assert seen.energy[2:7] == pytest.approx([34, 58, 82, 100, 100])
    # discharge: 40 MW takes 80 MWh an hour; then (20 − 10)·0.5 = 5 MW, then none
    assert seen.discharge[6:] == pytest.approx([40, 5, 0, 0, 0, 0])
    assert seen.energy[7:] == pytest.approx([20, 10, 10, 10, 10, 10])


def test_the_limits_of_a_store_scale_with_the_length_of_a_step():
    arrays = store_grid(store_init_mwh=100, charge_eff_frac=1, discharge_eff_frac=1)
    seen = run_store(arrays, [1000.0, -1000.0], dt_h=4.0)
    assert seen.discharge[0] == pytest.approx(25)  # 100 MWh over 4 h
    assert seen.charge[1] == pytest.approx(25)
    assert seen.energy == pytest.approx([100, 0, 100])


def test_loss_comes_first_and_takes_only_what_is_above_the_minimum():
    arrays = store_grid(store_min_mwh=20, store_init_mwh=100, store_loss_frac_per_h=0.5, charge_eff_frac=1)
    idle = run_store(arrays, [0.0, 0.0])
    assert idle.energy == pytest.approx([100, 60, 40])  # 20 + 80/2, 20 + 40/2
    full = run_store(arrays, [-1000.0])
    assert full.charge == pytest.approx([30])  # a full store has room again after its loss
    assert full.energy == pytest.approx([100, 90])
    half_hour = run_store(arrays, [0.0], dt_h=0.5)
    assert half_hour.energy[1] == pytest.approx(20 + 80 * 0.5**0.5)


def test_a_store_that_loses_everything_still_keeps_its_minimum():
    arrays = store_grid(store_min_mwh=20, store_init_mwh=100, store_loss_frac_per_h=1.0)
    assert run_store(arrays, [0.0, 1000.0]).energy == pytest.approx([100, 20, 20])


def test_a_round_trip_gives_back_the_product_of_the_efficiencies():
    arrays = store_grid(store_init_mwh=0, charge_eff_frac=0.9, discharge_eff_frac=0.8)
    seen = run_store(arrays, [-10.0, 1000.0])
    assert seen.energy == pytest.approx([0, 9, 0], abs=1e-12)
    assert seen.discharge[1] == pytest.approx(10 * 0.9 * 0.8)


def test_clipped_is_asked_minus_feasible_in_order_of_controllable():
    arrays = store_grid(store_init_mwh=0)
    assert arrays.controllable.tolist() == [0, 2]
    inputs = Inputs(np.ones((1, 3)), np.zeros((1, 3)), 1.0)
    _, high = step(
        arrays, initial_state(arrays, 1), Setpoint(np.array([[1200.0, 7, 0]]), np.full((1, 3), 15.0)), inputs
    )
    np.testing.assert_allclose(high.clipped_mw, [[215, 15]])  # 200 above the maximum and 15 from a store it has not
    _, low = step(arrays, initial_state(arrays, 1), Setpoint(np.zeros((1, 3)), np.array([[0, 0, -50.0]])), inputs)
    np.testing.assert_allclose(low.clipped_mw, [[0, -20]])


def test_the_initial_state_has_the_stores_as_given_and_no_past():
    arrays = store_grid(store_min_mwh=10)
    state = initial_state(arrays, 3)
    np.testing.assert_array_equal(state.store_mwh, np.tile([0, 0, 55.0], (3, 1)))  # midway where nothing is given
    assert (state.gen_mw == 0).all()
    assert (state.t == 0).all()


def torch_copy(thing, torch):
    return replace(thing, **{name: torch.tensor(value) for name, value in rows(thing).items()})


@CHECKED
@given(grids(), SEEDS)
def test_torch_gives_the_same_step(grid, seed):
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    arrays = grid.compile()
    theirs = arrays.convert(lambda a: torch.tensor(a.copy()))
    state = torch_copy(initial_state(arrays, 4), torch)
    for w in walk(arrays, seed):
        setpoint, inputs = torch_copy(w.setpoint, torch), torch_copy(w.inputs, torch)
        state, outcome = step(theirs, state, setpoint, inputs)
        for ours, other in ((w.outcome, outcome), (w.after, state)):
            for name, value in rows(ours).items():
                result = getattr(other, name)
                assert isinstance(result, torch.Tensor)
                np.testing.assert_allclose(result.numpy(), value, rtol=0, atol=TOLERANCE, err_msg=name)


@CHECKED
@given(grids(), SEEDS)
def test_single_precision_stays_finite_and_close(grid, seed):
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    arrays = grid.compile()

    def small(a: np.ndarray):
        return torch.tensor(a.astype(np.float32) if a.dtype == float else a)

    theirs = arrays.convert(small)
    for w in walk(arrays, seed):
        state, setpoint, inputs = (
            replace(thing, **{name: small(value) for name, value in rows(thing).items()})
            for thing in (w.before, w.setpoint, w.inputs)
        )
        setpoint.gen_mw.requires_grad_()
        _, outcome = step(theirs, state, setpoint, inputs)
        scale = max(1.0, abs(w.outcome.flow_mw).max(initial=0), abs(w.outcome.injection_mw).max())
        for name, value in rows(w.outcome).items():
            result = getattr(outcome, name).detach().numpy()
            np.testing.assert_allclose(result, value, rtol=0, atol=1e-3 * scale, err_msg=name)
        (outcome.flow_mw.sum() + outcome.gen_mw.sum() + outcome.shed_mw.sum()).backward()
        assert torch.isfinite(setpoint.gen_mw.grad).all()


def test_gradients_equal_finite_differences_away_from_kinks():
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    compared = 0

    @CHECKED
    @given(grids(), SEEDS)
    def check(grid, seed):
        nonlocal compared
        arrays = grid.compile()
        rng = np.random.default_rng(seed)
        weights = {
            name: rng.normal(size=value.shape[1:]) for name, value in rows(next(walk(arrays, seed)).outcome).items()
        }
        keep = rng.normal(size=len(arrays.node_names))
        theirs = arrays.convert(lambda a: torch.tensor(a.copy()))
        for w in walk(arrays, seed, batch=1, steps=2):
            x = [
                torch.tensor(v, requires_grad=True)
                for v in (w.setpoint.gen_mw, w.setpoint.store_mw, w.before.store_mwh)
            ]

            def value(gen, store, energy, a, to, w=w):
                state = replace(w.before, store_mwh=energy, gen_mw=to(w.before.gen_mw), t=to(w.before.t))
                inputs = Inputs(to(w.inputs.gen_avail_frac), to(w.inputs.load_mw), w.inputs.dt_h)
                after, outcome = step(a, state, Setpoint(gen, store), inputs)
                total = (to(keep) * after.store_mwh).sum()
                return total + sum((to(k) * getattr(outcome, name)).sum() for name, k in weights.items())

            value(*x, theirs, torch.tensor).backward()
            at, h = [v.detach().numpy() for v in x], 1e-5
            middle = value(*at, arrays, np.asarray)
            for which, has_unit in enumerate((arrays.is_source, arrays.is_store, arrays.is_store)):
                for n in np.flatnonzero(has_unit):
                    up, down = ([v.copy() for v in at] for _ in range(2))
                    up[which][0, n] += h
                    down[which][0, n] -= h
                    right = (value(*up, arrays, np.asarray) - middle) / h
                    left = (middle - value(*down, arrays, np.asarray)) / h
                    slope = float(x[which].grad[0, n])
                    if abs(right - left) > 1e-5 * max(1, abs(right)):
                        continue  # a kink
                    assert slope == pytest.approx((left + right) / 2, rel=1e-4, abs=1e-4)
                    compared += slope != 0

    check()
    assert compared > 100
