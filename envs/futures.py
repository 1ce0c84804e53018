"""Futures drawn as the world draws its own: what demand, weather and lines may come to, given what is known now."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from envs.batch import GridBatch
from envs.forecasts import Common, Revisions, draw_errors
from envs.outages import chance_frac, steps_out
from envs.outlook import factor_of, steps_to_draw
from envs.problem import SPLIT_CODES
from grid import Array, Inputs

STREAM = max(SPLIT_CODES.values()) + 1  # of random numbers that no episode shares


@dataclass(frozen=True, eq=False)
class Futures:
    """K futures of each of B episodes; they have errors and outages of their own, never those of the episode.

    Every error comes with its opposite, so that the futures are right on average where K is even.
    """

    count: int  # K
    errors: Common | Revisions  # of B x ceil(K / 2) episodes
    fails: np.ndarray | None  # (S, B x K, F) whether lines with an outage rate fail, if in service; None: none can

    @classmethod
    def draw(cls, batch: GridBatch, count: int, seed: int) -> Futures:
        """Draw for the running episodes; futures of episode i do not depend on how many there are."""
        arrays, config, half = batch.arrays, batch.config, (count + 1) // 2
        steps = steps_to_draw(config)
        rngs = [
            [
                np.random.default_rng(np.random.SeedSequence([seed, STREAM], spawn_key=(i, k)))
                for k in range(count + half)
            ]
            for i in range(batch.first, batch.first + batch.batch_size)
        ]
        of_errors = [rng for row in rngs for rng in row[:half]]
        errors = draw_errors(arrays, config, batch.problem.source.draw(of_errors, steps, config.dt_h), of_errors)
        chance, fails = chance_frac(arrays, config.dt_h), None
        if chance.size:
            of_lines = [rng for row in rngs for rng in row[half:]]
            fails = np.stack([rng.random((steps, chance.size), np.float32) for rng in of_lines], axis=1) < chance
        return cls(count, errors, fails)

    def ahead(self, batch: GridBatch, leads: Array) -> Inputs:
        """(B, K, L, ·) inputs so many steps (L,) after the coming one, given what is known when it is decided.

        Without a gate the coming step is known, so it is the same in all futures.
        """
        outlook, expected = batch.outlook, batch.expected(leads)
        step = batch.t + np.minimum(leads, len(outlook.load_mw) - 1 - batch.t)
        lead = step - batch.t + outlook.gate
        own = self.errors.of_nodes(step)
        load = factor_of(*self._mirrored(self.errors.load(step, lead), None if own is None else own[0]), lead)
        avail = factor_of(*self._mirrored(self.errors.avail(step, lead), None if own is None else own[1]), lead)
        avail = np.where(outlook.profiled, self._by_future(avail), 1.0)
        return Inputs(
            np.minimum(expected.gen_avail_frac.swapaxes(0, 1)[:, None] * avail, 1.0),
            expected.load_mw.swapaxes(0, 1)[:, None] * self._by_future(load),
            batch.config.dt_h,
            self._in_service(batch, leads, expected.in_service),
        )

    def _mirrored(self, common: Array, of_nodes: Array | None) -> tuple[Array, Array | None]:
        """Errors (L, B x K) and (L, B x K, N): what was drawn, and its opposite."""

        def both(error: Array) -> Array:
            drawn = error.reshape(len(error), -1, (self.count + 1) // 2, *error.shape[2:])
            whole = np.concatenate([drawn, -drawn], axis=2)[:, :, : self.count]
            return whole.reshape(len(error), -1, *error.shape[2:])

        return both(common), None if of_nodes is None else both(of_nodes)

    def _by_future(self, values: Array) -> Array:
        """(B, K, L, ...) of values (L, B x K, ...)."""
        return values.reshape(len(values), -1, self.count, *values.shape[2:]).transpose(1, 2, 0, 3)

    def _in_service(self, batch: GridBatch, leads: Array, expected: Array | None) -> Array | None:
        """(B, K, L, E) lines in service: expected to be, and not failing before."""
        if expected is None:
            return None
        in_service = np.repeat(expected.swapaxes(0, 1)[:, None], self.count, axis=1)
        lines = batch.outlook.lines
        if self.fails is None or lines is None:
            return in_service
        arrays, dt_h, known = batch.arrays, batch.config.dt_h, batch.t - batch.outlook.gate
        failing = np.flatnonzero(arrays.outage_rate_per_h > 0)
        steps = np.arange(max(known, 0), batch.t + leads[-1] + 1)
        left = (lines.left_h(known, steps[:1] - known, dt_h)[0] / dt_h).round()[:, failing]
        fails = self.fails[steps]
        if known >= 0:
            fails[0] = False  # what has happened is known
        out = steps_out(arrays, lines.planned_h[steps], fails, np.repeat(left, self.count, axis=0), dt_h)
        in_service[..., failing] &= self._by_future(out[batch.t + leads - steps[0]] == 0)
        return in_service
