"""Operations that LLVM turns into vector instructions, where numba's own keep a loop scalar."""

# numba infers the types of compiled functions; annotations would only repeat them.
# mypy: disable-error-code="no-untyped-def,no-untyped-call"

from __future__ import annotations

import math
from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import extending, types

from . import draws


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
_INTEGERS = ir.VectorType(ir.IntType(64), WIDTH)
_BEGIN = ir.IntType(64)(0)


def _neighbours(context, builder, kind, array, first):
    """A pointer to WIDTH entries of an array of numbers of 64 bits, as float64."""
    from numba.np.arrayobj import make_array  # which loads what only a compilation needs

    data = make_array(kind)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [first]), _WIDE.as_pointer())


def _load(context, builder, kind, array, first):
    return builder.load(_neighbours(context, builder, kind, array, first), align=8)


def _store(context, builder, numbers, kind, array, first):
    builder.store(numbers, _neighbours(context, builder, kind, array, first), align=8)


def _everywhere(builder, number):
    blank, zeros = ir.Constant(_WIDE, ir.Undefined), ir.VectorType(ir.IntType(32), WIDTH)
    one = builder.insert_element(blank, number, ir.IntType(32)(0))
    return builder.shuffle_vector(one, blank, ir.Constant(zeros, [0] * WIDTH))


def _constant(kind, number):
    return ir.Constant(kind, [number] * WIDTH)


def _beyond(builder, numbers, stop):
    """A bit of each number, the first one's the lowest: whether it is not below `stop`."""
    beyond = builder.fcmp_unordered(">=", numbers, _everywhere(builder, stop))
    return builder.bitcast(beyond, ir.IntType(WIDTH))


def _in_front(builder, bits):
    """How many numbers come before the first one whose bit is set, and which."""
    some = builder.or_(builder.zext(bits, ir.IntType(64)), ir.IntType(64)(1 << WIDTH))
    before = builder.sub(builder.and_(some, builder.neg(some)), ir.IntType(64)(1))
    mask = builder.trunc(before, ir.IntType(WIDTH))
    mask = builder.bitcast(mask, ir.VectorType(ir.IntType(1), WIDTH))
    return builder.cttz(some, ir.IntType(1)(1)), mask


@_intrinsic
def all_below(typing_context, x, k, shift, stop):
    """Whether x + shift is below `stop` in WIDTH entries from k on."""
    arguments = (x, k, shift, stop)

    def generate(context, builder, signature, arguments):
        x, k, shift, stop = arguments
        numbers = _load(context, builder, signature.args[0], x, k)
        moved = builder.fadd(numbers, _everywhere(builder, shift))
        return builder.icmp_unsigned("==", _beyond(builder, moved, stop), ir.IntType(WIDTH)(0))

    return types.boolean(*arguments), generate


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
        moved = builder.fadd(_load(context, builder, kinds[0], x, k), _everywhere(builder, shift))
        change = builder.fmul(_load(context, builder, kinds[1], y, k), _everywhere(builder, factor))
        _store(context, builder, moved, kinds[6], shifted, place)
        _store(context, builder, change, kinds[7], scaled, place)
        return _in_front(builder, _beyond(builder, moved, stop))[0]

    return types.uint64(*arguments), generate


def _smallest_behind(builder, numbers, last):
    """In place of each number the smallest of it, those behind it and `last`."""

    def smaller_ones(others):
        return builder.select(builder.fcmp_ordered("<", others, numbers), others, numbers)

    numbers, step = smaller_ones(_everywhere(builder, last)), 1
    while step < WIDTH:
        moved = [min(lane + step, WIDTH - 1) for lane in range(WIDTH)]
        moved = ir.Constant(ir.VectorType(ir.IntType(32), WIDTH), moved)
        numbers = smaller_ones(builder.shuffle_vector(numbers, numbers, moved))
        step *= 2
    return numbers


