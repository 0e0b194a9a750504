"""The one place that looks at frames: it finds the namespace of graphkit's caller."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# as the import system wrote it into the code objects, so that links in the path do not matter
_PACKAGE = str(Path(__file__).parent.parent) + os.sep
# Packages that call what they were given; their globals are nobody's namespace.
_SCHEDULERS = frozenset({"asyncio", "concurrent", "threading"})


def caller_namespace(instead: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the globals of the first frame outside graphkit, by reference.

    Parameters
    ----------
    instead
        What to return where that frame is a thread's or an event loop's own: who started it cannot be seen any more.
    """
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame = frame.f_back
    if instead is not None and str(frame.f_globals.get("__name__")).partition(".")[0] in _SCHEDULERS:
        return instead
    return frame.f_globals


def module_namespace(value: Any) -> Mapping[str, Any] | None:
    """Return the namespace of the module that says to define ``value``, if it is loaded."""
    module = sys.modules.get(getattr(value, "__module__", None) or "")
    return vars(module) if module is not None else None
