"""The one place that looks at frames: it finds the namespace of graphkit's caller."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_PACKAGE = str(Path(__file__).resolve().parent.parent)


def caller_namespace() -> dict[str, Any]:
    """Return the globals of the first frame outside graphkit, by reference."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame = frame.f_back
    return frame.f_globals


def module_namespace(value: Any) -> Mapping[str, Any] | None:
    """Return the namespace of the module that says to define ``value``, if it is loaded."""
    module = sys.modules.get(getattr(value, "__module__", None) or "")
    return vars(module) if module is not None else None
