"""Where a new step goes: the rules that let a notebook cell be run again without breaking the graph."""

from __future__ import annotations

from typing import Any

from graphkit.build.base import names_of
from graphkit.core.errors import GraphError, choices, nearest


def place_after(flow: Any, step: Any, after: tuple[str, ...]) -> Any:
    """Put a step into a flow behind the named steps, and return it.

    The same name at the same predecessor replaces that step in place and keeps its followers and its error handler; a
    replaced router or flow keeps its children when the new one brings none. The same name anywhere else is an error.
    """
    name = _checked_name(step)
    old = flow._steps.get(name)
    if old is None:
        _adopt(flow, step)
        step.after = dict.fromkeys([*step.after, *after])
    else:
        _check_same_place(old, step, after)
        _replace(flow, old, step)
    step.__dict__.update(_placed=after, _added=object())
    flow.__dict__["_last_added"] = name
    flow._touch()
    return step


def place_error_step(owner: Any, step: Any) -> Any:
    """Put an error handler beside its step, or into the graph that it handles, and link it."""
    flow = owner._parent if owner._parent is not None and hasattr(owner._parent, "_steps") else owner
    if not hasattr(flow, "_steps"):
        raise GraphError(f"step {owner.name!r} is in no flow, so that it cannot have an error handler")
    if flow is owner and step.before:
        raise GraphError("the handler of a whole graph ends it: before= may only be given for a single step")
    name = _checked_name(step)
    old = flow._steps.get(name)
    if old is None:
        _adopt(flow, step)
    elif old.kind == "error_step" and owner.on_error == name:
        _replace(flow, old, step)
    else:
        there = _worded_handler(flow, name) if old.kind == "error_step" else _worded(old.after)
        shared = f", or share it: on_error = {name!r}" if old.kind == "error_step" else ""
        raise GraphError(
            f"the step name {name!r} is taken: one stands {there}, this one would be the error handler of "
            f"{_titled(owner)}; give name=...{shared}"
        )
    step.__dict__["_added"] = object()
    owner.on_error = name
    flow._touch()
    return step


def place_route(router: Any, key: str, step: Any) -> Any:
    """Put a route under its key, in place of the one that is there, and return it."""
    old = router._routes.get(key)
    _check_inside(router, step)
    router._routes[key] = step  # a dict keeps the place of a key that is set again
    step.set_parent(router)
    step.__dict__["_added"] = object()
    if step.after:
        step.after = ()
    if old is not None and old is not step:
        _keep_children(old, step)
        old.set_parent(None)
    router._touch()
    return step


def insert(flow: Any, step: Any, after: Any, before: Any) -> Any:
    """Put a step behind ``after`` and in front of ``before``; both are names or lists of names."""
    predecessors = _predecessors(flow, after, step.name)
    targets = names_of(before)
    for target in targets:
        if target not in flow._steps:
            raise GraphError(
                f"step {step.name!r} cannot stand before {target!r}: there is no such step; there is "
                f"{choices(flow._steps)}{nearest(target, flow._steps)}"
            )
        if target == step.name or target in predecessors:
            raise GraphError(f"step {step.name!r} cannot stand both after and before {target!r}: that is a loop")
    # The new step takes over what led to its targets, so that the edge is cut rather than doubled. A target that
    # follows it already is left alone: the cell runs again.
    cut = [target for target in targets if step.name not in flow._steps[target].after]
    inherited = [name for target in cut for name in flow._steps[target].after]
    placed = place_after(flow, step, predecessors)
    if inherited:
        placed.after = dict.fromkeys([*placed.after, *inherited])
    for target in cut:
        flow._steps[target].after = [placed.name]
    return placed


def _predecessors(flow: Any, after: Any, name: str) -> tuple[str, ...]:
    found: list[str] = []
    for before in names_of(after):
        if before == "$prev":
            found += _previous(flow, name)
        elif before not in flow._steps:
            raise GraphError(
                f"step {name!r} cannot stand after {before!r}: there is no such step; there is "
                f"{choices(flow._steps)}{nearest(before, flow._steps)}"
            )
        else:
            found.append(before)
    return tuple(dict.fromkeys(found))


def _previous(flow: Any, name: str) -> tuple[str, ...]:
    """Return what ``"$prev"`` means: the step that was added last.

    A step that was declared no later than that one is added again by its cell, alone, and keeps its predecessors.
    """
    last, own = flow._last_added, flow._steps.get(name)
    if last is None:
        return ()
    if own is not None:
        first = next(key for key in flow._steps if key in (name, last))
        if first == name:
            return tuple(own.after) if own._placed is None else own._placed
    return (last,)


def _checked_name(step: Any) -> str:
    name = step.name
    if not isinstance(name, str) or not name or "/" in name:
        raise GraphError(f"{name!r} is no step name: a name is a text without '/', such as 'clean'")
    return name


def _check_same_place(old: Any, step: Any, after: tuple[str, ...]) -> None:
    # branches may have been joined to it since, by after_step()
    same = after == old._placed or (set(after) <= set(old.after) if after else not old.after)
    if same and old.kind != "error_step":
        return
    there = _worded_handler(old._parent, step.name) if old.kind == "error_step" else _worded(old.after)
    raise GraphError(
        f"the step name {step.name!r} is taken: one stands {there}, this one would stand {_worded(after)}; "
        f"give name=..., or use after_step() to join branches"
    )


def _worded(after: Any) -> str:
    return "after " + ", ".join(repr(name) for name in after) if after else "at the start"


def _worded_handler(flow: Any, name: str) -> str:
    owners = [step for step in (flow, *flow._steps.values()) if step.on_error == name]
    return "as the error handler of " + ", ".join(map(_titled, owners)) if owners else "as an error handler"


def _titled(owner: Any) -> str:
    return repr(owner.name) if owner.name else "the graph"


def _adopt(flow: Any, step: Any) -> None:
    if step._parent is not None:
        raise GraphError(f"step {step.name!r} stands in another graph; use a copy: copy.copy(step)")
    _check_inside(flow, step)
    flow._steps[step.name] = step
    step.set_parent(flow)


def _check_inside(parent: Any, step: Any) -> None:
    while parent is not None:
        if parent is step:
            raise GraphError(f"{_titled(step)} cannot stand inside itself")
        parent = parent._parent


def _replace(flow: Any, old: Any, step: Any) -> None:
    if old is step:
        return
    _check_inside(flow, step)
    flow._steps[step.name] = step  # a dict keeps the place of a key that is set again
    step.set_parent(flow)
    step.after = dict.fromkeys([*old.after, *step.after])
    if step.on_error is None:
        step.on_error = old.on_error
    _keep_children(old, step)
    old.set_parent(None)


def _keep_children(old: Any, step: Any) -> None:
    for children in ("_routes", "_steps"):
        kept = getattr(old, children, None)
        if kept and getattr(step, children, None) == {}:
            getattr(step, children).update(kept)
            for child in kept.values():
                child.set_parent(step)
            kept.clear()
