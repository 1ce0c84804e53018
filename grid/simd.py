"""Lanes: eight numbers at once, one of each of eight rows, in code that is compiled by numba.

``take`` reads them from an array (·, LANES), ``put`` writes them there; between the two they are added, subtracted,
multiplied and divided like numbers, also with numbers. Processors have instructions for it, and numba alone does not
find them.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core.cgutils import get_or_insert_function
from numba.core.errors import TypingError
from numba.extending import intrinsic, models, overload, register_model

from grid.jit import Array, compiled

LANES = 8
VECTOR = ir.VectorType(ir.DoubleType(), LANES)
FUSED = ("contract",)


class LanesType(types.Type):
    """What numba calls them."""

    def __init__(self) -> None:
        super().__init__(name="Lanes")


lanes = LanesType()


@register_model(LanesType)
class LanesModel(models.PrimitiveModel):
    """A vector of the processor."""

    def __init__(self, manager: Any, kind: LanesType) -> None:
        super().__init__(manager, kind, VECTOR)


def _offered(function: Callable[..., Any]) -> Any:
    """To compiled code, which calls it without the first argument."""
    return intrinsic(function)


def _check(array: Any) -> None:
    if array.layout != "C" or array.dtype != types.float64:
        raise TypingError(f"lanes: found {array}; allowed: an array of float64 in one piece, row by row")


def _place(context: Any, builder: Any, signature: Any, array: Any, index: Any) -> Any:
    data = context.make_array(signature.args[0])(context, builder, array).data
    first = builder.mul(index, ir.Constant(index.type, LANES))
    return builder.bitcast(builder.gep(data, [first]), VECTOR.as_pointer())


@_offered
def take(typing: Any, array: Any, index: Any) -> Any:
    """Row ``index`` of an array (·, LANES) that lies in one piece."""
    _check(array)

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load(_place(context, builder, signature, *args), align=8)

    return lanes(array, types.intp), code


@_offered
def put(typing: Any, array: Any, index: Any, value: Any) -> Any:
    """Overwrite row ``index`` of such an array."""
    _check(array)

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.store(args[2], _place(context, builder, signature, *args[:2]), align=8)
        return context.get_dummy_value()

    return types.void(array, types.intp, lanes), code


@_offered
def every(typing: Any, number: Any) -> Any:
    """The same number in all lanes."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        one = builder.insert_element(ir.Constant(VECTOR, ir.Undefined), args[0], ir.Constant(ir.IntType(32), 0))
        places = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
        return builder.shuffle_vector(one, ir.Constant(VECTOR, ir.Undefined), places)

    return lanes(types.float64), code


@_offered
def choose(typing: Any, test: Any, yes: Any, no: Any) -> Any:
    """``yes`` in the lanes where the test is above 0, else ``no``."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        above = builder.fcmp_ordered(">", args[0], ir.Constant(VECTOR, [0.0] * LANES))
        return builder.select(above, *args[1:])

    return lanes(lanes, lanes, lanes), code


@_offered
def root(typing: Any, value: Any) -> Any:
    """The square root."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = ir.FunctionType(VECTOR, [VECTOR])
        return builder.call(get_or_insert_function(builder.module, kind, f"llvm.sqrt.v{LANES}f64"), args)

    return lanes(lanes), code


def _joined(emit: Callable[[Any, Any, Any], Any]) -> Any:
    """What two lanes make, or one and a number."""

    @_offered
    def both(typing: Any, a: Any, b: Any) -> Any:
        return lanes(lanes, lanes), lambda context, builder, signature, args: emit(builder, *args)

    def typed(a: Any, b: Any) -> Any:
        if lanes not in (a, b):
            return None
        if isinstance(a, types.Number):
            return lambda a, b: both(every(a), b)
        if isinstance(b, types.Number):
            return lambda a, b: both(a, every(b))
        return lambda a, b: both(a, b)  # noqa: PLW0108 # numba wants a function

    return typed


def least(a: Any, b: Any) -> Any:
    """The smaller of the two, lane by lane."""


def most(a: Any, b: Any) -> Any:
    """The larger of the two, lane by lane."""


EMITTED: dict[Callable[..., Any], Callable[[Any, Any, Any], Any]] = {
    operator.add: lambda builder, a, b: builder.fadd(a, b, flags=FUSED),
    operator.sub: lambda builder, a, b: builder.fsub(a, b, flags=FUSED),
    operator.iadd: lambda builder, a, b: builder.fadd(a, b, flags=FUSED),
    operator.isub: lambda builder, a, b: builder.fsub(a, b, flags=FUSED),
    operator.mul: lambda builder, a, b: builder.fmul(a, b, flags=FUSED),
    operator.truediv: lambda builder, a, b: builder.fdiv(a, b),
    least: lambda builder, a, b: builder.select(builder.fcmp_ordered("<", a, b), a, b),
    most: lambda builder, a, b: builder.select(builder.fcmp_ordered(">", a, b), a, b),
}
for _function, _emit in EMITTED.items():
    overload(_function, strict=False)(_joined(_emit))


@compiled
def blank(rows: int) -> Array:
    """Zeros (rows, LANES), whose rows fill one line of memory each: a row across two of them takes longer to read."""
    space = np.zeros((rows + 1) * LANES)
    begin = -(space.ctypes.data // space.itemsize) % LANES
    return space[begin : begin + rows * LANES].reshape(rows, LANES)
