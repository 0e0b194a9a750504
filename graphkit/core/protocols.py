"""The seams between rooms: what one room may ask of another without importing it.

Handles must offer things that live upstairs (a mock server, a private run, a live picture). They reach them
through :data:`seam`, which ``graphkit/__init__.py`` fills once; that wiring is the package's only module state.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable


class Route(Protocol):
    """A bound child of a router: one model or function."""

    name: str

    def run(self, event: Any) -> Any:
        """Run the route on an event; returns the event with its answer as body, or an awaitable of it."""


class Pools(Protocol):
    """Runs several routes on one event; owned and closed by the bound graph."""

    def map(self, executor_type: str, routes: Mapping[str, Route], event: Any) -> Any:
        """Run every route on a copy of the event of its own.

        Returns ``{key: Event or Exception}`` in the order of ``routes`` (a route that raised stands there with its
        exception), or an awaitable of it when a route is asynchronous.
        """

    def forget(self, route: Route) -> None:
        """Take note that a route is made of something else by now."""

    def close(self) -> None:
        """Stop the workers; the pools can be used again afterwards."""


class Message(Protocol):
    """One entry of a stream as a consumer holds it."""

    @property
    def id(self) -> str:
        """Identity within the stream; the same at each delivery."""

    @property
    def body(self) -> Any:
        """What was pushed."""

    @property
    def key(self) -> str | None:
        """The key it was pushed with."""

    @property
    def attempts(self) -> int:
        """How many times it was delivered to this group, this time included."""


@runtime_checkable
class Stream(Protocol):
    """A durable or in-memory queue of JSON-like bodies, at-least-once.

    Consumers belong to groups. Each group gets every entry, and each entry goes to one consumer of the group at a
    time, under a lease. Entries are done when they are acknowledged, never because they were read.
    """

    @property
    def url(self) -> str:
        """The stream's address."""

    def push(self, data: Any, *, key: str | None = None) -> None:
        """Append one body, or several when given a list; returns when they are stored."""

    def read(self, start: int = 0, limit: int | None = None) -> list[Any]:
        """Return stored bodies in order without taking them; ``start`` skips that many of the oldest."""

    def take(self, count: int = 1, *, group: str = "default", lease_s: float = 30.0) -> Sequence[Message]:
        """Lease up to ``count`` entries to this consumer; an entry that is not acknowledged in time comes again."""

    def ack(self, messages: Iterable[Message], *, group: str = "default") -> None:
        """Mark leased entries as done."""

    def nack(self, messages: Iterable[Message], *, group: str = "default", delay_s: float = 0.0) -> None:
        """Give leased entries back; they come again after ``delay_s``."""

    def as_df(self) -> Any:
        """Return the stored bodies as a pandas DataFrame, one row each."""

    def close(self) -> None:
        """Release files and connections; the stored entries stay, and the next call opens them again."""

    def __len__(self) -> int: ...


class Seam:
    """What lower rooms may ask of upper ones; each field is filled by ``graphkit/__init__.py``."""

    def __init__(self) -> None:
        #: ``mock_server(root, **options) -> GraphServer``
        self.mock_server: Callable[..., Any] = _unwired
        #: ``run_step(step, event, args, kwargs)``: run one step on its own
        self.run_step: Callable[..., Any] = _unwired
        #: ``init_step(step, context, namespace, mode, reset, extra)``: bind one step on its own
        self.init_step: Callable[..., Any] = _unwired
        #: ``export(root, folder, **options) -> Exported``: write a graph as a folder that runs anywhere
        self.export: Callable[..., Any] = _unwired
        #: ``display(root) -> mime bundle``: richer than the static picture; ``None`` without the notebook room
        self.display: Callable[..., Mapping[str, Any]] | None = None
        #: ``doubts(handle, frozen, topology)``: edges over which something comes that the next step does not take
        self.doubts: Callable[..., tuple[Any, ...]] = _no_doubts
        #: ``inspect(root, server, path)``: one step with its code, state and last run, for notebooks and consoles
        self.inspect: Callable[..., Any] = _unwired
        #: ``open_stream(url, **options) -> Stream``
        self.open_stream: Callable[..., Any] = _unwired
        #: ``check_stream(url, **options)``: raise StreamError if no stream can be there with these options
        self.check_stream: Callable[..., None] = _unwired
        #: ``new_id() -> str``: an identity for an event
        self.new_id: Callable[[], str] = _unwired


def _no_doubts(*args: Any) -> tuple[Any, ...]:
    return ()


def _unwired(*args: Any, **kwargs: Any) -> Any:
    raise RuntimeError("this part of graphkit is reached through 'import graphkit'")


seam = Seam()
