"""One first step for several futures: a linear programme with two stages."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from grid.errors import GridError
from grid.physics import TINY_MW, Outages
from grid.planning.programme import Programme
from grid.state import Inputs


@dataclass(frozen=True, eq=False)
class FirstStep:
    """What is asked for in the first step of all futures."""

    gen_mw: np.ndarray  # (N,) what is spilled in all of them taken off
    store_mw: np.ndarray  # (N,)
    cost: float  # mean over the futures, settlement included


class FuturesProgramme(Programme):
    """K futures of T steps that share the setpoint of the first; the later steps are each future's own.

    Where the first step is known, it is the same in all futures. Where it is forecast, its balance differs, and follows
    the rule of ``physics.balance``: what is missing is shared by the sources in proportion to headroom x
    gen_reserve_frac, what is too much in proportion to footroom. Both follow from a setpoint that is given, so that the
    programme stays linear (affine recourse). Sources whose availability varies may stay below the setpoint. Stores
    do as they are told; the rest is shed or spilled. The balance sheds what supply lacks, never to relieve a line, so
    in that step a MWh shed costs more than it could save there.
    """

    def _add_plants(self) -> None:
        if self.arrays.stoppable.shape[0]:
            found = f"{self.arrays.stoppable.shape[0]} plants that start and stop"
            raise GridError("smpc", found, "plants that are always on", "use mpc or plan, which decide on starts")

    def _join_futures(self) -> None:
        """Columns of the common setpoint, and of what each future does otherwise; the rows that say so."""
        model, k, sources, stores = self.model, self.futures, len(self._source), len(self._store)
        self._varies = np.array([name is not None for name in self.arrays.gen_profile])[self._source]
        price = self.prices.balancing_per_mwh * self.dt_h
        asked = model.add_columns(np.zeros(sources + 2 * stores))
        self._asked_gen, self._asked_store = asked[:sources], asked[sources:].reshape(2, -1)
        self._planned = model.add_columns(np.zeros(k * sources)).reshape(k, -1)  # within limits, before the balance
        self._below = model.add_columns(np.zeros(k * sources)).reshape(k, -1)  # what availability lacks
        self._moved = model.add_columns(np.full(2 * k * sources, price)).reshape(2, k, -1)  # up and down, by part
        self._share = np.zeros((2, k, sources, sources))
        each = sources + 2 * stores
        self._rows = model.highs.getNumRow() + np.arange(k * each).reshape(k, each)
        done, within = np.arange(k * each).reshape(k, each), k * each + np.arange(k * sources).reshape(k, sources)
        entries = [
            (done[:, :sources], self._planned, -1.0),
            (done[:, sources:], np.tile(asked[sources:], (k, 1)), -1.0),
            (within, self._planned, 1.0),
            (within, self._below, 1.0),
            (within, np.tile(self._asked_gen, (k, 1)), -1.0),
        ]
        row, column, value = (
            np.concatenate([np.broadcast_to(entry[i], entry[0].shape).ravel() for entry in entries]) for i in range(3)
        )
        none = np.zeros(k * (each + sources))
        model.add_rows(none, none, row, column, value)
        step = self._step
        self._steered = np.concatenate([step.columns[name] for name in ("gen", "charge", "discharge")])
        self._joined = np.zeros(0, dtype=np.intp)  # (K,) first steps of the model

    def set_futures(
        self,
        inputs: Inputs,
        store_start_mwh: np.ndarray,
        gen_before_mw: np.ndarray | None,
        passed: int,
        is_known: bool,
    ) -> None:
        """Change demand, availability, outages and the start in place; see ``set_inputs``.

        Args:
            inputs: of K futures, one after another.
            store_start_mwh: (N,) stored energy before the first step.
            gen_before_mw: (N,) output before the first step; None: no ramp.
            passed: steps since the inputs before.
            is_known: whether the first step is the same in all futures.
        """
        self._is_known = is_known
        # currency that a MW shed in the first step costs on top of its price
        self._shed_extra = 0.0 if is_known else self.prices.overload_per_mwh * self.dt_h
        self.set_inputs(inputs, store_start_mwh, gen_before_mw, passed)
        first = self._ring[:: self.steps]
        if not np.array_equal(first, self._joined):
            for steps, weight in ((self._joined, 0.0), (first, 1.0)):
                columns = self._step.columns_at(steps, self._steered)
                rows = self._rows[: len(steps)]
                self.model.set_weights(rows.ravel(), columns.ravel(), np.full(columns.size, weight))
                served = self._step.columns_at(steps, self._step.columns["served"])
                worth = self._price("shed")[self._consumer] + weight * self._shed_extra
                self.model.set_cost(np.tile(-worth, (len(steps), 1)), served)
            self._joined = first
        most = np.zeros(self._below.shape)
        if not is_known:
            most[:, self._varies] = np.inf
        self.model.set_columns(self._below, np.zeros_like(most), most)
        self.model.set_columns(self._planned, np.zeros_like(most), self._bounds_mw[1])
        most_moved = np.full(self._moved.shape, 0.0 if is_known else np.inf)
        self.model.set_columns(self._moved, np.zeros_like(most_moved), most_moved)
        in_service = self._in_service[first]
        outages = Outages.of(self.arrays, in_service)
        part = np.tile(self.arrays.part, (self.futures, 1))
        if outages is not None and outages.islands is not None:
            part[outages.islands.rows] = outages.islands.cell
        part = part[:, self._source]
        self._same_part = part[:, :, None] == part[:, None, :]

    def balance_as_from(self, gen_mw: np.ndarray, is_close: bool = False) -> None:
        """Share what differs in the first step as it would be shared from this setpoint (N,).

        Where that is close to what will be asked for, what availability lacks follows from it, too.
        """
        if self._is_known:
            return
        low, high = self._bounds_mw
        if is_close:
            asked = np.maximum(gen_mw[self._source], low.max(axis=0))
            most = self._varies * np.maximum(asked - high, 0.0)
            self.model.set_columns(self._below, np.zeros_like(most), most)
        plan = np.clip(gen_mw[self._source], low, high)
        is_source = self.arrays.is_source[self._source]  # demand is not cut by the balance
        rooms = (high - plan) * self.arrays.gen_reserve_frac[self._source] * is_source, (plan - low) * is_source
        leader = self._same_part.argmax(axis=2)  # (K, S) first source of each source's part
        share = np.zeros_like(self._share)
        k, s = np.indices(leader.shape)
        for sign, own, room in zip((-1.0, 1.0), share, rooms, strict=True):
            total = (self._same_part * room[:, None, :]).sum(axis=2)
            own[k, s, leader] = sign * room / np.maximum(total, TINY_MW)
        way, k, s, column = np.nonzero(share != self._share)
        self.model.set_weights(self._rows[k, s], self._moved[way, k, column], share[way, k, s, column])
        self._share = share

    def _forced(
        self, avail_frac: np.ndarray, in_service: np.ndarray, load: np.ndarray
    ) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
        """As it is; but in a first step that is forecast, anything may be spilled and shed."""
        spill, served = super()._forced(avail_frac, in_service, load)
        if not self._is_known:
            spill[1][:, 0], served[0][:, 0] = np.inf, 0.0
        return spill, served

    def first_step(self) -> FirstStep:
        """Solve, from the last basis, for what is asked for.

        Raises:
            GridError: the solver finds no optimum.
        """
        cost, x, _ = self._solved()
        values = np.array(self.model.highs.getSolution().col_value)
        gen_mw, store_mw = np.zeros((2, len(self.arrays.node_names)))
        gen_mw[self._source] = values[self._asked_gen]
        first = x.reshape(self.futures, self._end, -1)[:, 0]
        gen_mw[self._spilling] -= first[:, self._step.columns["spill"]].min(axis=0)
        cost += self._shed_extra * first[:, self._step.columns["served"]].sum()
        charge, discharge = values[self._asked_store]
        store_mw[self._store] = discharge - charge
        return FirstStep(gen_mw, store_mw, cost / self.futures)
