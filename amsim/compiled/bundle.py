"""Named tuples of arrays that compiled functions hand on as one pointer.

numba passes a tuple by its parts, seven numbers for an array: functions that share a dozen arrays
would spend most of their translation on passing them.
"""

# numba's compiler has no types.
# mypy: disable-error-code="no-untyped-call,no-untyped-def,untyped-decorator,override"

from __future__ import annotations

import hashlib
from typing import Any, TypeVar

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numba.core.typing.templates import AttributeTemplate, infer_getattr
from numba.extending import (
    NativeValue,
    lower_getattr_generic,
    models,
    register_model,
    typeof_impl,
    unbox,
)

Tuple = TypeVar("Tuple", bound=type[Any])


class BundleType(types.Type):
    """The fields of a named tuple with their types."""

    def __init__(self, name: str, fields: tuple[tuple[str, types.Type], ...]) -> None:
        self.fields = fields
        # Short: it becomes part of the name of every function that takes one.
        digest = hashlib.sha256(str(fields).encode()).hexdigest()[:16]
        super().__init__(f"{name}_{digest}")

    def place(self, attr: str) -> int:
        return [name for name, _ in self.fields].index(attr)

    def layout(self, context: Any) -> Any:
        return ir.LiteralStructType([context.get_value_type(kind) for _, kind in self.fields])


register_model(BundleType)(models.OpaqueModel)


def bundle(kind: Tuple) -> Tuple:
    """Let compiled code take named tuples of this class by a pointer; they are read only there."""

    @typeof_impl.register(kind)
    def typeof(value: Any, context: Any) -> BundleType:
        fields = zip(kind._fields, value, strict=True)
        return BundleType(kind.__name__, tuple((n, typeof_impl(x, context)) for n, x in fields))

    return kind


@unbox(BundleType)
def _unbox(kind: BundleType, value: Any, state: Any) -> NativeValue:
    """Lay out the fields on the stack of the caller."""
    builder = state.builder
    place = cgutils.alloca_once(builder, kind.layout(state.context))
    wrong = cgutils.false_bit
    for i, (_, field) in enumerate(kind.fields):
        given, own = state.pyapi.tuple_getitem(value, i), cgutils.gep_inbounds(builder, place, 0, i)
        if isinstance(field, types.Array) and not state.context.enable_nrt:
            # It is an array: its type was found before. numba would check that, and copy one number
            # after the other, which takes longer to translate than what is done with them.
            state.pyapi.numba_array_adaptor(given, builder.bitcast(own, cgutils.voidptr_t))
            continue
        native = state.unbox(field, given)
        builder.store(native.value, own)
        wrong = builder.or_(wrong, native.is_error)
    return NativeValue(builder.bitcast(place, cgutils.voidptr_t), is_error=wrong)


@infer_getattr
class _Fields(AttributeTemplate):
    key = BundleType

    def generic_resolve(self, kind: Any, attr: Any) -> Any:
        return dict(kind.fields).get(attr)


@lower_getattr_generic(BundleType)
def _getattr(context: Any, builder: Any, kind: BundleType, value: Any, attr: str) -> Any:
    place = builder.bitcast(value, kind.layout(context).as_pointer())
    field = builder.load(cgutils.gep_inbounds(builder, place, 0, kind.place(attr)))
    field.set_metadata("invariant.load", builder.module.add_metadata([]))
    return field
