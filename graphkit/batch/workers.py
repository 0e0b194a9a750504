"""Worker processes of a batch: each makes the server once, and then answers chunks."""

from __future__ import annotations

import functools
import os
import pickle
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

from graphkit.batch.options import Options, Server
from graphkit.core.errors import GraphError
from graphkit.runtime.parent import end_with


def pool_of(options: Options) -> Any:
    """Return worker processes for a ``with`` statement; ``None`` in it if there are to be none."""
    if options.executor != "process":
        return nullcontext()
    from loky import ProcessPoolExecutor

    # without a timeout, so that no worker ends between two chunks and loads its models again
    return ProcessPoolExecutor(max_workers=options.workers, timeout=None, initializer=end_with, initargs=(os.getpid(),))


def pickled(opener: Callable[[], Server] | None) -> bytes:
    """Return what makes a server as bytes, for worker processes.

    Raises
    ------
    GraphError
        If there is none, or it cannot be sent to another process.
    """
    if opener is None:
        raise GraphError("worker processes need an opener, a function that makes the server")
    try:
        return pickle.dumps(opener)
    except Exception as exc:  # whatever the parts of an opener raise
        raise GraphError(f"the opener cannot be sent to worker processes: {type(exc).__name__}: {exc}") from exc


@functools.lru_cache(maxsize=4)
def opened(opener: bytes) -> Server:
    """Return the server of a worker process; it is made once."""
    server: Server = pickle.loads(opener)()  # noqa: S301  # pickled by the process that started this one
    return server
