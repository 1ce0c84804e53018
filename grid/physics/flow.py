"""Line flows from injections, with all lines in service or some of them out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from grid.arrays import GridArrays
from grid.errors import GridError
from grid.namespace import namespace
from grid.physics.outages import Outages
from grid.state import Array

if TYPE_CHECKING:
    from grid.physics.ac import AcFlow


def flows(arrays: GridArrays, injection_mw: Array, outages: Outages | None = None) -> Array:
    """Flow of each line.

    Args:
        arrays: the grid.
        injection_mw: (B, N), summing to 0 in every connected part; what a part lacks is spread evenly over its nodes.
        outages: the lines that are out of service; None: none is.

    Returns:
        (B, E) MW, positive from line_from to line_to; 0 on lines out of service.
    """
    if arrays.flow_matrix is None:
        intact_mw = arrays.line_model.flows(injection_mw)
    else:
        intact_mw = namespace(injection_mw).matmul(injection_mw, arrays.flow_matrix.T) + arrays.flow_offset_mw
    return intact_mw if outages is None else outages.flows(intact_mw, injection_mw)


def ptdf(arrays: GridArrays, weights: np.ndarray, outages: Outages | None = None) -> np.ndarray:
    """How much each injected MW changes a weighted sum of flows (PTDF: power transfer distribution factors).

    Args:
        arrays: the grid.
        weights: (B, E) of the flows.
        outages: the lines that are out of service; None: none is.

    Returns:
        (B, N) per MW; as the injections of a part sum to 0, what all its nodes have in common means nothing.
    """
    if outages is None:
        return arrays.line_model.ptdf(weights)
    out = arrays.line_model.ptdf(outages.intact_weights(weights))
    for rows, model, lines in outages.solved:
        out[rows] = model.ptdf(weights[np.ix_(rows, lines)])
    return out


def ac_flow(arrays: GridArrays) -> AcFlow:
    """What solves AC power flow on a grid; ``step`` takes it.

    Raises:
        GridError: the package numba is missing.
    """
    try:
        from grid.physics.ac import AcFlow
    except ModuleNotFoundError as error:
        allowed = "an installation that can solve AC power flow"
        raise GridError.without(str(error.name), allowed, "ac") from error
    return AcFlow(arrays)
