"""The handles of steps that call something: task, error handler and router."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from graphkit.build.base import BaseStep, field_dict, names_of
from graphkit.build.fields import FieldDict, FieldList
from graphkit.build.mock import MockServerMixin
from graphkit.build.picture import PictureMixin
from graphkit.core.errors import choices, nearest

if TYPE_CHECKING:
    from typing_extensions import Self


class TaskStep(BaseStep):
    """A step that calls a class or a function.

    Parameters
    ----------
    class_name
        A class, its name or dotted path. It is constructed once, with ``class_args`` and, where its ``__init__``
        accepts them, ``name``, ``context`` and ``graph_step``.
    class_args
        Arguments of the class; one that begins with ``_`` is a function, given by name or expression.
    handler
        A method of the class (else ``do_event(event)``, else ``do(body)``), or without a class a function, its
        name or dotted path, or an expression such as ``"(event['a'] + 1)"``.
    name, after
        Name, and names of the steps before.
    full_event
        Give the step the Event rather than its body.
    function
        Child function that the step runs in.
    responder
        Whether this step's output is the flow's answer.
    input_path, result_path
        What the step receives, and where its result goes.

    Examples
    --------
    >>> step = TaskStep(name="double", handler="(event * 2)")
    >>> step.to_dict()
    {'kind': 'task', 'name': 'double', 'handler': '(event * 2)'}
    """

    kind: ClassVar[str] = "task"
    _fields: ClassVar[tuple[str, ...]] = (
        *BaseStep._fields,
        "class_name",
        "class_args",
        "handler",
        "function",
        "full_event",
        "responder",
        "input_path",
        "result_path",
    )
    function: str | None
    full_event: bool | None
    responder: bool | None
    input_path: str | None
    result_path: str | None
    _class_name: str | None
    _class_args: FieldDict
    _handler: str | None

    def __init__(
        self,
        class_name: Any = None,
        class_args: Mapping[str, Any] | None = None,
        handler: Any = None,
        name: str | None = None,
        after: Any = None,
        full_event: bool | None = None,
        function: str | None = None,
        responder: bool | None = None,
        input_path: str | None = None,
        result_path: str | None = None,
    ) -> None:
        super().__init__(name, after)
        self.__dict__.update(
            _class_name=self._hold("class_name", class_name),
            _class_args=field_dict(self, class_args),
            _handler=self._hold("handler", handler),
            function=function,
            full_event=full_event,
            responder=responder,
            input_path=input_path,
            result_path=result_path,
        )

    @property
    def class_name(self) -> str | None:
        """Name or dotted path of the class."""
        return self._class_name

    @class_name.setter
    def class_name(self, value: Any) -> None:
        self.__dict__["_class_name"] = self._hold("class_name", value)

    @property
    def handler(self) -> str | None:
        """The method or function that is called."""
        return self._handler

    @handler.setter
    def handler(self, value: Any) -> None:
        self.__dict__["_handler"] = self._hold("handler", value)

    @property
    def class_args(self) -> dict[str, Any]:
        """Arguments of the class."""
        return self._class_args

    @class_args.setter
    def class_args(self, value: Mapping[str, Any] | None) -> None:
        self.__dict__["_class_args"] = field_dict(self, value)

    def respond(self) -> Self:
        """Make this step's output the flow's answer; returns the step."""
        self.responder = True
        return self


class ErrorStep(TaskStep):
    """A step that runs when another one failed; see :meth:`BaseStep.error_handler`.

    ``before`` holds the names of the steps at which the flow then goes on.
    """

    kind: ClassVar[str] = "error_step"
    _fields: ClassVar[tuple[str, ...]] = (*TaskStep._fields, "before")
    _before: FieldList

    def __init__(
        self,
        class_name: Any = None,
        class_args: Mapping[str, Any] | None = None,
        handler: Any = None,
        name: str | None = None,
        after: Any = None,
        full_event: bool | None = None,
        function: str | None = None,
        responder: bool | None = None,
        input_path: str | None = None,
        result_path: str | None = None,
        before: Any = None,
    ) -> None:
        super().__init__(
            class_name, class_args, handler, name, after, full_event, function, responder, input_path, result_path
        )
        self.__dict__["_before"] = FieldList(names_of(before), self._touch)

    @property
    def before(self) -> list[str]:
        """Names of the steps at which the flow goes on after the handler."""
        return self._before

    @before.setter
    def before(self, value: Any) -> None:
        self.__dict__["_before"] = FieldList(names_of(value), self._touch)


class RouterStep(MockServerMixin, PictureMixin, TaskStep):
    """A step that passes each event on to one or several of its routes.

    Parameters
    ----------
    class_name
        The router's class; ``ModelRouter`` when left out.
    class_args, handler, name, function, input_path, result_path
        As in :class:`TaskStep`.
    routes
        Steps by key; a dict is read as a step's spec.

    Examples
    --------
    >>> router = RouterStep(name="models")
    >>> _ = router.add_route("double", handler="(event * 2)")
    >>> list(router), router["double"].fullname
    (['double'], 'double')
    """

    kind: ClassVar[str] = "router"
    default_shape: ClassVar[str] = "doubleoctagon"
    _fields: ClassVar[tuple[str, ...]] = (*TaskStep._fields, "routes")
    _routes: dict[str, Any]

    def __init__(
        self,
        class_name: Any = None,
        class_args: Mapping[str, Any] | None = None,
        handler: Any = None,
        routes: Mapping[str, Any] | None = None,
        name: str | None = None,
        function: str | None = None,
        input_path: str | None = None,
        result_path: str | None = None,
    ) -> None:
        super().__init__(
            class_name,
            class_args,
            handler,
            name=name,
            function=function,
            input_path=input_path,
            result_path=result_path,
        )
        self.__dict__["_routes"] = {}
        for key, route in (routes or {}).items():
            self.add_route(key, route)

    @property
    def routes(self) -> Mapping[str, Any]:
        """The routes by key, to look at; :meth:`add_route` and ``del`` change them."""
        return MappingProxyType(self._routes)

    @routes.setter
    def routes(self, routes: Mapping[str, Any] | None) -> None:
        new = dict(routes or {})
        self.clear_children()
        for key, route in new.items():
            self.add_route(key, route)

    def add_route(
        self,
        key: str,
        route: Any = None,
        class_name: Any = None,
        handler: Any = None,
        function: str | None = None,
        **class_args: Any,
    ) -> Any:
        """Add a route, or replace the one of that key, and return it.

        Parameters
        ----------
        key
            Name of the route, part of the URL; ``"name:version"`` names a version.
        route
            A step object, its dict, a class or a function; else the step is made from what follows.
        class_name, handler, function, **class_args
            As in :class:`TaskStep`; a route with only a handler gets the body.

        Raises
        ------
        GraphError
            If nothing says what the route does.
        """
        from graphkit.build.place import place_route
        from graphkit.build.shorthand import make_route

        return place_route(self, key, make_route(self, key, route, class_name, handler, function, class_args))

    def clear_children(self, routes: Any = None) -> None:
        """Remove some routes, or all of them when none is given."""
        for key in [routes] if isinstance(routes, str) else list(routes or self._routes):
            del self[key]

    def get_children(self) -> list[Any]:
        """Return the routes."""
        return list(self._routes.values())

    def __getitem__(self, key: str) -> Any:
        if key not in self._routes:
            raise self._no_route(key)
        return self._routes[key]

    def __setitem__(self, key: str, route: Any) -> None:
        self.add_route(key, route)

    def __delitem__(self, key: str) -> None:
        if key not in self._routes:
            raise self._no_route(key)
        self._routes.pop(key).set_parent(None)
        self._touch()

    def __contains__(self, key: object) -> bool:
        return key in self._routes

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._routes))

    def __len__(self) -> int:
        return len(self._routes)

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        # a root has no name
        return super().__repr__() if self.name else f"{type(self).__name__}({len(self._routes)} routes)"

    def _no_route(self, key: str) -> KeyError:
        return KeyError(
            f"the router {self.name!r} has no route {key!r}; there is {choices(self._routes)}"
            f"{nearest(key, self._routes)}"
        )
