"""The AC network of a grid: its buses, their admittances, and where Newton's method starts."""

from __future__ import annotations

import heapq

import numpy as np

from grid.arrays import GridArrays
from grid.physics.equations import Network
from grid.sensitivities import connected, rows_of, sides

GROUNDED = 1e6  # own susceptance of a grounded bus, as a multiple of the largest


class AcModel:
    """N nodes as n buses: those that ideal connectors in service join are one bus.

    Lines follow MATPOWER's branch model: a series impedance with half the charging and iron losses at each end, behind
    an ideal transformer of ratio ``tap`` and shift ``shift_deg`` at the from end (MATPOWER User's Manual, "Branches").

    Args:
        arrays: the grid.
        closed: (E,) whether a line is an ideal connector that is in service.
    """

    def __init__(self, arrays: GridArrays, closed: np.ndarray) -> None:
        from scipy.sparse import csr_array

        nodes, base = len(arrays.node_names), arrays.base_mva
        self.connectors = np.flatnonzero(closed)
        self.lines = np.flatnonzero(arrays.reactance_pu != 0)  # (m,)
        bus = connected(arrays.line_from[self.connectors], arrays.line_to[self.connectors], nodes)
        start, end = arrays.line_from[self.lines], arrays.line_to[self.lines]
        rank, pattern = _eliminate(int(bus.max()) + 1, bus[start], bus[end])
        self.bus = bus = rank[bus]  # (N,)
        n = int(bus.max()) + 1
        self.gather = rows_of(bus, np.arange(nodes), np.ones(nodes), (n, nodes))
        self.node = np.zeros(n, dtype=np.intp)  # (n,) a node of each bus
        self.node[bus[::-1]] = np.arange(nodes)[::-1]
        is_turned = bus[start] > bus[end]  # (m,) whether the from end is the later bus

        holder, self.least_mvar, self.largest_mvar = holders(arrays)
        set_pu = np.where(np.isnan(arrays.voltage_set_pu), 1.0, arrays.voltage_set_pu)
        bus_set_pu = set_pu[self.node]
        held = np.flatnonzero(holder)[::-1]
        bus_set_pu[bus[held]] = set_pu[held]  # the first node of a bus decides
        self.part_of_reactive = self._split(arrays, holder)
        self.net = Network(
            **pattern,
            line=self.lines,
            is_turned=is_turned.astype(np.int64),
            admittance=_admittance(arrays, self.lines, is_turned),
            shunt=np.column_stack([self.gather @ arrays.shunt_mw, self.gather @ arrays.shunt_mvar]) / base,
            set_pu=bus_set_pu,
            holds=self.gather @ holder > 0,
            least=self.gather @ np.where(holder, self.least_mvar, 0.0) / base,
            largest=self.gather @ np.where(holder, self.largest_mvar, 0.0) / base,
        )
        self.lowest_pu = np.zeros(n)  # (n,) the tightest band of its nodes
        np.maximum.at(self.lowest_pu, bus, arrays.voltage_min_pu)
        self.highest_pu = np.full(n, np.inf)
        np.minimum.at(self.highest_pu, bus, arrays.voltage_max_pu)
        side = rows_of(*sides(arrays.line_from, arrays.line_to, self.connectors, nodes))
        count = len(self.lines)
        self.side = side  # (C, N)
        self.leaving = tuple(  # (C, m) lines whose from end is on the side, and whose to end is
            csr_array(side @ rows_of(ends, np.arange(count), np.ones(count), (nodes, count))) for ends in (start, end)
        )
        self._susceptance(arrays, bus[start], bus[end])
        self.start = self.dc_voltage(np.zeros((1, n)))[0]  # (n, 2) voltages, until better ones are known

    def _split(self, arrays: GridArrays, holder: np.ndarray) -> np.ndarray:
        """(N,) share of each node in what the bus gives: by reactive range, evenly where a range has no end."""
        span = np.where(holder, self.largest_mvar - self.least_mvar, 0.0)
        span = np.where(np.isinf(span), 1.0, np.where((self.gather @ np.isinf(span))[self.bus] > 0, 0.0, span))
        total = (self.gather @ span)[self.bus]
        even = np.where((self.gather @ holder)[self.bus] > 0, holder, 1.0)
        span = np.where(total > 0, span, even)
        share: np.ndarray = span / (self.gather @ span)[self.bus]
        return share

    def _susceptance(self, arrays: GridArrays, start: np.ndarray, end: np.ndarray) -> None:
        """What angles follow from in DC."""
        from scipy.sparse import csc_array
        from scipy.sparse.linalg import splu

        n, lines = len(self.node), self.lines
        suscept = 1.0 / (arrays.reactance_pu[lines] * arrays.tap[lines])
        ends, signs = np.concatenate([start, end]), np.repeat([1.0, -1.0], len(lines))
        incidence = rows_of(np.tile(np.arange(len(lines)), 2), ends, signs, (len(lines), n))
        nodal = csc_array(incidence.T @ incidence.multiply(suscept[:, None]))
        ground = np.unique(connected(start, end, n), return_index=True)[1]  # one bus of each part
        most = GROUNDED * max(float(abs(nodal).max()), 1.0)
        nodal = nodal + rows_of(ground, ground, np.full(len(ground), most), (n, n))
        self._factor = splu(csc_array(nodal), permc_spec="MMD_AT_PLUS_A")
        self._shift_pu = incidence.T @ (suscept * np.deg2rad(arrays.shift_deg[lines]))

    def dc_voltage(self, injection_pu: np.ndarray) -> np.ndarray:
        """(B, n, 2) voltages with the angles of DC power flow and the magnitudes that are set, or 1 pu."""
        angle = self._factor.solve(np.ascontiguousarray((injection_pu + self._shift_pu).T)).T
        size = np.where(self.net.holds, self.net.set_pu, 1.0)
        return np.stack([size * np.cos(angle), size * np.sin(angle)], axis=-1)


