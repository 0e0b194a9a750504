"""The handle of a queue."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from graphkit.build.base import BaseStep, field_dict
from graphkit.build.fields import FieldDict
from graphkit.core.errors import GraphError

#: What is written for a queue.
QUEUES = (">>", "$queue")


class QueueStep(BaseStep):
    """A queue: in memory, or a real stream at ``path``.

    Parameters
    ----------
    name, after
        Name, and names of the steps before.
    path
        URL of the stream, such as ``"file:///data/events.db"``; empty for a queue in memory.
    shards, retention_in_hours
        Settings of the stream.
    trigger_args
        Settings of whoever reads the stream.
    **options
        More settings of the stream.

    Examples
    --------
    >>> QueueStep("q", path="memory://jobs", batch=10).to_dict()
    {'kind': 'queue', 'name': 'q', 'path': 'memory://jobs', 'options': {'batch': 10}}
    """

    kind: ClassVar[str] = "queue"
    default_shape: ClassVar[str] = "cds"
    _fields: ClassVar[tuple[str, ...]] = (
        *BaseStep._fields,
        "path",
        "shards",
        "retention_in_hours",
        "trigger_args",
        "options",
    )
    path: str | None
    shards: int | None
    retention_in_hours: int | None
    _trigger_args: FieldDict | None
    _options: FieldDict

    def __init__(
        self,
        name: str | None = None,
        path: str | None = None,
        after: Any = None,
        shards: int | None = None,
        retention_in_hours: int | None = None,
        trigger_args: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(name, after)
        self.__dict__.update(
            path=path,
            shards=shards,
            retention_in_hours=retention_in_hours,
            _options=field_dict(self, options),
        )
        self.trigger_args = trigger_args

    @property
    def trigger_args(self) -> dict[str, Any] | None:
        """Settings of whoever reads the stream."""
        return self._trigger_args

    @trigger_args.setter
    def trigger_args(self, value: Mapping[str, Any] | None) -> None:
        self.__dict__["_trigger_args"] = None if value is None else field_dict(self, value)

    @property
    def options(self) -> dict[str, Any]:
        """More settings of the stream."""
        return self._options

    @options.setter
    def options(self, value: Mapping[str, Any] | None) -> None:
        self.__dict__["_options"] = field_dict(self, value)

    def to(
        self,
        class_name: Any = None,
        name: str | None = None,
        handler: Any = None,
        graph_shape: str | None = None,
        function: str | None = None,
        full_event: bool | None = None,
        input_path: str | None = None,
        result_path: str | None = None,
        **class_args: Any,
    ) -> Any:
        """Add a step after this queue and return it; parameters as in :meth:`BaseStep.to`.

        Raises
        ------
        GraphError
            As in :meth:`BaseStep.to`, and if the step does not name the ``function`` that it runs in.
        """
        if class_name in QUEUES or _kind(class_name) == "queue":
            raise GraphError(
                f"{name or 'a queue'!r} follows the queue {self.name!r} directly: put a step between them that says in "
                f"which function the events move on"
            )
        if not function and not _own_function(class_name):
            given = handler if class_name is None else class_name
            label = name or (given if isinstance(given, str) else getattr(given, "__name__", type(given).__name__))
            raise GraphError(
                f"step {label!r} follows the queue {self.name!r}, so it must name the function "
                f"that it runs in: to(..., function='name')"
            )
        return super().to(
            class_name, name, handler, graph_shape, function, full_event, input_path, result_path, **class_args
        )


def _kind(given: Any) -> Any:
    """Return the kind that a step object or dict says itself."""
    return given.get("kind") if isinstance(given, Mapping) else getattr(given, "kind", None)


def _own_function(given: Any) -> Any:
    """Return the child function that a step object or dict says itself."""
    return given.get("function") if isinstance(given, Mapping) else getattr(given, "function", None)
