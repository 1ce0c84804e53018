"""The step on torch: the same numbers, in single precision too, and true gradients."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given

from grid import Inputs, Setpoint
from grid.physics.step import initial_state, step
from strategies import CHECKED, SEEDS, grids, walk
from test_grid_step import TOLERANCE, rows


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@CHECKED
@given(grids(), SEEDS)
def test_torch_gives_the_same_step(device, grid, seed):
    torch = pytest.importorskip("torch")
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("needs a GPU")
    torch.set_num_threads(1)

    def tensor(a: np.ndarray):
        return torch.tensor(a.copy(), device=device)

    def tensors(thing):
        return replace(thing, **{name: tensor(value) for name, value in rows(thing).items()})

    arrays = grid.compile()
    theirs, state = arrays.convert(tensor), tensors(initial_state(arrays, 4))
    for w in walk(arrays, seed):
        state, outcome = step(theirs, state, tensors(w.setpoint), tensors(w.inputs))
        for ours, other in ((w.outcome, outcome), (w.after, state)):
            for name, value in rows(ours).items():
                result = getattr(other, name)
                assert result.device.type == device
                np.testing.assert_allclose(result.cpu(), value, rtol=0, atol=TOLERANCE, err_msg=name)


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
            for which, has_unit in enumerate((arrays.most_mw > 0, arrays.is_store, arrays.is_store)):
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
