"""The one table of prices and cost terms, which reward, optimum, planner and pictures read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, cast
from weakref import WeakKeyDictionary

import numpy as np

from grid.arrays import GridArrays
from grid.errors import GridError
from grid.namespace import loops, namespace
from grid.numbers import is_finite
from grid.state import Array, Outcome

Quantity = Callable[[GridArrays, Outcome], Array]
Block = Literal["", "gen", "spill", "charge", "discharge", "shed", "overload", "on", "start"]
"""What plans decide on, and so can be charged for there: overload of each line, all else at each node."""


@dataclass(frozen=True)
class Term:
    """One term of the cost: a quantity, summed over nodes or lines by a weight, times a price."""

    name: str
    meaning: str  # what is charged for
    colour: str  # in pictures
    quantity: Quantity | None = None  # MW: (B, N), (B, E) or, without a weight, (B,); None: see ``settlement``
    weight: str = ""  # field of GridArrays, (N,) or (E,)
    block: Block = ""  # of optimum and planner, where a MWh costs price times weight; none: they leave the term out
    curve: str = ""  # field of GridArrays, (N,), by which the squared quantity is summed
    unit: str = "currency/MWh"  # of the price
    above_0: bool = False  # whether the price must be
    price: str = ""  # field of Prices; none: the weights are prices themselves
    of_ac: bool = False  # whether it applies in AC power flow alone
    of_starts: bool = False  # whether it applies alone where plants start and stop

    def applies(self, arrays: GridArrays, is_ac: bool) -> bool:
        """Whether steps of a grid have it."""
        return (is_ac or not self.of_ac) and (bool(arrays.stoppable.shape[0]) or not self.of_starts)

    def price_in(self, prices: Prices) -> float:
        """The price among these; 1 where the weights are prices."""
        return float(getattr(prices, self.price)) if self.price else 1.0


def overload_mw(arrays: GridArrays, carried: Array) -> Array:
    """(B, E) what lines carry above their capacity, MW or, in AC, MVA; see ``Outcome.carried``."""
    compiled = loops(carried, "grid.physics")
    if compiled is not None and carried.ndim == 2:
        return compiled.overload(carried, arrays.capacity_mw)
    xp = namespace(carried)
    return xp.maximum(xp.abs(carried) - arrays.capacity_mw, 0.0)


def _overload(arrays: GridArrays, outcome: Outcome) -> Array:
    return overload_mw(arrays, outcome.carried)


def _tripped(arrays: GridArrays, outcome: Outcome) -> Array:
    """(B, E) capacity of the lines that have tripped; None where none can."""
    if outcome.tripped is None:
        return None
    xp = namespace(outcome.flow_mw)
    return xp.where(outcome.tripped, arrays.capacity_mw, 0.0)


def _of(name: str) -> Quantity:
    return lambda arrays, outcome: getattr(outcome, name)


def _price(default: float | None, *term: Any, **rest: Any) -> Any:
    return field(default=default, metadata={"term": Term(*term, **rest)})


@dataclass(frozen=True)
class Prices:
    """What is charged beside generation and shed demand, whose prices are columns of the grid.

    Each price is that of one term: default, name, meaning, colour, quantity, weight, block.

    Raises:
        GridError: a price is not a finite number, is negative, or balancing is free.
    """

    overload_per_mwh: float = _price(
        300.0, "overload", "energy carried above a line's capacity", "#42145F", _overload, "each_line", "overload"
    )
    trip_per_mwh: float = _price(
        0.0, "trips", "capacity of lines that are out because they tripped", "#A0522D", _tripped, "each_line"
    )
    spill_per_mwh: float = _price(
        10.0, "spill", "energy generated and thrown away", "#F0E442", _of("spill_mw"), "each_node", "spill"
    )
    balancing_per_mwh: float = _price(
        2.0, "balancing", "energy that the balance stage had to move", "#56B4E9", _of("balancing_mw"), above_0=True
    )
    wear_per_mwh: float = _price(
        1.0, "wear", "energy discharged from a store", "#009E73", _of("discharge_mw"), "each_node", "discharge"
    )
    co2_per_t: float = _price(
        0.0, "co2", "CO2 emitted", "#8794A1", _of("gen_mw"), "co2_t_per_mwh", "gen", unit="currency/t"
    )
    voltage_per_pu_h: float = _price(
        10000.0,
        "voltage",
        "voltage outside its band, summed over buses; in AC alone",
        "#CC3311",
        _of("voltage_off_pu"),
        unit="currency/pu·h",
        of_ac=True,
    )
    store_value_per_mwh: float | None = _price(
        None, "settlement", "energy taken out of stores; None: cheapest positive marginal cost x efficiency", "#CC79A7"
    )

    def __post_init__(self) -> None:
        for each in fields(self):
            value, above_0 = getattr(self, each.name), each.metadata["term"].above_0
            if value is None and each.default is None:
                continue
            if not is_finite(value) or value < 0 or (above_0 and value == 0):
                allowed = "a number > 0" if above_0 else "a finite number >= 0"
                raise GridError(f"prices.{each.name}", f"{value!r}", allowed, "correct the price")


TERMS: dict[str, Term] = {
    term.name: term
    for term in (
        Term("generation", "output", "#E69F00", _of("gen_mw"), "gen_cost_per_mwh", "gen", "gen_cost_per_mw2h"),
        Term("shed", "demand not served", "#D55E00", _of("shed_mw"), "shed_cost_per_mwh", "shed"),
        Term("curtailment", "flexible demand cut", "#B8860B", _of("curtailed_mw"), "flex_cost_per_mwh", "gen"),
        Term(
            "start",
            "starts of plants",
            "#117733",
            _of("starts_per_h"),
            "start_cost",
            "start",
            unit="currency",
            of_starts=True,
        ),
        Term(
            "no_load",
            "plants that are on",
            "#999933",
            _of("on"),
            "no_load_cost_per_h",
            "on",
            unit="currency/h",
            of_starts=True,
        ),
        *(replace(each.metadata["term"], price=each.name) for each in fields(Prices)),
    )
}
"""Every cost term by its name, in the order in which they are reported."""

_ARGS = "".join(f"        {term.price}: {term.unit} of {term.meaning}.\n" for term in TERMS.values() if term.price)
Prices.__doc__ = str(Prices.__doc__).replace("    Raises:", f"    Args:\n{_ARGS}\n    Raises:")


def linear_cost_per_mwh(arrays: GridArrays, prices: Prices, block: Block) -> Array:
    """(N,) or, of overload, (E,) what the first MWh of it costs, by all terms of the block."""
    none = 0.0 * (arrays.each_line if block == "overload" else arrays.each_node)
    terms = [term for term in TERMS.values() if term.block == block]
    return sum((term.price_in(prices) * getattr(arrays, term.weight) for term in terms), none)


def marginal_cost_per_mwh(arrays: GridArrays, prices: Prices) -> Array:
    """(N,) cost of the first MWh of each source, CO2 included, and of a cut of flexible demand."""
    return linear_cost_per_mwh(arrays, prices, "gen")


def store_value_per_mwh(arrays: GridArrays, prices: Prices) -> Array:
    """(N,) worth of a stored MWh at the end; 0 at nodes without a store.

    Raises:
        GridError: the price asked for exceeds what the stored energy can save.
    """
    cost = np.asarray(marginal_cost_per_mwh(arrays, prices))
    useful = cost[np.asarray(arrays.is_source) & (cost > 0)]
    highest = float(useful.min()) if useful.size else 0.0
    asked = prices.store_value_per_mwh
    value = np.where(arrays.is_store, highest * np.asarray(arrays.discharge_eff_frac), 0.0)
    if asked is None:
        return value
    limit = float(value[np.asarray(arrays.is_store)].min(initial=np.inf))
    if asked > limit:
        allowed = f"at most {limit:g}: the cheapest positive marginal cost x discharge efficiency"
        mend = "lower it, or leave it out to get that value"
        raise GridError("prices.store_value_per_mwh", f"{asked:g}", allowed, mend)
    return np.where(arrays.is_store, asked, 0.0)


def step_amounts(arrays: GridArrays, outcome: Outcome) -> dict[str, Array]:
    """What one step has of each term, (B,): MW by their weights, which are prices where the term has none of its own.

    The term of voltages is there in AC alone, those of starts where plants start and stop; settlement is charged at the
    end of the episode alone.
    """
    none = 0.0 * outcome.balancing_mw
    amounts = {}
    for term, weight, curve in _weights(arrays):
        if term.of_ac and outcome.loss_mw is None:
            continue
        each = cast(Quantity, term.quantity)(arrays, outcome)
        total = each if weight is None else none if each is None else each @ weight
        amounts[term.name] = total if curve is None else total + (each * each) @ curve
    return amounts


_WEIGHTS: WeakKeyDictionary[GridArrays, list[tuple[Term, Array, Array]]] = WeakKeyDictionary()


def _weights(arrays: GridArrays) -> list[tuple[Term, Array, Array]]:
    """Terms that a step has, with their weights, and those of the square; None where there are none."""
    kept = _WEIGHTS.get(arrays)
    if kept is None:
        kept = _WEIGHTS[arrays] = []
        for term in TERMS.values():
            if term.quantity is not None and term.applies(arrays, True):
                curve = getattr(arrays, term.curve) if term.curve else None
                is_curved = curve is not None and bool((curve != 0).any())
                weight = getattr(arrays, term.weight) if term.weight else None
                kept.append((term, weight, curve if is_curved else None))
    return kept


def step_costs(arrays: GridArrays, prices: Prices, outcome: Outcome, dt_h: float) -> dict[str, Array]:
    """Cost terms of one step in currency, (B,) each, as ``step_amounts`` has them."""
    return priced(step_amounts(arrays, outcome), prices, dt_h)


def priced(amounts: dict[str, Array], prices: Prices, dt_h: float) -> dict[str, Array]:
    """Costs, (B,) each, of what a step has of each term."""
    return {name: amount * (TERMS[name].price_in(prices) * dt_h) for name, amount in amounts.items()}


def settlement(value_per_mwh: Array, start_mwh: Array, end_mwh: Array) -> Array:
    """(B,) what an episode owes for the energy it took out of the stores, negative where it left more."""
    return (start_mwh - end_mwh) @ value_per_mwh
