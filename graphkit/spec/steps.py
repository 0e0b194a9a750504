"""Frozen records of steps and graphs. Handles edit drafts; these are what a draft freezes into.

Field order is the order in which the fields are written. Children carry their own name, and are held in
declared order.
"""

from __future__ import annotations

from enum import Enum
from typing import Any, Union

import msgspec


class Kind(str, Enum):
    """The closed set of step kinds."""

    TASK = "task"
    ROUTER = "router"
    QUEUE = "queue"
    ERROR = "error_step"
    FLOW = "flow"
    ROOT = "root"

    __str__ = str.__str__


class Step(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, tag_field="kind"):
    """What every step has."""

    name: str | None = None
    after: tuple[str, ...] = ()
    comment: str | None = None
    shape: str | None = None
    on_error: str | None = None

    @property
    def kind(self) -> Kind:
        """The kind of step."""
        return Kind(self.__struct_config__.tag)


class Task(Step, frozen=True, tag="task"):
    """A class or function that is called with each event."""

    class_name: str | None = None
    class_args: dict[str, Any] = {}
    handler: str | None = None
    function: str | None = None
    full_event: bool | None = None
    responder: bool | None = None
    input_path: str | None = None
    result_path: str | None = None


class Router(Task, frozen=True, tag="router"):
    """A task that passes events on to named routes."""

    routes: dict[str, AnyStep] = {}


class Queue(Step, frozen=True, tag="queue"):
    """A queue in memory, or a real stream."""

    path: str | None = None
    shards: int | None = None
    retention_in_hours: int | None = None
    trigger_args: dict[str, Any] | None = None
    options: dict[str, Any] = {}


class Error(Task, frozen=True, tag="error_step"):
    """A task that runs when a step failed; ``before`` names the steps at which the flow then goes on."""

    before: tuple[str, ...] = ()


class Flow(Step, frozen=True, tag="flow"):
    """A flow of steps, nested in another flow."""

    steps: dict[str, AnyStep] = {}
    engine: str | None = None
    final_step: str | None = None


class RootFlow(Flow, frozen=True, tag="root"):
    """The outermost flow."""


AnyStep = Union[Task, Router, Queue, Error, Flow]  # noqa: UP007  # msgspec reads it at run time
Root = Union[RootFlow, Router]  # noqa: UP007


class Server(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    tag_field="kind",
    tag="server",
):
    """A graph together with how it is served."""

    graph: Root | None = None
    parameters: dict[str, Any] = {}
    load_mode: str | None = None
    function_uri: str | None = None
    verbose: bool = False
    version: str | None = None
    functions: dict[str, Any] = {}
    graph_initializer: str | None = None
    error_stream: str | None = None
    track_models: bool | None = None
    secret_sources: tuple[dict[str, Any], ...] = ()


def children(step: Step) -> dict[str, AnyStep]:
    """Return the routes of a router or the steps of a flow, else nothing."""
    if isinstance(step, Router):
        return step.routes
    if isinstance(step, Flow):
        return step.steps
    return {}