@_intrinsic
def shift_in_order(
    typing_context, x, more, y, k, shift, factor, stop, last, shifted, scaled, place, farthest
):
    """As `shift_and_scale`, by `more` besides, where none goes farther than those behind it.

    To `shifted` goes the smallest x + shift + more of an entry, of those behind it, and `last`.
    These are not looked at from where x + shift is not below `stop`. `more` and `farthest` have
    WIDTH entries; the second one keeps the largest shifts of what comes before `stop`.

    Returns
    -------
    count : uint64
        How many come before the first that is not below `stop`.
    first : float64
        What the first x has become.
    """
    arguments = (x, more, y, k, shift, factor, stop, last, shifted, scaled, place, farthest)
    result = types.Tuple((types.uint64, types.float64))

    def generate(context, builder, signature, arguments):
        kinds = signature.args
        x, more, y, k, shift, factor, stop, last, shifted, scaled, place, farthest = arguments
        x = _load(context, builder, kinds[0], x, k)
        moved = builder.fadd(x, _everywhere(builder, shift))
        _, early = _in_front(builder, _beyond(builder, moved, stop))
        moved = builder.fadd(moved, _load(context, builder, kinds[1], more, _BEGIN))
        moved = builder.select(early, moved, _constant(_WIDE, math.inf))
        moved = _smallest_behind(builder, moved, last)
        change = builder.fmul(_load(context, builder, kinds[2], y, k), _everywhere(builder, factor))
        _store(context, builder, moved, kinds[8], shifted, place)
        _store(context, builder, change, kinds[9], scaled, place)
        count, counts = _in_front(builder, _beyond(builder, moved, stop))
        before, by = _load(context, builder, kinds[11], farthest, _BEGIN), builder.fsub(moved, x)
        larger_ones = builder.and_(counts, builder.fcmp_ordered(">", by, before))
        by = builder.select(larger_ones, by, before)
        _store(context, builder, by, kinds[11], farthest, _BEGIN)
        first = builder.extract_element(moved, ir.IntType(32)(0))
        return context.make_tuple(builder, result, (count, first))

    return result(*arguments), generate


def _draws(context, builder, kind, keys, k, counter):
    """`unit_interval` of `mixed` of WIDTH keys, from entry k on, and a counter."""
    step = builder.mul(counter, ir.IntType(64)(int(draws.STEP)))
    step = _everywhere(builder, builder.bitcast(step, ir.DoubleType()))
    bits = _load(context, builder, kind, keys, k)
    bits = builder.add(builder.bitcast(bits, _INTEGERS), builder.bitcast(step, _INTEGERS))
    for shift, factor in ((30, draws.FIRST), (27, draws.SECOND)):
        bits = builder.xor(bits, builder.lshr(bits, _constant(_INTEGERS, shift)))
        bits = builder.mul(bits, _constant(_INTEGERS, int(factor)))
    bits = builder.xor(bits, builder.lshr(bits, _constant(_INTEGERS, 31)))
    # As the mantissa of a number between 1 and 2, less nearly 1: no rounding.
    bits = builder.or_(builder.lshr(bits, _constant(_INTEGERS, 12)), _constant(_INTEGERS, _ONE))
    return builder.fsub(builder.bitcast(bits, _WIDE), _constant(_WIDE, 1.0 - 2.0**-53))


@_intrinsic
def draw_scaled(typing_context, keys, k, counter, scale, out):
    """Write to `out` what WIDTH keys, from entry k on, draw at a counter, times `scale`."""
    arguments = (keys, k, counter, scale, out)

    def generate(context, builder, signature, arguments):
        keys, k, counter, scale, out = arguments
        numbers = _draws(context, builder, signature.args[0], keys, k, counter)
        numbers = builder.fmul(numbers, _everywhere(builder, scale))
        _store(context, builder, numbers, signature.args[4], out, _BEGIN)

    return types.void(*arguments), generate


@_intrinsic
def draw_infinities(typing_context, keys, k, counter, probability, out):
    """Write infinity to `out` where WIDTH keys, from entry k on, draw less than a probability."""
    arguments = (keys, k, counter, probability, out)

    def generate(context, builder, signature, arguments):
        keys, k, counter, probability, out = arguments
        numbers = _draws(context, builder, signature.args[0], keys, k, counter)
        less = builder.fcmp_ordered("<", numbers, _everywhere(builder, probability))
        old = _load(context, builder, signature.args[4], out, _BEGIN)
        numbers = builder.select(less, _constant(_WIDE, math.inf), old)
        _store(context, builder, numbers, signature.args[4], out, _BEGIN)

    return types.void(*arguments), generate
