"""Products of few rows with a block of memories, in explicit vector instructions.

The loops that LLVM finds by itself use half of the registers of some processors and add up sums in
an order that depends on the shape. Here an entry of a product is summed in the same order whatever
stands beside it: a cue has the same bits alone and in a batch.
"""

# numba infers the types of compiled functions; annotations would only repeat them.
# mypy: disable-error-code="no-untyped-def,no-untyped-call"

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

LANES = 16  # numbers of one vector, or more: arrays of fewer columns are filled up with zeros
TOGETHER = 4  # cues of a group
ROWS = 8  # memories whose products with one cue run side by side: logits have room for as many more

_WIDE = 4  # vectors that are held and used by every cue of a group, or fewer: see `_Vectors`
_LINE = 64  # bytes that a cache fetches at once

_FUSED = ("contract",)


def _registers(context: Any) -> tuple[int, int]:
    """Bits and number of the target's vector registers; narrower ones take a vector in parts."""
    codegen = context.codegen()
    if codegen._llvm_module.triple.startswith(("aarch64", "arm64")):
        return 128, 32
    return (512, 32) if "+avx512f" in codegen._get_host_cpu_features() else (256, 16)


class _Vectors:
    """Vectors of one float type, as wide as the registers of the target."""

    def __init__(self, context: Any, builder: Any, kind: Any) -> None:
        self.context, self.builder = context, builder
        self.kind = context.get_value_type(kind)
        bits, registers = _registers(context)
        self.lanes = bits // kind.bitwidth
        # Vectors that a group holds, beside their sums and one more operand.
        self.held = min(_WIDE, (registers - 1) // (TOGETHER + 1))
        self.size = kind.bitwidth // 8
        self.type = ir.VectorType(self.kind, self.lanes)
        self.zero = ir.Constant(self.type, [0.0] * self.lanes)

    def load(self, pointer: Any) -> Any:
        """The numbers from a pointer on, of any type, as floats."""
        builder, stored = self.builder, pointer.type.pointee
        found = ir.VectorType(stored, self.lanes)
        value = builder.load(builder.bitcast(pointer, found.as_pointer()), align=1)
        if isinstance(stored, ir.IntType):
            return builder.sitofp(value, self.type)
        return value if stored == self.kind else builder.fpext(value, self.type)

    def store(self, value: Any, pointer: Any) -> None:
        where = self.builder.bitcast(pointer, value.type.as_pointer())
        self.builder.store(value, where, align=self.size)

    def spread(self, number: Any) -> Any:
        """A vector of one number."""
        one = self.builder.insert_element(
            ir.Constant(self.type, ir.Undefined), number, ir.Constant(ir.IntType(32), 0)
        )
        return self.pick(one, one, [0] * self.lanes)

    def pick(self, a: Any, b: Any, places: list[int]) -> Any:
        mask = ir.Constant(ir.VectorType(ir.IntType(32), len(places)), places)
        return self.builder.shuffle_vector(a, b, mask)

    def add_product(self, total: Any, a: Any, b: Any) -> None:
        """total += a b, in place."""
        builder = self.builder
        product = builder.fmul(a, b, flags=_FUSED)
        builder.store(builder.fadd(builder.load(total), product, flags=_FUSED), total)

    def one_by_one(self) -> None:
        """Keep loads in order: done early, all at once, they would push sums out of registers."""
        nothing = ir.FunctionType(ir.VoidType(), [])
        self.builder.asm(nothing, "", "~{memory}", [], side_effect=True)

    def prefetch(self, pointer: Any, count: int) -> None:
        """Have the cache fetch numbers for `count` vectors; beyond an array it does not fail."""
        builder, byte, number = self.builder, ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [byte, number, number, number])
        fetch = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0i8")
        each = _LINE // self.context.get_abi_sizeof(pointer.type.pointee)
        for ahead in range(0, count * self.lanes, each):
            place = builder.bitcast(builder.gep(pointer, [ir.Constant(number, ahead)]), byte)
            builder.call(fetch, [place, *(ir.Constant(number, x) for x in (0, 3, 1))])

    def totals(self, count: int) -> list[Any]:
        return [cgutils.alloca_once_value(self.builder, self.zero) for _ in range(count)]

    def restart(self, totals: list[Any]) -> None:
        for total in totals:
            self.builder.store(self.zero, total)

    def sums(self, vectors: list[Any]) -> Any:
        """The sum of each of 2, 4, 8, ... vectors: halves are added until one number is left."""
        builder, width = self.builder, self.lanes
        while width > 1:
            half, groups = width // 2, self.lanes // width
            if len(vectors) > 1:
                pairs = list(zip(vectors[::2], vectors[1::2], strict=True))
                shift = self.lanes
            else:
                pairs, shift = [(vectors[0], vectors[0])], 0
                groups = vectors[0].type.count // width
            lower = [g * width + i for g in range(groups) for i in range(half)]
            lower += [shift + place for place in lower] if shift else []
            vectors = [
                builder.fadd(
                    self.pick(a, b, lower), self.pick(a, b, [place + half for place in lower])
                )
                for a, b in pairs
            ]
            width = half
        while len(vectors) > 1:  # more vectors than numbers in each: the sums of all in one
            both = list(range(2 * vectors[0].type.count))
            vectors = [
                self.pick(a, b, both) for a, b in zip(vectors[::2], vectors[1::2], strict=True)
            ]
        return vectors[0]


