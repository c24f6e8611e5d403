"""Operations that LLVM turns into vector instructions, where numba's own keep a loop scalar."""

# numba infers the types of compiled functions; annotations would only repeat them.
# mypy: disable-error-code="no-untyped-def,no-untyped-call"

from __future__ import annotations

import math
from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import extending


def _intrinsic(function: Any) -> Any:
    """What compiled code calls without the typing context."""
    return extending.intrinsic(function)


_EXTREME = ("nnan", "nsz")


def _extreme(order):
    """Generate the choice of the one of two floats that is `order` the other.

    numba marks only the comparison of `max` as free of NaN; LLVM wants the choice marked as well.
    """

    def generate(context, builder, signature, arguments):
        chosen = builder.fcmp_ordered(order, *arguments, flags=_EXTREME)
        return builder.select(chosen, *arguments, flags=_EXTREME)

    return generate


@_intrinsic
def larger(typing_context, a, b):
    """The larger of two floats of one type; which of them if one is NaN is not said."""
    return a(a, a), _extreme(">")


@_intrinsic
def smaller(typing_context, a, b):
    """The smaller of two floats of one type; which of them if one is NaN is not said."""
    return a(a, a), _extreme("<")


# Of float32 and float64: bits of the mantissa, terms of the series and least exponent of exp.
_EXPONENTIALS = {32: (23, 7, -87.0), 64: (52, 13, -708.0)}
# log 2 as a number of few digits, whose products with whole numbers are exact, and the rest.
_LOG2 = {
    32: (0.693359375, -2.12194440054690583e-4),
    64: (0.693147180369123816, 1.90821492927058770e-10),
}


@_intrinsic
def exponential(typing_context, x):
    """exp(x) of a float that is not above 0, within two units of the last place.

    For functions in which no sum may be reordered: the rounding to a whole number would be undone.
    What is below the range gives its smallest number, and so does NaN: look for NaN elsewhere.
    x = n log 2 + r with n whole and |r| <= log(2) / 2; exp(r) by its Taylor series, to which n is
    added in the bits of the exponent.
    """

    def generate(context, builder, signature, arguments):
        (x,) = arguments
        kind, bits = signature.return_type, signature.return_type.bitwidth
        mantissa, terms, least = _EXPONENTIALS[bits]

        def number(value):
            return context.get_constant(kind, value)

        def multiply_add(a, b, c):
            return builder.fadd(builder.fmul(a, b, flags=("contract",)), c, flags=("contract",))

        x = builder.select(builder.fcmp_ordered(">", x, number(least)), x, number(least))
        # So large a number has no digits behind the point, and n in its last bits.
        shift = number(1.5 * 2.0**mantissa)
        rounded = multiply_add(x, number(1.0 / math.log(2.0)), shift)
        whole = builder.fneg(builder.fsub(rounded, shift))
        for part in _LOG2[bits]:
            x = multiply_add(whole, number(part), x)
        power = number(1.0 / math.factorial(terms))
        for k in range(terms - 1, -1, -1):
            power = multiply_add(power, x, number(1.0 / math.factorial(k)))
        integer = ir.IntType(bits)
        exponent = builder.shl(builder.bitcast(rounded, integer), ir.Constant(integer, mantissa))
        total = builder.add(builder.bitcast(power, integer), exponent)
        return builder.bitcast(total, power.type)

    return x(x), generate
