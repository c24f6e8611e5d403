"""Operations that LLVM turns into vector instructions, where numba's own keep a loop scalar."""

# numba infers the types of compiled functions; annotations would only repeat them.
# mypy: disable-error-code="no-untyped-def,no-untyped-call"

from __future__ import annotations

import math
from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import extending, types


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


def _multiply_add(builder):
    """Generate a b + c, rounded once where the processor can."""

    def generate(a, b, c):
        return builder.fadd(builder.fmul(a, b, flags=("contract",)), c, flags=("contract",))

    return generate


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

        multiply_add = _multiply_add(builder)
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


_ONE, _TWO_TO_52 = 0x3FF0000000000000, 0x4330000000000000  # the bits of 1.0 and of 2.0^52


@_intrinsic
def whole(typing_context, bits):
    """The float64 of a whole number below 2^52, given as uint64.

    It is read as the mantissa of a large number, since few processors turn vectors of integers into
    floats.
    """

    def generate(context, builder, signature, arguments):
        return builder.fsub(_whole_and_large(builder, arguments[0]), _number(2.0**52))

    return types.float64(bits), generate


def _number(value):
    return ir.Constant(ir.DoubleType(), value)


def _whole_and_large(builder, bits):
    """2^52 and a whole number below that."""
    return _with_bits(builder, bits, _TWO_TO_52)


def _with_bits(builder, bits, more):
    return builder.bitcast(builder.or_(bits, ir.Constant(bits.type, more)), ir.DoubleType())


def _polynomial(builder, x, coefficients):
    """The sum of coefficients[k] x^k (Estrin): by pairs, few of which wait for each other."""
    multiply_add, terms = _multiply_add(builder), list(map(_number, coefficients))
    while len(terms) > 1:
        odd = terms[-1:] if len(terms) % 2 else []
        terms = [multiply_add(b, x, a) for a, b in zip(terms[::2], terms[1::2], strict=False)] + odd
        x = builder.fmul(x, x)
    return terms[0]


@_intrinsic
def logarithm(typing_context, x):
    """log(x) of a normal positive float64, to 1e-13 of its size.

    x = 2^n m with m between sqrt(1/2) and sqrt(2); log(m) = 2 artanh((m - 1) / (m + 1)) by its
    series.
    """

    def generate(context, builder, signature, arguments):
        integer = ir.IntType(64)
        multiply_add = _multiply_add(builder)
        bits = builder.bitcast(arguments[0], integer)
        m = _with_bits(builder, builder.and_(bits, ir.Constant(integer, 2**52 - 1)), _ONE)
        n = _whole_and_large(builder, builder.lshr(bits, ir.Constant(integer, 52)))
        n = builder.fsub(n, _number(2.0**52 + 1023))
        large = builder.fcmp_ordered(">", m, _number(math.sqrt(2.0)))
        m = builder.select(large, builder.fmul(m, _number(0.5)), m)
        n = builder.select(large, builder.fadd(n, _number(1.0)), n)
        s = builder.fdiv(builder.fsub(m, _number(1.0)), builder.fadd(m, _number(1.0)))
        series = _polynomial(builder, builder.fmul(s, s), [2.0 / (2 * k + 1) for k in range(8)])
        return multiply_add(n, _number(math.log(2.0)), builder.fmul(s, series))

    return x(x), generate


def _alternating(first):
    """Generate the sum of (-x^2)^k / (2 k + first)!, which is cos(x), or sin(x) / x."""

    def generate(context, builder, signature, arguments):
        square = builder.fneg(builder.fmul(arguments[0], arguments[0]))
        terms = [1.0 / math.factorial(2 * k + first) for k in range(7)]
        total = _polynomial(builder, square, terms)
        return builder.fmul(total, arguments[0]) if first else total

    return generate


@_intrinsic
def cosine(typing_context, x):
    """cos(x) of a float64 within pi / 4, to 1e-12."""
    return x(x), _alternating(0)


@_intrinsic
def sine(typing_context, x):
    """sin(x) of a float64 within pi / 4, to 1e-12."""
    return x(x), _alternating(1)


WIDTH = 8  # neighbours in memory that are handled at once
_WIDE = ir.VectorType(ir.DoubleType(), WIDTH)


def _neighbours(context, builder, kind, array, first):
    """A pointer to WIDTH entries of an array of float64."""
    from numba.np.arrayobj import make_array  # which loads what only a compilation needs

    data = make_array(kind)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [first]), _WIDE.as_pointer())


def _everywhere(builder, number):
    blank, zeros = ir.Constant(_WIDE, ir.Undefined), ir.VectorType(ir.IntType(32), WIDTH)
    one = builder.insert_element(blank, number, ir.IntType(32)(0))
    return builder.shuffle_vector(one, blank, ir.Constant(zeros, [0] * WIDTH))


@_intrinsic
def shift_and_scale(typing_context, x, y, k, shift, factor, stop, shifted, scaled, place):
    """Write x + shift and y factor, from entry k on, to `shifted` and `scaled` from `place` on.

    Returns how many x + shift come before the first that is not below `stop`; WIDTH if none is.
    WIDTH entries are read and written in any case, and the arrays need that much room. A loop over
    those that count alone would be shorter, but its end is guessed wrong, which costs more.
    """
    arguments = (x, y, k, shift, factor, stop, shifted, scaled, place)

    def generate(context, builder, signature, arguments):
        kinds = signature.args
        x, y, k, shift, factor, stop, shifted, scaled, place = arguments

        def load(kind, array):
            return builder.load(_neighbours(context, builder, kind, array, k), align=8)

        def store(numbers, kind, array):
            builder.store(numbers, _neighbours(context, builder, kind, array, place), align=8)

        moved = builder.fadd(load(kinds[0], x), _everywhere(builder, shift))
        change = builder.fmul(load(kinds[1], y), _everywhere(builder, factor))
        store(moved, kinds[6], shifted)
        store(change, kinds[7], scaled)
        beyond = builder.fcmp_unordered(">=", moved, _everywhere(builder, stop))
        bits = builder.zext(builder.bitcast(beyond, ir.IntType(WIDTH)), ir.IntType(64))
        return builder.cttz(builder.or_(bits, ir.IntType(64)(1 << WIDTH)), ir.IntType(1)(1))

    return types.uint64(*arguments), generate
