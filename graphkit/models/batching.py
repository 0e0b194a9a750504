"""Micro-batching: concurrent requests for one model share one call of its ``predict``.

Callers wait on their event loops; one thread for each model asks it. It starts with the first request and ends when
there is nothing to do. What may be merged, and how answers are parted, stands in ``merging``.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Hashable, Mapping, Sequence
from concurrent.futures import TimeoutError as LateFuture  # of its own until Python 3.11
from contextvars import Context, copy_context
from time import monotonic
from typing import Any

from graphkit.core.awaiting import is_awaitable
from graphkit.core.errors import GraphError, StepError, told
from graphkit.core.yielded import is_stream
from graphkit.models.batched import ARGUMENTS, yields
from graphkit.models.merging import key_of, merged, parted, rows_of, without_id

DELAY_MS = 5.0
MOST_WAITING = 2048
#: How long the thread waits for the next request before it ends.
IDLE_S = 2.0
_LOOK_S = 0.5
_BUSY = 429

# a request's answer, or its error
_Outcome = tuple[Any, BaseException | None]


class _Item:
    """One request that waits for its answer."""

    __slots__ = ("context", "future", "loop", "request", "rows")

    def __init__(self, request: Any, rows: int | None) -> None:
        self.request = request
        self.rows = rows
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[Any] = self.loop.create_future()
        self.context: Context = copy_context()


class _Group:
    """Requests that may share a call, while there is room for more."""

    __slots__ = ("due", "items", "rows")

    def __init__(self, due: float) -> None:
        self.due = due
        self.items: list[_Item] = []
        self.rows = 0


class Batcher:
    """Collects requests of one model, asks it for several at once, and hands out the answers.

    Requests that differ in more than their inputs and ids are not merged. If a batch fails, each of its requests is
    asked alone, so that an error reaches only the one that it is due to. The model gets requests without their
    ``id``.

    Parameters
    ----------
    who
        How messages speak of the model.
    predict
        The model's function; it is called in a thread, by one caller at a time. What it returns may be awaitable, and
        is then awaited on the event loop of one of the requests.
    most_rows
        How many inputs a batch may have; a request with more is asked alone.
    delay_ms
        How long a request waits at most for others, in milliseconds, while the model has nothing else to do.
    most_waiting
        How many requests may wait; more are refused with status 429.
    warn
        Is told of batches that failed.

    Attributes
    ----------
    batches, requests
        How often the model was asked, and how many requests were answered so.

    Examples
    --------
    >>> calls = []
    >>> def predict(request):
    ...     calls.append(request["inputs"])
    ...     return [2 * x for x in request["inputs"]]
    >>> async def both(batcher):
    ...     return await asyncio.gather(batcher.ask({"inputs": [1]}), batcher.ask({"inputs": [2, 3]}))
    >>> batcher = Batcher("model 'twice'", predict, most_rows=3, delay_ms=1000)
    >>> asyncio.run(both(batcher)), calls
    ([[2], [4, 6]], [[1, 2, 3]])
    >>> batcher.drain()
    """

    def __init__(
        self,
        who: str,
        predict: Callable[[Any], Any],
        most_rows: int,
        delay_ms: float = DELAY_MS,
        most_waiting: int = MOST_WAITING,
        warn: Callable[[str], None] | None = None,
    ) -> None:
        self.batches = 0
        self.requests = 0
        self._who = who
        self._predict = predict
        self._most_rows = most_rows
        self._delay_s = delay_ms / 1000
        self._most_waiting = most_waiting
        self._warn = warn
        self._changed = threading.Condition()
        # in the order in which they were begun, so that the first is due first
        self._open: dict[Hashable, _Group] = {}
        self._full: deque[list[_Item]] = deque()
        self._waiting = 0
        self._at_work: list[_Item] = []
        self._thread: threading.Thread | None = None
        self._hurries = False

    @property
    def waiting(self) -> int:
        """How many requests wait until the model is asked."""
        return self._waiting

    async def ask(self, request: Any) -> Any:
        """Return the model's predictions for a request.

        Raises
        ------
        StepError
            If too many requests wait, or there are not as many predictions as inputs.
        """
        item = _Item(request, rows_of(request))
        with self._changed:
            if self._waiting >= self._most_waiting:
                raise StepError(
                    f"{self._who} is busy: {self._waiting} requests wait for it (max_waiting={self._most_waiting})",
                    status=_BUSY,
                )
            if self._thread is None:
                thread = threading.Thread(target=self._work, name="graphkit-batches", daemon=True)
                thread.start()
                self._thread = thread
            self._waiting += 1
            self._put(item)
        return await item.future

    def drain(self, wait: bool = True) -> None:
        """Ask the model for what waits at once, and end the thread; the next request starts another one.

        Parameters
        ----------
        wait
            Return when everything is answered. On an event loop on which requests wait, this never waits: they cannot
            be answered before it returns.
        """
        try:
            here = asyncio.get_running_loop()
        except RuntimeError:
            here = None
        with self._changed:
            thread = self._thread
            if thread is None:
                return
            self._hurries = True
            self._changed.notify_all()
            if not wait or thread is threading.current_thread() or (here is not None and self._serves(here)):
                return
            while self._thread is thread:
                self._changed.wait()
        thread.join()

    def _serves(self, loop: Any) -> bool:
        groups = [self._at_work, *self._full, *(group.items for group in self._open.values())]
        return any(item.loop is loop for items in groups for item in items)

    # ---- what waits, under the lock -------------------------------------------------------------------------

    def _put(self, item: _Item) -> None:
        key = key_of(item.request) if self._most_rows > 1 else None
        if key is None or item.rows is None or item.rows >= self._most_rows:
            self._full.append([item])
            self._changed.notify_all()
            return
        group = self._open.get(key)
        if group is not None and group.rows + item.rows > self._most_rows:
            self._close(key, group)
            group = None
        if group is None:
            group = self._open[key] = _Group(monotonic() + self._delay_s)
            if len(self._open) == 1:  # else the thread is awake in time for another one
                self._changed.notify_all()
        group.items.append(item)
        group.rows += item.rows
        if group.rows >= self._most_rows:
            self._close(key, group)

    def _close(self, key: Hashable, group: _Group) -> None:
        del self._open[key]
        self._full.append(group.items)
        self._changed.notify_all()

    # ---- the thread -----------------------------------------------------------------------------------------

    def _work(self) -> None:
        while True:
            items = self._next()
            if items is None:
                return
            wanted = [item for item in items if not item.future.done()]  # those given up need no answer
            if wanted:
                _hand_out(wanted, self._outcomes(wanted))

    def _next(self) -> list[_Item] | None:
        """Return what is to be asked next, as soon as it is due; ``None`` when the thread is to end."""
        with self._changed:
            self._at_work = []
            idle_until = monotonic() + IDLE_S
            while True:
                now = monotonic()
                oldest = next(iter(self._open), None)
                if self._full:
                    items = self._full.popleft()
                elif oldest is not None and (self._hurries or self._open[oldest].due <= now):
                    items = self._open.pop(oldest).items
                elif oldest is not None:
                    self._changed.wait(self._open[oldest].due - now)
                    continue
                elif self._hurries or now >= idle_until:
                    self._thread = None
                    self._hurries = False
                    self._changed.notify_all()
                    return None
                else:
                    self._changed.wait(idle_until - now)
                    continue
                self._waiting -= len(items)
                self._at_work = items
                return items

    def _outcomes(self, items: Sequence[_Item]) -> list[_Outcome]:
        """Return what the model says to each request."""
        if len(items) == 1:
            return [self._outcome(items[0])]
        try:
            outputs = self._asked(self._predict, merged([item.request for item in items]), items[0].loop)
            parts = parted(outputs, [item.rows or 0 for item in items], self._who)
        except BaseException as exc:  # whatever it is, it must not end the thread
            if self._warn is not None:
                self._warn(f"{self._who}: a batch of {len(items)} requests failed; each is asked alone: {told(exc)}")
            return [self._outcome(item) for item in items]
        self._count(len(items))
        return [(part, None) for part in parts]

    def _outcome(self, item: _Item) -> _Outcome:
        """Return what the model says to a single request."""
        try:
            # in the request's own context, so that what predict logs is known to belong to it
            outputs = item.context.run(self._asked, self._predict, without_id(item.request), item.loop)
            if item.rows is not None:
                (outputs,) = parted(outputs, [item.rows], self._who)
        except Exception as exc:
            return None, exc
        except BaseException as exc:  # what would end the thread ends the request
            error = StepError(f"{self._who}: predict ended with {told(exc)}")
            error.__cause__ = exc
            return None, error
        self._count(1)
        return outputs, None

    def _count(self, requests: int) -> None:
        self.batches += 1
        self.requests += requests

    def _asked(self, predict: Callable[[Any], Any], request: Any, loop: asyncio.AbstractEventLoop) -> Any:
        outputs = predict(request)
        if is_awaitable(outputs):
            outputs = _awaited(outputs, loop, self._who)
        if is_stream(outputs):
            raise StepError(yields(self._who))
        return outputs


def _awaited(waiting: Any, loop: asyncio.AbstractEventLoop, who: str) -> Any:
    """Await something on a loop of another thread, unless that loop has ended."""
    job = _result_of(waiting)
    try:
        future = asyncio.run_coroutine_threadsafe(job, loop)
    except RuntimeError:
        job.close()
        raise
    while True:
        try:
            return future.result(_LOOK_S)
        except LateFuture:
            if future.done():
                raise  # it is the model's own
            if not loop.is_running():
                future.cancel()
                raise StepError(f"{who}: the event loop of the request has ended") from None


async def _result_of(waiting: Any) -> Any:
    return await waiting


def _hand_out(items: Sequence[_Item], outcomes: Sequence[_Outcome]) -> None:
    """Give everybody their answer, waking each event loop once."""
    by_loop: dict[Any, list[tuple[_Item, _Outcome]]] = {}
    for item, outcome in zip(items, outcomes, strict=True):
        by_loop.setdefault(item.loop, []).append((item, outcome))
    for loop, answers in by_loop.items():
        try:
            loop.call_soon_threadsafe(_settle, answers)
        except RuntimeError:  # the loop has ended, and whoever waited with it
            continue


def _settle(answers: Sequence[tuple[_Item, _Outcome]]) -> None:
    for item, (outputs, error) in answers:
        if item.future.done():
            continue
        if error is None:
            item.future.set_result(outputs)
        elif isinstance(error, StopIteration):  # which no future takes
            item.future.set_exception(RuntimeError(f"predict raised {error!r}"))
        else:
            item.future.set_exception(error)


def batcher_of(
    arguments: Mapping[str, Any], who: str, predict: Callable[[Any], Any], warn: Callable[[str], None]
) -> Batcher | None:
    """Return the batcher that a model's arguments ask for, if they do.

    Raises
    ------
    GraphError
        If an argument is wrong; it names them all.

    Examples
    --------
    >>> batcher_of({"max_batch_size": "many", "max_delay_ms": -1}, "model 'm'", print, print)
    Traceback (most recent call last):
        ...
    graphkit.core.errors.GraphError: model 'm': max_batch_size is a whole number, 1 or more (1 is no batching), not \
'many'; max_delay_ms is a number of milliseconds, 0 or more, not -1
    """
    given = {name: arguments[name] for name in ARGUMENTS if arguments.get(name) is not None}
    if not given:
        return None
    size = given.get("max_batch_size", 1)
    delay_ms = given.get("max_delay_ms", DELAY_MS)
    most_waiting = given.get("max_waiting", MOST_WAITING)
    problems = []
    if "max_batch_size" not in given:
        problems.append(f"{', '.join(given)}: only with max_batch_size requests wait for others")
    elif not _is_count(size):
        problems.append(f"max_batch_size is a whole number, 1 or more (1 is no batching), not {size!r}")
    if isinstance(delay_ms, bool) or not isinstance(delay_ms, (int, float)) or not 0 <= delay_ms < float("inf"):
        problems.append(f"max_delay_ms is a number of milliseconds, 0 or more, not {delay_ms!r}")
    if not _is_count(most_waiting):
        problems.append(f"max_waiting is a whole number, 1 or more, not {most_waiting!r}")
    if problems:
        raise GraphError(f"{who}: {'; '.join(problems)}")
    return None if size == 1 else Batcher(who, predict, size, delay_ms, most_waiting, warn)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1
