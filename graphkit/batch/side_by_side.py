"""Work on chunks: one after the other, or some of them side by side, never many ahead."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from graphkit.batch.options import Options

C = TypeVar("C")
R = TypeVar("R")
# For each worker one chunk that it works on and one that waits for it.
_AHEAD = 2


def in_order(work: Callable[[C], R], chunks: Iterable[C], options: Options, pool: Any = None) -> Iterator[tuple[C, R]]:
    """Yield each chunk with its result, in the order of the chunks; only a few are held at a time.

    Parameters
    ----------
    work
        What is done with a chunk.
    chunks
        Read when there is room for more.
    options
        ``workers`` says how many are worked on side by side.
    pool
        Where: an executor that is open; left out, threads of this call's own.
    """
    if options.workers == 1 and pool is None:
        for chunk in chunks:
            yield chunk, work(chunk)
        return
    if pool is not None:
        yield from _through(pool, work, chunks, options.workers)
        return
    from concurrent.futures import ThreadPoolExecutor

    own = ThreadPoolExecutor(options.workers, thread_name_prefix="graphkit-batch")
    try:
        yield from _through(own, work, chunks, options.workers)
    finally:
        own.shutdown(wait=True, cancel_futures=True)


def _through(pool: Any, work: Callable[[C], R], chunks: Iterable[C], workers: int) -> Iterator[tuple[C, R]]:
    waiting: deque[tuple[C, Any]] = deque()
    for chunk in chunks:
        waiting.append((chunk, pool.submit(work, chunk)))
        if len(waiting) >= workers * _AHEAD:
            first, future = waiting.popleft()
            yield first, future.result()
    while waiting:
        first, future = waiting.popleft()
        yield first, future.result()