def holders(arrays: GridArrays) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(N,) nodes that hold their voltage, and their reactive limits; without any set voltage every source, 1 pu."""
    given = ~np.isnan(arrays.voltage_set_pu)
    if given.any():
        return given, arrays.gen_min_mvar, arrays.gen_max_mvar
    endless = np.full(len(given), np.inf)
    return np.asarray(arrays.is_source), -endless, endless


def _admittance(arrays: GridArrays, lines: np.ndarray, is_turned: np.ndarray) -> np.ndarray:
    """(m, 8) of the lines, low end first."""
    series = 1.0 / (arrays.resistance_pu[lines] + 1j * arrays.reactance_pu[lines])
    own = series + 0.5 * (arrays.conductance_pu[lines] + 1j * arrays.charging_pu[lines])
    ratio = arrays.tap[lines] * np.exp(1j * np.deg2rad(arrays.shift_deg[lines]))
    y = np.stack([own / np.abs(ratio) ** 2, -series / ratio.conj(), -series / ratio, own], axis=1)
    y = np.where(is_turned[:, None], y[:, ::-1], y)
    return np.ascontiguousarray(y).view(float)


def _eliminate(n: int, start: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Number the buses by least degree and find the fill (Tinney and Walker, Proc. IEEE 55(11), 1967).

    Returns:
        (n,) new number of each bus, and the fields of the network that follow from the pattern.
    """
    near: list[set[int]] = [set() for _ in range(n)]
    for i, j in zip(start.tolist(), end.tolist(), strict=True):
        if i != j:
            near[i].add(j)
            near[j].add(i)
    queue = [(len(each), i) for i, each in enumerate(near)]
    heapq.heapify(queue)
    order: list[int] = []
    later: list[set[int]] = []
    rank = np.full(n, -1)
    while queue:
        degree, i = heapq.heappop(queue)
        if rank[i] >= 0 or degree != len(near[i]):
            continue
        rank[i] = len(order)
        order.append(i)
        later.append(near[i])
        for j in near[i]:
            near[j] = (near[j] | near[i]) - {i, j}
            heapq.heappush(queue, (len(near[j]), j))
    links = [sorted(int(rank[j]) for j in each) for each in later]
    first = np.concatenate([[0], np.cumsum([len(each) for each in links])]).astype(np.int64)
    number = {(i, j): int(first[i]) + at for i, each in enumerate(links) for at, j in enumerate(each)}
    fill = [number[a, b] for each in links for at, a in enumerate(each) for b in each[at + 1 :]]
    low, high = np.minimum(rank[start], rank[end]), np.maximum(rank[start], rank[end])
    line_link = [number.get((i, j), -1) for i, j in zip(low.tolist(), high.tolist(), strict=True)]
    is_real = np.zeros(len(number), dtype=np.int64)
    is_real[[link for link in line_link if link >= 0]] = 1
    pairs = np.array(list(number), dtype=np.int64).reshape(-1, 2)
    return rank, {
        "first": first,
        "low": np.ascontiguousarray(pairs[:, 0]),
        "high": np.ascontiguousarray(pairs[:, 1]),
        "is_real": is_real,
        "fill": np.array(fill, dtype=np.int64),
        "line_low": low,
        "line_high": high,
        "line_link": np.array(line_link, dtype=np.int64),
    }
