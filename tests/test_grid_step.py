"""The step keeps its promises on any grid, and equals a second implementation in plain loops."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
from hypothesis import given

from grid import Grid, Setpoint
from grid.physics.step import initial_state, step
from slow_step import PER_NODE, slow_walk
from strategies import CHECKED, SEEDS, grids, random_inputs, random_setpoint, walk

TOLERANCE = 1e-9


def rows(thing: object) -> dict[str, np.ndarray]:
    return {f.name: v for f in fields(thing) if isinstance(v := getattr(thing, f.name), np.ndarray)}


def take(thing, index):
    return replace(thing, **{name: value[index] for name, value in rows(thing).items()})


@CHECKED
@given(grids(), SEEDS)
def test_equals_the_slow_oracle(grid, seed):
    arrays = grid.compile()
    for w in walk(arrays, seed, batch=2):
        for i in range(2):
            store, gen, outcome, lim = slow_walk(arrays, w, i)
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
        output = o.gen_mw + o.curtailed_mw
        assert (output >= lim.gen_lo_mw - TOLERANCE).all()
        assert (output <= lim.gen_hi_mw + TOLERANCE).all()
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
        assert (o.curtailed_mw <= arrays.flex_max_frac * w.inputs.load_mw + TOLERANCE).all()
        met = o.served_mw + o.shed_mw + o.curtailed_mw
        np.testing.assert_allclose(met, w.inputs.load_mw, rtol=0, atol=TOLERANCE)


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
        left = w.inputs.load_mw - w.outcome.curtailed_mw
        assert (w.outcome.shed_mw >= np.minimum(w.setpoint.shed_mw, left) - TOLERANCE).all()
        feasible = np.clip(w.setpoint.gen_mw, w.limits.gen_lo_mw, w.limits.gen_hi_mw)
        assert (w.outcome.spill_mw >= np.minimum(w.setpoint.spill_mw, feasible * arrays.is_source) - TOLERANCE).all()


@CHECKED
@given(grids(), SEEDS)
def test_limits_do_not_depend_on_what_is_asked(grid, seed):
    arrays = grid.compile()
    here = arrays.controllable
    for w in walk(arrays, seed):
        lim = w.limits
        most = 2 * (arrays.most_mw + arrays.discharge_max_mw + arrays.charge_max_mw) + 1
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
