"""What every handle has: its fields, its place in the graph, and the fluent calls that add steps.

What is written in ``self.__dict__`` changes without telling the graph: it is no field of the spec, or the caller tells.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from graphkit.build.fields import FieldDict, FieldList
from graphkit.build.forms import FormsMixin
from graphkit.build.mistaken import who_has
from graphkit.core.errors import GraphError, choices, nearest
from graphkit.core.held import Held
from graphkit.core.namespace import caller_namespace
from graphkit.core.protocols import seam
from graphkit.core.watch import Watch

if TYPE_CHECKING:
    from typing_extensions import Self

_NOTHING: Mapping[str, Held] = {}


class BaseStep(FormsMixin):
    """Base of all handles.

    Attributes
    ----------
    name, after, comment, shape, on_error
        Fields that are written into the spec.
    """

    kind: ClassVar[str] = "task"
    default_shape: ClassVar[str] = "ellipse"
    # The fields that go into the spec; setting one of them tells the graph that it changed.
    _fields: ClassVar[tuple[str, ...]] = ("name", "after", "comment", "shape", "on_error")

    name: str | None
    comment: str | None
    shape: str | None
    on_error: str | None
    _after: FieldList
    _parent: Any  # the flow or router that holds the step
    _added: Any  # one object for each time that the step was put into the graph
    _placed: tuple[str, ...] | None  # behind which steps it was put, which after_step() may have added to since
    _held: Mapping[str, Held]  # the objects that were given, by field
    _named: Mapping[str, Any]  # class arguments that have a name of their own, as they were given
    _revision: int  # of the whole graph, counted on its root
    _bound: Any  # what the most recently bound server made of the graph
    _watch: Watch | None = None  # made when somebody first wants to listen; neither part of the spec nor copied
    __hash__ = None  # type: ignore[assignment]  # steps compare by their spec, which can change

    def __init__(self, name: str | None = None, after: Any = None, shape: str | None = None) -> None:
        self.__dict__.update(
            name=name,
            comment=None,
            shape=shape,
            on_error=None,
            _after=FieldList(names_of(after), self._touch),
            _parent=None,
            _added=None,
            _placed=None,
            _held=_NOTHING,
            _named=_NOTHING,
            _revision=0,
            _bound=None,
        )

    # ---- fields -------------------------------------------------------------------------------------------

    def __setattr__(self, field: str, value: Any) -> None:
        if field == "name" and self._parent is not None and value != self.name:
            raise GraphError(
                f"step {self.name!r} has its place in a graph, where others know it by its name; "
                f"add a step named {value!r} instead"
            )
        if field not in self._fields and not field.startswith("_") and not hasattr(type(self), field):
            raise AttributeError(
                f"a step of kind {self.kind!r} has no field {field!r}; there is {choices(self._fields, most=20)}"
                f"{nearest(field, self._fields)}"
            )
        object.__setattr__(self, field, value)
        if field in self._fields:
            self._touch()

    def _touch(self) -> None:
        """Note on the whole graph that something changed, and tell who listens, on the way up."""
        step: Any = self
        watches = [step._watch] if step._watch is not None else []
        while step._parent is not None:
            step = step._parent
            if step._watch is not None:
                watches.append(step._watch)
        step.__dict__["_revision"] += 1
        for watch in watches:  # the count comes first: a listener may look at it
            watch.tell("changed")

    def _hold(self, field: str, value: Any) -> Any:
        """Return what the spec says of a value; an object is held beside it."""
        if value is None or isinstance(value, str):
            if field in self._held:
                self.__dict__["_held"] = {key: held for key, held in self._held.items() if key != field}
            return value or None
        if not callable(value):
            raise GraphError(
                f"step {self.name!r}: {field} is a name, a class or a function, found {type(value).__name__}"
            )
        held = Held(value, caller_namespace())
        self.__dict__["_held"] = {**self._held, field: held}
        return held.text

    @property
    def after(self) -> list[str]:
        """Names of the steps that this one follows."""
        return self._after

    @after.setter
    def after(self, value: Any) -> None:
        self.__dict__["_after"] = FieldList(names_of(value), self._touch)

    def after_step(self, *after: Any, append: bool = True) -> Self:
        """Follow more steps (given by name or as objects), or others when ``append`` is false."""
        self.after = list(dict.fromkeys([*(self._after if append else ()), *names_of(after)]))
        return self

    def get_shape(self) -> str:
        """Return the graphviz shape that this step is drawn with."""
        return self.shape or self.default_shape

    # ---- place in the graph -------------------------------------------------------------------------------

    @property
    def parent(self) -> Any:
        """The flow or router that holds this step."""
        return self._parent

    def set_parent(self, parent: Any) -> None:
        """Put this step under a flow or router."""
        self.__dict__["_parent"] = parent

    @property
    def fullname(self) -> str:
        """Path of the step in its graph, such as ``"models/iris"``."""
        names: list[str] = []
        step: Any = self
        while step is not None and step._parent is not None:
            names.append(step.name or "")
            step = step._parent
        return "/".join(reversed(names)) if names else (self.name or "")

    @property
    def next(self) -> list[str]:
        """Names of the steps that follow this one."""
        steps = getattr(self._parent, "steps", None) or {}
        return [name for name, step in steps.items() if self.name in step.after]

    def get_children(self) -> list[Any]:
        """Return the routes of a router or the steps of a flow."""
        return []

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def path_to_step(self, path: str | None) -> Any:
        """Return the step at a path below this one (``"models/iris"``); itself for an empty path.

        Raises
        ------
        GraphError
            If there is no such step.
        """
        step: Any = self
        for name in path.split("/") if path else ():
            names = list(step)
            if name not in names:
                under = repr(step.fullname) if step.fullname else "the graph"
                raise GraphError(
                    f"there is no step {name!r} under {under}; there is {choices(names)}{nearest(name, names)}"
                )
            step = step[name]
        return step

    @property
    def watch(self) -> Watch:
        """Listeners of changes of this step and of what is below it; of a graph's root, also of recorded runs."""
        if self._watch is not None:
            return self._watch
        made: Watch = self.__dict__.setdefault("_watch", Watch())
        return made

    @property
    def _root(self) -> Any:
        step: Any = self
        while step._parent is not None:
            step = step._parent
        return step

    # ---- fluent calls -------------------------------------------------------------------------------------

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
        """Add a step after this one and return the new step.

        Parameters
        ----------
        class_name
            A class, a function, a name or dotted path, a step object or its dict; ``"*Class"`` (or ``"*"``) is a
            router, ``">>"`` or ``"$queue"`` a queue, ``"$remote"`` an HTTP call.
        name
            Name of the step; left out, it is the class's or function's.
        handler
            Method of the class, or a function, its name, or an expression such as ``"(event['a'] + 1)"``.
        graph_shape
            A graphviz shape to draw the step with.
        function
            Child function that the step runs in; needed after a queue.
        full_event
            Give the step the Event rather than its body.
        input_path, result_path
            What the step receives, and where its result goes, such as ``"data.rows"``.
        **class_args
            Arguments of the class, or fields of the router or queue.

        Returns
        -------
        BaseStep
            The new step.

        Raises
        ------
        GraphError
            If the step has no name, or its name stands elsewhere in the flow.
        """
        from graphkit.build.place import place_after
        from graphkit.build.shorthand import make_step

        if self._parent is None or not hasattr(self._parent, "_steps"):
            raise GraphError(
                f"step {self.name!r} is in no flow, so that no step can follow it: start with graphkit.new_flow()"
            )
        step = make_step(
            class_name,
            name,
            handler,
            graph_shape=graph_shape,
            function=function,
            full_event=full_event,
            input_path=input_path,
            result_path=result_path,
            class_args=class_args,
            place=self._parent,
        )
        return place_after(self._parent, step, (self.name or "",))

    def error_handler(
        self,
        name: Any = None,
        class_name: Any = None,
        handler: Any = None,
        before: Any = None,
        function: str | None = None,
        full_event: bool | None = None,
        input_path: str | None = None,
        result_path: str | None = None,
        **class_args: Any,
    ) -> Self:
        """Set the step that runs when this one fails (on a graph: when any step fails); returns this step.

        Parameters
        ----------
        name, class_name, handler, function, full_event, input_path, result_path, **class_args
            The handler, as in :meth:`to`; a function or class may stand first, and its name second.
            Its event carries ``error = {step name: message}`` and ``origin_state``.
        before
            Name or names of the steps at which the flow goes on. Without it the handler's result is the answer.

        Raises
        ------
        GraphError
            If neither ``class_name`` nor ``handler`` is given, or the name stands elsewhere in the flow.
        """
        from graphkit.build.place import place_error_step
        from graphkit.build.shorthand import make_error_step

        step = make_error_step(
            class_name,
            name,
            handler,
            before=before,
            function=function,
            full_event=full_event,
            input_path=input_path,
            result_path=result_path,
            class_args=class_args,
        )
        place_error_step(self, step)
        return self

    # ---- running ------------------------------------------------------------------------------------------

    def init_object(
        self, context: Any, namespace: Any, mode: str = "sync", reset: bool = False, **extra_kwargs: Any
    ) -> None:
        """Bind this step on its own: construct its class, with ``extra_kwargs`` beside its arguments.

        Parameters
        ----------
        context
            The context to give to the step.
        namespace
            Where names are looked up: a dict, a module or a list of them.
        mode
            How models load: ``"sync"``, ``"async"``, or ``"skip"`` for not at all.
        reset
            Construct anew what was constructed before.
        """
        seam.init_step(self, context, namespace, mode, reset, extra_kwargs)

    def run(self, event: Any, *args: Any, **kwargs: Any) -> Any:
        """Run this step alone on an event and return the event with the result as its body.

        The most recently bound server's objects are used; if there is none, the step is bound privately.
        """
        return seam.run_step(self, event, args, kwargs)

    def inspect(self, path: str = "") -> Any:
        """Return all there is to say of this step, or of one below it: code, parameters, state, last input and output.

        A notebook shows it as HTML, a console as text. The runs are those of the server that bound the graph last.

        Parameters
        ----------
        path
            Full name of a step below this one; left out, this one.

        Raises
        ------
        GraphError
            If there is no such step.
        """
        own = self.fullname if self._parent is not None else ""
        return seam.inspect(self._root, None, "/".join(part for part in (own, path) if part))

    @property
    def async_object(self) -> Any:
        """The object that the most recently bound server holds for this step, else ``None``."""
        bound = self._last_bound()
        return None if bound is None else bound.object_of(self.fullname if self._parent is not None else "")

    @property
    def context(self) -> Any:
        """The context of the most recently bound server, else ``None``."""
        bound = self._last_bound()
        return None if bound is None else bound.context

    def _last_bound(self) -> Any:
        around = self._root._bound
        return around if around is not None else self._bound

    def __copy__(self) -> Self:
        """Return a copy that stands in no graph; a shallow copy would share its steps with two graphs."""
        from graphkit.build.freeze import free_copy

        copied: Self = free_copy(self)
        return copied

    def __deepcopy__(self, memo: Any) -> Self:
        return self.__copy__()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, BaseStep):
            return NotImplemented
        from graphkit.build.freeze import freeze

        return self is other or freeze(self).spec == freeze(other).spec

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"

    if not TYPE_CHECKING:  # type checkers would take it for leave to ask a step for anything

        def __getattr__(self, name: str) -> Any:
            raise AttributeError(
                f"{type(self).__name__!r} object has no attribute {name!r}{who_has(self, name)}", name=name, obj=self
            )


def names_of(value: Any) -> list[str]:
    """Return the names of steps given as a name, a step, or several of them.

    Raises
    ------
    GraphError
        If something else is given, or a step that has no name yet.
    """
    if value is None or value == "":
        return []
    items = value if isinstance(value, Iterable) and not isinstance(value, (str, BaseStep)) else [value]
    names: list[str] = []
    for item in items:
        name = item.name if isinstance(item, BaseStep) else item
        if not isinstance(name, str) or not name:
            found = f"a value of type {type(item).__name__}" if name is item else "a step without a name"
            raise GraphError(f"steps are given by name or as step objects, found {found}")
        names.append(name)
    return names


def field_dict(step: BaseStep, values: Mapping[str, Any] | None) -> FieldDict:
    """Return a dict that tells the step's graph when it changes."""
    return FieldDict(values or {}, step._touch)
