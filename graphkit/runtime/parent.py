"""Worker processes that end with the process that started them: one that is killed cannot tell its workers."""

from __future__ import annotations

import os
import threading
import time

# How often a worker looks whether its parent is there.
_LOOK_S = 0.5


def end_with(parent: int) -> None:
    """Let this process end when the one that started it does; given to a pool as its workers' initializer.

    Parameters
    ----------
    parent
        Process id of the parent.
    """
    threading.Thread(target=_watch, args=(parent,), name="graphkit-parent", daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_LOOK_S)
    os._exit(1)  # at once: nobody is left to take what a worker has made
