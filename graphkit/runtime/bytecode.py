"""Which functions can be seen to make a plain value of a plain value, so that a run need not look at their results.

A function whose code calls nothing, and reads no attribute, no item and no default, computes on its argument with
operators. Given a number, a text or a container, it cannot make an awaitable. Any other function may, and so may this
one when it is given an object with operators of its own.
"""

from __future__ import annotations

import opcode
import types
from typing import Any

_SAFE = (
    "LOAD_FAST",
    "LOAD_CONST",
    "LOAD_SMALL_INT",
    "STORE_FAST",
    "BINARY_OP",
    "BINARY_ADD",
    "BINARY_SUBTRACT",
    "BINARY_MULTIPLY",
    "BINARY_TRUE_DIVIDE",
    "BINARY_FLOOR_DIVIDE",
    "BINARY_MODULO",
    "BINARY_POWER",
    "COMPARE_OP",
    "CONTAINS_OP",
    "IS_OP",
    "UNARY_",
    "TO_BOOL",
    "POP_TOP",
    "POP_JUMP",
    "JUMP_",
    "RETURN_VALUE",
    "RETURN_CONST",
    "RESUME",
    "NOP",
    "NOT_TAKEN",
    "CACHE",
    "COPY",
    "SWAP",
    "EXTENDED_ARG",
    "BUILD_",
    "LIST_EXTEND",
)
# Items are read by an own instruction up to 3.13, by this operator from 3.14 on.
_FIRST_ITEM_OPERATOR = 26


def returns_plain(function: Any) -> bool:
    """Return whether a function can be seen never to make an awaitable of a plain value.

    >>> returns_plain(lambda x: x + 1), returns_plain(lambda x: open(x)), returns_plain(lambda x: x["future"])
    (True, False, False)
    """
    code = getattr(function, "__code__", None)
    if not isinstance(function, types.FunctionType) or not isinstance(code, types.CodeType):
        return False
    if code.co_flags & 0x2A0 or code.co_freevars or code.co_cellvars:  # a generator, a coroutine; a closure
        return False
    if function.__defaults__ or function.__kwdefaults__:
        return False
    for at in range(0, len(code.co_code), 2):
        name = opcode.opname[code.co_code[at]]
        if not name.startswith(_SAFE):
            return False
        if name == "BINARY_OP" and code.co_code[at + 1] >= _FIRST_ITEM_OPERATOR:
            return False
    return True