class _Matrix:
    """A matrix in C order: pointers to its entries."""

    def __init__(self, context: Any, builder: Any, kind: Any, value: Any) -> None:
        array = context.make_array(kind)(context, builder, value)
        self.builder, self.data = builder, array.data
        self.width = cgutils.unpack_tuple(builder, array.shape)[1]

    def at(self, row: Any, column: Any) -> Any:
        builder = self.builder
        return builder.gep(self.data, [builder.add(builder.mul(row, self.width), column)])


def _number(like: Any, value: int) -> Any:
    return ir.Constant(like.type, value)


def _memories(context: Any, builder: Any, signature: Any, arguments: Any, copied: bool) -> Any:
    """The memories and the number of the first: those given, or their copy as floats."""
    weights, first, block = arguments[:3]
    if copied and signature.args[0].dtype != signature.args[2].dtype:
        return _Matrix(context, builder, signature.args[2], block), _number(first, 0)
    return _Matrix(context, builder, signature.args[0], weights), first


def _emit_products(vectors, memories, first, count, units, query, start, cues, out) -> None:
    """out[c, i] = memories[first + i] . query[start + c] for some rows at a time."""
    builder = vectors.builder
    rows = ROWS if cues == 1 else vectors.held
    zero, lanes = _number(count, 0), _number(count, vectors.lanes)
    totals = vectors.totals(rows * cues)
    whole = builder.mul(builder.udiv(units, lanes), lanes)
    asked = [builder.add(start, _number(count, c)) for c in range(cues)]
    with cgutils.for_range_slice(builder, zero, count, _number(count, rows), inc=True) as (i, _):
        # The last rows stand for those that would be beyond the end.
        last = builder.sub(count, _number(count, 1))
        places = [builder.add(i, _number(count, r)) for r in range(rows)]
        places = [
            builder.add(first, builder.select(builder.icmp_unsigned("<", p, last), p, last))
            for p in places
        ]
        vectors.restart(totals)

        def add(column: Any, known: Any) -> None:
            held: Iterable[Any] = (vectors.load(memories.at(p, column)) for p in places)
            if cues > 1:
                held = list(held)  # of one cue they are many, loaded as they are used
            for c, line in enumerate(asked):
                if c > 0:
                    vectors.one_by_one()
                given = vectors.load(query.at(line, column))
                if known is not None:  # these were added before
                    given = builder.select(known, vectors.zero, given)
                for r, weights in enumerate(held):
                    vectors.add_product(totals[c * rows + r], weights, given)

        with cgutils.for_range_slice(builder, zero, whole, lanes, inc=True) as (j, _):
            add(j, None)
        rest = builder.sub(units, whole)
        with builder.if_then(builder.icmp_unsigned("!=", rest, zero)):
            lane = ir.VectorType(ir.IntType(32), vectors.lanes)
            fresh = builder.trunc(builder.sub(lanes, rest), ir.IntType(32))
            bound = builder.insert_element(
                ir.Constant(lane, ir.Undefined), fresh, ir.Constant(ir.IntType(32), 0)
            )
            bound = vectors.pick(bound, bound, [0] * vectors.lanes)
            known = builder.icmp_unsigned("<", ir.Constant(lane, list(range(vectors.lanes))), bound)
            add(builder.sub(units, lanes), known)
        found = [builder.load(total) for total in totals]
        for c in range(cues):
            at = out.at(_number(count, c), i)
            own = found[c * rows : (c + 1) * rows]
            vectors.store(vectors.sums(own + own[-1:] * (-rows % _WIDE)), at)


