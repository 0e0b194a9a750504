"""From a plan to live objects. Only here are users' classes constructed; what nothing touched is kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphkit.core.errors import GraphError, nearest, told
from graphkit.core.expr import is_expression
from graphkit.plan.compile import Plan
from graphkit.plan.topology import EdgeKind, Node
from graphkit.runtime.attach import attach_function, attach_object
from graphkit.runtime.bound import BoundStep
from graphkit.runtime.constructors import Constructors
from graphkit.runtime.lookup import ABSENT, Compiled, Lookup, private, same_value
from graphkit.runtime.queues import attach_queue
from graphkit.runtime.retire import can_close
from graphkit.spec.keywords import no_arguments
from graphkit.spec.lost import lost_object
from graphkit.spec.steps import Error, Flow, Kind, Queue, Router, Task

DEFAULT_ROUTER = "ModelRouter"
# What decides whether a bound object is still the right one; the step's place in the graph does not.
_KEY_FIELDS = ("class_name", "class_args", "handler", "full_event", "function", "input_path", "result_path", "name")
_QUEUE_FIELDS = ("path", "shards", "retention_in_hours", "trigger_args", "options", "name")


class Target:
    """What a step is made of: a class with arguments, a function, an expression, or nothing of the user's."""

    __slots__ = ("args", "kind", "value")

    def __init__(self, kind: str, value: Any = None, args: Mapping[str, Any] | None = None) -> None:
        self.kind = kind
        self.value = value
        self.args = dict(args or {})

    def same(self, other: Target) -> bool:
        """Whether both are made of the very same objects."""
        if self.kind != other.kind or self.args.keys() != other.args.keys():
            return False
        if not same_value(self.value, other.value):
            return False
        return all(same_value(value, other.args[key]) for key, value in self.args.items())

    def take_over(self, other: Target) -> bool:
        """Let expressions see what their names mean to the same target, bound later; returns whether that is news."""
        pairs = [(self.value, other.value), *((value, other.args[key]) for key, value in self.args.items())]
        news = [mine.take_over(its) for mine, its in pairs if type(mine) is Compiled and mine is not its]
        return any(news)


