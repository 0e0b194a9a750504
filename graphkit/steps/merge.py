"""Joins the parts of one event that went through several branches."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping
from operator import attrgetter
from typing import Any

from graphkit.core.awaiting import PLAIN_TYPES, then
from graphkit.core.emit import NOTHING, Emit
from graphkit.core.errors import BadRequest, GraphError, StepError, choices, nearest
from graphkit.core.event import Event
from graphkit.core.expr import compile_expression, is_expression
from graphkit.core.joins import JoinScope
from graphkit.core.paths import getter
from graphkit.steps.base import LibraryStep, checked_count, checked_seconds, full_event_of

_IN_ORDER = attrgetter("_order")
#: How many joins may wait at once where requests may complete each other's.
MAX_BEHIND = 64


class Merge(LibraryStep):
    """Waits for the parts of an event, one from each step before it, and sends them on as one.

    Parts belong together when they are of the same event, or have the same key at ``key_path``. They are merged in the
    order in which their branches were declared, whichever came first. Override :meth:`merge` to say how, and
    :meth:`get_join_key` to say what belongs together.

    Left to itself, it joins what the branches of one request bring: requests never see each other's parts, how many
    there are at once and whatever ids they bear. When a request ends, its joins end with it; where it has no answer
    since a join waits in vain (a branch may have filtered its part out), it fails with status 500.

    A join by ``key_path``, one that expects another number of parts than there are branches, and one with a batch in
    one of its branches, may be completed by other requests. There a part that never comes must not hold the others for
    ever: once ``max_behind`` newer joins wait, or after ``timeout_s``, a join is evicted; that is counted, and pushed
    to the error stream. Parts that arrive later still are counted and dropped. A request that is under way and has no
    answer for that fails, with status 503 or 504.

    Parameters
    ----------
    full_event
        Whether :meth:`merge` gets Events instead of bodies.
    key_path
        Where in the body the key stands: a dotted path such as ``"doc.id"``, or an expression such as
        ``"event['doc']['id']"``.
    max_behind
        How many joins may wait at once. Left out: 64 where requests may complete each other's joins, else as many as
        there are requests under way.
    expected_num_events
        How many parts make a join; left out, as many as there are steps before this one. With another number, parts
        are known by the event's id, which clients may choose.
    timeout_s
        How long a join waits at most.
    clock
        Gives the time in seconds; for tests.

    Attributes
    ----------
    pending
        How many parts wait now.
    evicted
        How many joins were given up.
    late
        How many parts came after their join was given up.

    Examples
    --------
    >>> join = Merge(expected_num_events=2)
    >>> join.do_event(Event({"a": 1}, event_id="7"))
    Emit(())
    >>> join.do_event(Event({"b": 2}, event_id="7"))
    {'a': 1, 'b': 2}
    """

    emits = True

    def __init__(
        self,
        full_event: bool | None = None,
        key_path: str | None = None,
        max_behind: int | None = None,
        expected_num_events: int | None = None,
        timeout_s: float | None = None,
        name: str | None = None,
        context: Any = None,
        graph_step: Any = None,
        clock: Callable[[], float] = time.monotonic,
        **kwargs: Any,
    ) -> None:
        super().__init__(name, context)
        owner = "Merge"
        for key in kwargs:
            raise GraphError(
                f"{owner} takes no argument {key!r}{nearest(key, _ARGUMENTS)}; it takes {choices(_ARGUMENTS)}"
            )
        if key_path is not None and not isinstance(key_path, str):
            raise GraphError(f"{owner}: key_path is a text such as 'doc.id', not {key_path!r}")
        self.key_path = key_path
        self.max_behind = MAX_BEHIND if max_behind is None else checked_count("max_behind", max_behind, owner)
        self.timeout_s = None if timeout_s is None else checked_seconds("timeout_s", timeout_s, owner)
        self.evicted = 0
        self.late = 0
        self._full_event = full_event_of(full_event, graph_step)
        self._expected = _expected(expected_num_events, graph_step, owner)
        self._by_path = self._key_function()
        # Known once: looking at the class at each event would cost as much as the join.
        self._by_id = key_path is None and type(self).get_join_key is Merge.get_join_key
        branches = len(graph_step.after) if graph_step is not None else 0
        self._by_branch = self._by_id and (expected_num_events is None or self._expected == branches > 1)
        self._bounds_runs = max_behind is not None
        self._clock = clock
        self._lock = threading.Lock()
        self._acquire, self._release = self._lock.acquire, self._lock.release
        # Both in the order of their first parts, so that the oldest is found first.
        self._joins: dict[Hashable, dict[Any, Any]] = {}
        self._since: dict[Hashable, float] = {}
        # How many parts of evicted joins may still come; the oldest are forgotten first.
        self._gone: dict[Hashable, int] = {}
        self._most_gone = max(1024, 4 * self.max_behind)

    def do_event(self, event: Any) -> Any:
        """Take one part; return what the parts make together when it is the last, else nothing."""
        if self._expected == 1:
            return self._merged([event])
        key = self._key_of(event) if self._by_id else self._checked_key(event)
        # Not a with block: for so short a stretch it would take as long as the join itself.
        self._acquire()
        try:
            join = self._joins.get(key)
            evicted = None
            if join is None:
                join, evicted = self._begin(key, event)
            if join is not None:
                # of requests that share a join it does not matter from which branches the parts come
                slot = (event._branch if type(key) is JoinScope else None) or len(join)
                if slot in join:
                    raise self._doubled(slot)
                join[slot] = event
                if len(join) != self._expected:
                    join = None
                else:
                    self._remove(key)
                    if type(key) is JoinScope:
                        key.done.add(id(self))
        finally:
            self._release()
        if evicted is not None:
            self._report([evicted])
        if join is None:
            return NOTHING
        parts = sorted(join.values(), key=_IN_ORDER)
        event._order = parts[-1]._order  # what goes on stands where the last branch does, whichever came last
        return self._merged(parts)

    def _merged(self, parts: list[Any]) -> Any:
        result = self.merge(parts if self._full_event else [part.body for part in parts])
        return result if type(result) in PLAIN_TYPES else then(result, _emitted)

    def merge(self, events: list[Any]) -> Any:
        """Return one body for the parts; override it to join them in another way.

        Parameters
        ----------
        events
            The bodies, or with ``full_event`` the Events, in the order of their branches.

        Returns
        -------
        Any
            The new body, or an Event. Here: one dict with all their keys, a later branch's value winning.
        """
        merged: dict[Any, Any] = {}
        for part in events:
            body = part.body if self._full_event else part
            if not isinstance(body, Mapping):
                raise StepError(
                    f"Merge joins dicts by their keys, but a part is of type {type(body).__name__}; override "
                    f"merge(events) in a subclass of Merge"
                )
            merged.update(body)
        return merged

    def get_join_key(self, event: Any) -> Hashable:
        """Return what the parts of one join have in common: the event's id, or its key at ``key_path``."""
        if self._by_path is None:
            key: Hashable = event.id
            return key
        return self._by_path(event if self._full_event else event.body)

    def flush(self, expired_only: bool = False) -> Emit:
        """Give up the joins that wait: all but those of requests under way, or those whose time is over.

        Nothing of them goes on.
        """
        with self._lock:
            if not expired_only:
                keys = [key for key in self._joins if not isinstance(key, JoinScope)]
            else:
                now = self._clock()
                keys = [key for key, since in self._since.items() if since + (self.timeout_s or 0) <= now]
            why = f"{self.timeout_s} s are over (timeout_s)" if expired_only else "the graph was drained"
            evicted = [self._evict(key, why, 504 if expired_only else 503) for key in keys]
        self._report(evicted)
        return NOTHING

    def give_up(self, scope: JoinScope, report: bool) -> tuple[list[Any], int] | None:
        """Give up the join of a run that has ended, since no part of it can come any more.

        Parameters
        ----------
        scope
            The run's, as its events bear it.
        report
            Whether it is pushed to the error stream, too.

        Returns
        -------
        tuple, or None
            The parts that came, and how many make a join; ``None`` where nothing waits.
        """
        join = self.forget(scope)
        if join is None or self._expected is None:
            return None
        with self._lock:
            self.evicted += 1
        if report:
            self._report([(join[0], self._given_up(scope, join, "its request is over"))])
        return join, self._expected

    def forget(self, scope: JoinScope) -> list[Any] | None:
        """Drop the join of a run, if one waits, and return its parts. Nothing is counted: the run itself has failed."""
        # Looked at without the lock, since nothing else puts anything there any more; evicted ones are in both for
        # a moment.
        if scope not in self._joins and scope not in self._gone:
            return None
        with self._lock:
            self._gone.pop(scope, None)
            return list(self._remove(scope).values()) if scope in self._joins else None

    def waiting_text(self, event: Any) -> str:
        """Return why nothing went on, for the record of a run."""
        if not self._by_id:
            return "waits for the other parts"
        with self._lock:
            join = self._joins.get(self._key_of(event))
        return "dropped: it came too late" if join is None else f"waits: {len(join)} of {self._expected} came"

    @property
    def pending(self) -> int:
        """How many parts wait now."""
        with self._lock:
            return sum(map(len, self._joins.values()))

    @property
    def joins_branches(self) -> int | None:
        """How many bodies make a join, where nothing but their number decides; else ``None``.

        The core then calls :meth:`merge` at once when it knows that all of them come from one event.
        """
        plain = self._by_id and not self._full_event and type(self).do_event is Merge.do_event
        return self._expected if plain else None

    def _begin(self, key: Hashable, event: Any) -> tuple[dict[Any, Any] | None, tuple[Any, str] | None]:
        """Begin a join for its first part, with the lock held.

        Returns the join, ``None`` if it was given up before; and what to report if another one had to make room.
        """
        if self._expected is None:
            raise GraphError("Merge needs expected_num_events when it stands in no graph")
        if type(key) is JoinScope and id(self) in key.done:
            raise self._doubled(event._branch)
        if self._gone and key in self._gone:
            self._count_late(key, event)
            return None, None
        join = self._joins[key] = {}
        if self.timeout_s is not None:
            self._since[key] = self._clock()
        if len(self._joins) <= self.max_behind or not (self._bounds_runs or type(key) is not JoinScope):
            return join, None
        return join, self._evict(next(iter(self._joins)), f"{self.max_behind} newer ones wait (max_behind)", 503)

    def _doubled(self, branch: Any) -> StepError:
        came = f"from {branch!r}" if isinstance(branch, str) else "from an error handler"
        return StepError(
            f"a second part of one event came {came}; a join takes one from each step before it. Where a step brings "
            f"several, say how many parts there are in all (expected_num_events), or join by a key (key_path)"
        )

    def _key_of(self, event: Any) -> Hashable:
        """Return what the parts of one event have in common: the run that they are in, or else the event's id."""
        scope = event._joins
        if scope is not None and self._by_branch and id(self) not in scope.across:
            return scope if scope.around is None else scope.of(self)  # type: ignore[no-any-return]
        event_id: str = event.event_id or event.id
        return event_id

    def _count_late(self, key: Hashable, event: Any) -> None:
        self.late += 1
        self._gone[key] -= 1
        if self._gone[key] == 0:
            del self._gone[key]
        if not isinstance(key, JoinScope) and event._joins is not None:
            event._joins.lost = self, f"a part came too late for the join {key!r}, which had been given up", 503

    def _evict(self, key: Hashable, why: str, status: int) -> tuple[Any, str]:
        """Give up a join, with the lock held; returns a part of it, and what to report."""
        join = self._joins[key]
        message = self._given_up(key, join.values(), why)
        for part in join.values():
            if part._joins is not None:
                part._joins.lost = self, message, status
        self.evicted += 1
        self._gone[key] = self._expected - len(join)  # type: ignore[operator]  # known since the join was begun
        if len(self._gone) > self._most_gone:
            del self._gone[next(iter(self._gone))]
        self._remove(key)
        return next(iter(join.values())), message

    def _remove(self, key: Hashable) -> dict[Any, Any]:
        if self._since:
            self._since.pop(key, None)
        return self._joins.pop(key)

    def _given_up(self, key: Hashable, join: Collection[Any], why: str) -> str:
        shown = next(iter(join)).id if isinstance(key, JoinScope) else key
        return (
            f"the join {shown!r} was given up with {len(join)} of {self._expected} parts, since {why}; the parts are "
            f"dropped"
        )

    def _report(self, given_up: Iterable[tuple[Any, str]]) -> None:
        # Without the lock: an error stream may be slow.
        for part, message in given_up:
            if self.context is not None:
                self.context.logger.warning(f"step {self.name!r}: {message}")
                self.context.push_error(part, message, source=self.name)

    def _checked_key(self, event: Any) -> Hashable:
        key = self.get_join_key(event)
        try:
            hash(key)
        except TypeError:
            raise BadRequest(
                f"parts cannot be joined by {key!r}, since a {type(key).__name__} cannot be a key"
            ) from None
        return key

    def _key_function(self) -> Callable[[Any], Hashable] | None:
        if self.key_path is None:
            return None
        if is_expression(self.key_path) or self.key_path.startswith(("event[", "event.")):
            return compile_expression(self.key_path, None, "key_path")
        select = getter(self.key_path)
        return (lambda event: select(event.body)) if self._full_event else select


_ARGUMENTS = ("full_event", "key_path", "max_behind", "expected_num_events", "timeout_s")


def _expected(expected_num_events: Any, graph_step: Any, owner: str) -> int | None:
    if expected_num_events is not None:
        return checked_count("expected_num_events", expected_num_events, owner)
    if graph_step is None:
        return None
    before = graph_step.after
    if not before:
        raise GraphError(f"{owner} has no step before it whose events it could join; give expected_num_events")
    return len(before)


def _emitted(result: Any) -> Any:
    return Emit((result,)) if isinstance(result, Event) else result