def _emit_combination(vectors, memories, first, rows, used, shares, units, cues, line, out) -> None:
    """out[c] = sum of shares[c, i] memories[first + i] over the first `used` of `rows`."""
    builder = vectors.builder
    zero, one = _number(used, 0), _number(used, 1)
    lanes = _number(used, vectors.lanes)
    lines = [builder.add(line, _number(used, c)) for c in range(cues)]

    def tile(column: Any, width: int, totals: list[Any]) -> None:
        columns = [builder.add(column, _number(used, k * vectors.lanes)) for k in range(width)]
        vectors.restart(totals)
        with cgutils.for_range_slice(builder, zero, used, one, inc=True) as (n, _):
            i = builder.load(builder.gep(rows, [n]))
            row = builder.add(first, i)
            held = [vectors.load(memories.at(row, k)) for k in columns]
            if cues > 1:  # what the next tile loads
                vectors.prefetch(memories.at(row, builder.add(columns[-1], lanes)), width)
            for c in range(cues):
                if c > 0:
                    vectors.one_by_one()
                share = vectors.spread(builder.load(shares.at(lines[c], i)))
                for k in range(width):
                    vectors.add_product(totals[c * width + k], share, held[k])
        for c in range(cues):
            for k in range(width):
                value = builder.load(totals[c * width + k])
                vectors.store(value, out.at(lines[c], columns[k]))

    width = vectors.held if cues > 1 else _WIDE
    wide, narrow = vectors.totals(width * cues), vectors.totals(cues)
    step, last = _number(used, width * vectors.lanes), builder.sub(units, lanes)
    most = builder.sub(units, step)

    def at_most(a: Any, b: Any) -> Any:
        return builder.select(builder.icmp_signed("<", a, b), a, b)

    # The last tile ends with the columns; it is a single vector where no more is left, as all are
    # where a wide one has no room.
    count = builder.udiv(builder.add(last, builder.sub(step, one)), step)
    count = builder.select(builder.icmp_signed("<", most, zero), zero, count)
    whole = builder.mul(count, step)
    with cgutils.for_range_slice(builder, zero, whole, step, inc=True) as (j, _):
        tile(at_most(j, most), width, wide)
    with cgutils.for_range_slice(builder, whole, units, lanes, inc=True) as (j, _):
        tile(at_most(j, last), 1, narrow)


def _products(cues: int) -> Any:
    @intrinsic
    def products(typing_context, weights, first, block, count, query, start, out):
        def generate(context, builder, signature, arguments):
            vectors = _Vectors(context, builder, signature.args[4].dtype)
            memories, begin = _memories(context, builder, signature, arguments, cues > 1)
            _, _, _, size, asked, place, found = arguments
            queries = _Matrix(context, builder, signature.args[4], asked)
            target = _Matrix(context, builder, signature.args[6], found)
            _emit_products(
                vectors, memories, begin, size, memories.width, queries, place, cues, target
            )
            return context.get_dummy_value()

        number = types.intp
        return types.none(weights, number, block, number, query, number, out), generate

    return products


def _combination(cues: int) -> Any:
    @intrinsic
    def combination(typing_context, weights, first, block, rows, used, shares, line, out):
        def generate(context, builder, signature, arguments):
            vectors = _Vectors(context, builder, signature.args[7].dtype)
            memories, begin = _memories(context, builder, signature, arguments, cues > 1)
            _, _, _, listed, size, given, place, found = arguments
            listed = context.make_array(signature.args[3])(context, builder, listed).data
            parts = _Matrix(context, builder, signature.args[5], given)
            target = _Matrix(context, builder, signature.args[7], found)
            width = memories.width
            _emit_combination(
                vectors, memories, begin, listed, size, parts, width, cues, place, target
            )
            return context.get_dummy_value()

        number = types.intp
        return types.none(weights, number, block, rows, number, shares, number, out), generate

    return combination


# Arguments (weights, first, block, count, query, start, out): out[c, i] is the product of memory
# first + i with query[start + c], i < count, for one cue or a group. A group reads a copy of the
# memories in `block` where they are not of the type of the query. Up to `ROWS` entries beyond the
# last are written, too.
products_of_one, products_of_group = _products(1), _products(TOGETHER)
# Arguments (weights, first, block, rows, used, shares, line, out): out[c] is the sum of memories
# first + i times shares[c, i], over the first `used` entries i of `rows`, for c = line or a group.
sum_of_one, sum_of_group = _combination(1), _combination(TOGETHER)