class Binder:
    """Binds plans of one server, and remembers what it made.

    Parameters
    ----------
    context
        The context that steps get.
    mode
        How models load: ``"sync"``, ``"async"``, or ``"skip"``.
    """

    def __init__(self, context: Any, mode: str = "sync") -> None:
        self.context = context
        self.mode = mode
        self._made: dict[str, BoundStep] = {}
        self._replaced: list[BoundStep] = []
        self._added: Mapping[str, Any] = {}
        self._added_again: set[str] = set()
        self._constructors = Constructors()

    def bind(
        self,
        plan: Plan,
        lookup: Lookup,
        values: Mapping[str, Mapping[str, Any]],
        added: Mapping[str, Any] | None = None,
    ) -> dict[str, BoundStep]:
        """Return the bound steps of a plan, by path.

        Parameters
        ----------
        plan, lookup, values
            The plan, what its names mean, and class arguments as they were given.
        added
            For each step an object that is another one each time that the user adds the step, who so asks for a model
            whose load failed, or whose files have changed, to be loaded again.

        Raises
        ------
        GraphError
            With every name, class and argument that is wrong, or every constructor that failed.
        """
        self._constructors = Constructors()
        followed = _followed_queues(plan)
        targets = {
            path: self.target_of(node, lookup, values.get(path), followed)
            for path, node in plan.topology.nodes.items()
            if plan.is_local(path)
        }
        if lookup.problems:
            raise GraphError(problems=lookup.problems)
        before, self._added = self._added, added or {}
        self._added_again = {path for path, token in self._added.items() if before.get(path) is not token}
        steps: dict[str, BoundStep] = {}
        failures: list[tuple[str, Exception]] = []
        for path in _routes_first(plan, targets):
            node = plan.topology.nodes[path]
            try:
                steps[path] = self._step(node, targets[path], steps)
            except Exception as exc:
                failures.append((path, exc))
                steps[path] = BoundStep(path, node.name, node.step, self.context, node.function)
        if failures:
            problems = [_construction_problem(path, exc) for path, exc in failures]
            raise GraphError(problems=problems, step=failures[0][0]) from failures[0][1]
        self._forget(steps)
        return steps

    def take_replaced(self) -> list[BoundStep]:
        """Return the steps that no bound graph from now on has; whoever runs the graphs closes them."""
        replaced, self._replaced = self._replaced, []
        return [step for step in replaced if can_close(step)]

    def forget_all(self) -> None:
        """Make everything anew from now on."""
        self._forget({})

    # ---- resolving ----------------------------------------------------------------------------------------

    def target_of(
        self,
        node: Node,
        lookup: Lookup,
        given: Mapping[str, Any] | None,
        followed: Mapping[str, tuple[bool, bool]],
    ) -> Target:
        """Return what a step is made of by what its names mean now; what is wrong is told to ``lookup``."""
        record, path = node.step, node.path
        if isinstance(record, Queue):
            return Target("queue", followed.get(path, (False, False)))
        if isinstance(record, Flow):
            if all(isinstance(step, Error) for step in record.steps.values()):
                lookup.problem(path, "the flow has no steps: add some with flow.to(...) or flow.add_step(...)")
            return Target("flow")
        assert isinstance(record, Task)
        is_router = isinstance(record, Router)
        if isinstance(record, Router) and not record.routes:
            lookup.problem(path or node.name or "router", "the router has no routes: add_route(...) or add_model(...)")
        if record.class_name is None and record.handler is not None and not (is_router and record.class_args):
            return self._function_target(path, record, lookup)
        found = lookup.field(path, "class_name", record.class_name or DEFAULT_ROUTER)
        if found is ABSENT:
            return Target("missing")
        if not isinstance(found, type):
            if callable(found) and not is_router and record.handler is None:
                if record.class_args:
                    lookup.problem(path, no_arguments(record.class_args))
                return Target("function", found)
            kind = type(found).__name__
            lookup.problem(path, f"class_name: {record.class_name!r} is no class but a value of type {kind}")
            return Target("missing")
        args = self._arguments(path, given if given is not None else record.class_args, lookup)
        return self._class_target(path, record, found, args, lookup)

    def _function_target(self, path: str, record: Task, lookup: Lookup) -> Target:
        assert record.handler is not None
        if is_expression(record.handler) and (path, "handler") not in lookup._held:
            return Target("expression", lookup.expression(path, record.handler, "handler"))
        found = lookup.field(path, "handler", record.handler)
        if found is ABSENT:
            return Target("missing")
        if not callable(found):
            lookup.problem(
                path, f"handler: {record.handler!r} is no function but a value of type {type(found).__name__}"
            )
            return Target("missing")
        if record.class_args:
            lookup.problem(path, no_arguments(record.class_args))
        return Target("function", found)

    def _arguments(self, path: str, given: Mapping[str, Any], lookup: Lookup) -> dict[str, Any]:
        args = {}
        for key, value in given.items():
            value = lookup.argument(path, key, value)
            if key.startswith("_") and len(key) > 1:
                read = lookup.expression if is_expression(value) else lookup.function
                args[key[1:]] = read(path, value, key)
            elif (lost := lost_object(value)) is not None:
                lookup.problem(
                    path,
                    f"class_args: {key!r} was an object ({lost}) that a saved spec cannot hold; "
                    f"give it to the step again: class_args[{key!r}] = ...",
                )
                args[key] = ABSENT
            else:
                args[key] = value
            if type(value) in (dict, list):
                lookup.watch.add_container(value)
        return args

    def _class_target(self, path: str, record: Task, cls: type, args: dict[str, Any], lookup: Lookup) -> Target:
        handler = record.handler
        if handler and not hasattr(cls, handler):
            from graphkit.runtime.resolve import methods_of

            if parameters_may_add(cls):
                return Target("class", cls, args)
            lookup.problem(
                path,
                f"the class {cls.__name__!r} has no method {handler!r}{nearest(handler, dir(cls))}; "
                f"it has {methods_of(cls)}",
            )
        if not handler and not args and not any(callable(getattr(cls, m, None)) for m in ("do_event", "do")):
            own_call = any("__call__" in base.__dict__ for base in cls.__mro__[:-1])
            if not own_call:
                if not self._constructors.takes_body(cls):
                    lookup.problem(path, f"{_no_entry(cls)}, nor can it be called with a body itself")
                return Target("function", cls)
        probe = BoundStep(path, path.rpartition("/")[2], record, self.context, "")
        for problem in self._constructors.problems(cls, args, self._constructors.offered(probe, cls, {})):
            lookup.problem(path, problem)
        return Target("class", cls, args)

    # ---- making -------------------------------------------------------------------------------------------

    def _step(self, node: Node, target: Target, steps: Mapping[str, BoundStep]) -> BoundStep:
        routes = {}
        if isinstance(node.step, Router):
            prefix = f"{node.path}/" if node.path else ""
            routes = {key: steps[prefix + key] for key in node.step.routes if prefix + key in steps}
        old = self._made.get(node.path)
        if old is not None and still_good(old, node, target, routes) and not self._is_outdated(old):
            old.record = node.step
            if old.target[0].take_over(target) and self.context.pools is not None:
                self.context.pools.forget(old)
            return old
        step = BoundStep(node.path, node.name, node.step, self.context, node.function)
        step.target = (target, tuple(routes.values()))
        self._make(step, target, routes)
        if old is not None:
            self._replaced.append(old)
        self._made[node.path] = step
        return step

    def _is_outdated(self, step: BoundStep) -> bool:
        """Whether a step should be made again: it says so when it was added again, or may succeed where it failed."""
        mended = getattr(step.object, "is_mended", None)
        if callable(mended) and mended():
            return True
        if step.path not in self._added_again:
            return False
        outdated = getattr(step.object, "is_outdated", None)
        return bool(outdated()) if callable(outdated) else False

    def _make(self, step: BoundStep, target: Target, routes: dict[str, BoundStep]) -> None:
        if target.kind == "queue":
            attach_queue(step, *target.value)
        elif target.kind == "flow":
            step.call = _identity
        elif target.kind == "class":
            extra = self._constructors.offered(step, target.value, routes)
            args = {key: _made_of(value) for key, value in target.args.items()}
            instance = target.value(**{**args, **extra})
            attach_object(step, target.value, instance, extra)
            post_init = getattr(instance, "post_init", None)
            if callable(post_init) and self.mode != "skip":
                post_init(self.mode)
        else:
            attach_function(step, _made_of(target.value))

    def _forget(self, keep: Mapping[str, BoundStep]) -> None:
        for path, step in list(self._made.items()):
            if keep.get(path) is not step:
                del self._made[path]
                self._replaced.append(step)


