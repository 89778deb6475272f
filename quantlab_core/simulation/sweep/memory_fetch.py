"""Asking memory for what will be needed soon, so that compiled code need not wait for it.

Loads numba, so import it only to run something.
"""

from __future__ import annotations

from typing import Any

import numba as nb
from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import cgutils
from numba.extending import intrinsic


def _fetch(typing_context, array, at):  # type: ignore[no-untyped-def]
    """Ask memory for ``array[at]`` without waiting for it."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        address = builder.bitcast(builder.gep(data, [arguments[1]]), ir.IntType(8).as_pointer())
        word = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [address.type, word, word, word])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")  # type: ignore[no-untyped-call]
        builder.call(function, [address, word(0), word(3), word(1)])
        return context.get_dummy_value()

    return nb.types.none(array, at), generate


fetch: Any = intrinsic(_fetch)
"""``fetch(array, at)`` in compiled code."""
