"""Vector operations on packed bits: population count and masked sum, as LLVM code."""

# mypy: disable-error-code="no-untyped-def,no-untyped-call"

from __future__ import annotations

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

LANES = 16  # memories per word of a mask
CHAINS = 4  # sums that run side by side, since an addition takes four cycles
STRIDE = LANES * CHAINS  # memories per turn of the loop: masks are filled up to a multiple of it


@intrinsic
def count_ones(typing_context, word):
    """Number of set bits of a uint64."""

    def generate(context, builder, signature, arguments):
        return builder.ctpop(arguments[0])

    return types.uint64(types.uint64), generate


@intrinsic
def masked_sum(typing_context, masks, row, values, start, stop):
    """Sum of values[m], start <= m < stop, where bit m % 16 of masks[row, m // 16] is set.

    `masks` is a C-ordered uint16 array, `values` float32; start and stop are multiples of STRIDE.
    A term passes through at most (stop - start) / STRIDE + 6 additions.
    """

    def generate(context, builder, signature, arguments):
        mask_array = context.make_array(signature.args[0])(context, builder, arguments[0])
        value_array = context.make_array(signature.args[2])(context, builder, arguments[2])
        _, row, _, start, stop = arguments
        width = cgutils.unpack_tuple(builder, mask_array.shape)[1]
        bits = builder.gep(mask_array.data, [builder.mul(row, width)])
        vector = ir.VectorType(ir.FloatType(), LANES)
        zero = ir.Constant(vector, [0.0] * LANES)
        chains = [cgutils.alloca_once_value(builder, zero) for _ in range(CHAINS)]

        def constant(number):
            return ir.Constant(start.type, number)

        first_word, end = (builder.udiv(at, constant(LANES)) for at in (start, stop))
        parts = builder.bitcast(value_array.data, vector.as_pointer())
        turns = cgutils.for_range_slice(
            builder, first_word, end, constant(CHAINS), start.type, inc=True
        )
        with turns as (turn, _):
            for c, chain in enumerate(chains):
                at = builder.add(turn, constant(c))
                word = builder.load(builder.gep(bits, [at]))
                mask = builder.bitcast(word, ir.VectorType(ir.IntType(1), LANES))
                part = builder.load(builder.gep(parts, [at]), align=4)
                old = builder.load(chain)
                builder.store(builder.select(mask, builder.fadd(old, part), old), chain)
        a, b, c, d = (builder.load(chain) for chain in chains)
        total = builder.fadd(builder.fadd(a, b), builder.fadd(c, d))
        reduce = cgutils.get_or_insert_function(
            builder.module,
            ir.FunctionType(ir.FloatType(), [ir.FloatType(), vector]),
            f"llvm.vector.reduce.fadd.v{LANES}f32",
        )
        return builder.call(
            reduce, [ir.Constant(ir.FloatType(), 0.0), total], fastmath=("reassoc",)
        )

    return types.float32(masks, types.intp, values, types.intp, types.intp), generate