def _made_of(value: Any) -> Any:
    """Return what a constructor gets of an argument: copies of containers, so that it cannot change the graph."""
    return value.call if type(value) is Compiled else private(value)


def parameters_may_add(cls: type) -> bool:
    """Whether instances may have methods that their class does not show."""
    return "__getattr__" in dir(cls)


def _no_entry(cls: type) -> str:
    from graphkit.runtime.resolve import methods_of

    return (
        f"the class {cls.__name__!r} has neither do_event(event) nor do(body), and no handler= names one of its "
        f"methods (there is {methods_of(cls)})"
    )


def _identity(body: Any) -> Any:
    return body


def _followed_queues(plan: Plan) -> dict[str, tuple[bool, bool]]:
    """Return which queues are followed by any step, and whether by one that runs here."""
    nodes = plan.topology.nodes
    found: dict[str, tuple[bool, bool]] = {}
    for edge in plan.topology.edges:
        if edge.kind is EdgeKind.FLOW and nodes[edge.tail].kind is Kind.QUEUE:
            _, here = found.get(edge.tail, (True, False))
            found[edge.tail] = True, here or plan.is_local(edge.head)
    return found


def _routes_first(plan: Plan, targets: Mapping[str, Target]) -> list[str]:
    """Return the paths so that a router comes after its routes."""
    nodes = plan.topology.nodes
    ordered: list[str] = []
    waiting: list[str] = []
    for path in targets:
        while waiting and not (path.startswith(waiting[-1] + "/") or waiting[-1] == ""):
            ordered.append(waiting.pop())
        if nodes[path].kind is Kind.ROUTER:
            waiting.append(path)
        else:
            ordered.append(path)
    return [*ordered, *reversed(waiting)]


def still_good(old: BoundStep, node: Node, target: Target, routes: Mapping[str, BoundStep]) -> bool:
    """Return whether a step that was made is what the draft says, so that it is kept."""
    record, before = node.step, old.record
    if type(record) is not type(before) or old.function != node.function:
        return False
    if target.kind == "flow":
        return True
    fields = _QUEUE_FIELDS if target.kind == "queue" else _KEY_FIELDS
    if any(getattr(record, field) != getattr(before, field) for field in fields):
        return False
    if old.emits and record.after != before.after:
        return False
    old_target, old_routes = old.target
    same_routes = len(old_routes) == len(routes) and all(
        mine is its for mine, its in zip(old_routes, routes.values(), strict=True)
    )
    if isinstance(record, Router) and isinstance(before, Router):
        same_routes = same_routes and list(record.routes) == list(before.routes)
    same: bool = old_target.same(target)
    return same_routes and same


def _construction_problem(path: str, exc: Exception) -> str:
    where = f"step {path!r}" if path else "the router"
    if isinstance(exc, GraphError):
        return f"{where}: {exc.message}" if path and not exc.step else exc.message
    return f"{where} could not be made: {told(exc)}"
