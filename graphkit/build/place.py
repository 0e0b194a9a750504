"""Where a new step goes: the rules that let a notebook cell be run again without breaking the graph."""

from __future__ import annotations

from typing import Any

from graphkit.core.errors import GraphError, choices, nearest


def place_after(flow: Any, step: Any, after: tuple[str, ...]) -> Any:
    """Put a step into a flow behind the named steps, and return it.

    The same name at the same predecessor replaces that step in place and keeps its followers; a replaced router or
    flow keeps its children when the new one brings none. The same name anywhere else is an error.
    """
    name = step.name
    old = flow._steps.get(name)
    if old is step:
        pass
    elif old is None:
        _adopt(flow, step)
        step.after = [*step.after, *(before for before in after if before not in step.after)]
    else:
        _check_same_place(flow, old, step, after)
        _replace(flow, old, step)
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
    old = flow._steps.get(step.name)
    if old is not None and (old.kind != "error_step" or owner.on_error != step.name):
        raise GraphError(
            f"the name {step.name!r} of the error handler of {owner.name or 'the graph'!r} is taken by another step; "
            f"give name=..."
        )
    if old is None:
        _adopt(flow, step)
    else:
        _replace(flow, old, step)
    owner.on_error = step.name
    return step


def insert(flow: Any, step: Any, after: Any, before: Any) -> Any:
    """Put a step behind ``after`` and in front of ``before``; both are names or lists of names."""
    predecessors = _predecessors(flow, after)
    targets = [before] if isinstance(before, str) else list(before or ())
    for target in targets:
        if target not in flow._steps:
            raise GraphError(f"step {step.name!r} cannot stand before {target!r}: there is no such step"
                             f"{nearest(target, flow._steps)}; there is {choices(flow._steps)}")
        if target == step.name or target in predecessors:
            raise GraphError(f"step {step.name!r} cannot stand both after and before {target!r}: that is a loop")
    inherited = [name for target in targets for name in flow._steps[target].after if name != step.name]
    placed = place_after(flow, step, predecessors)
    if targets:
        # The new step takes over what led to its targets, so that the edge is cut rather than doubled.
        placed.after = list(dict.fromkeys([*placed.after, *inherited]))
    for target in targets:
        kept = [name for name in flow._steps[target].after if name not in placed.after and name != step.name]
        flow._steps[target].after = [*kept, step.name]
    return placed


def _predecessors(flow: Any, after: Any) -> tuple[str, ...]:
    names = []
    for item in [after] if isinstance(after, str) or not isinstance(after, (list, tuple)) else after:
        name = getattr(item, "name", item)
        if not name:
            continue
        if name == "$prev":
            name = flow._last_added
            if name is None:
                continue
        elif name not in flow._steps:
            raise GraphError(f"there is no step {name!r} to come after{nearest(name, flow._steps)}; there is "
                             f"{choices(flow._steps)}")
        names.append(name)
    return tuple(names)


def _check_same_place(flow: Any, old: Any, step: Any, after: tuple[str, ...]) -> None:
    same = set(after) <= set(old.after) if after else not old.after
    if same and old.kind != "error_step":
        return
    there = "as an error handler" if old.kind == "error_step" else _worded(old.after)
    raise GraphError(
        f"the step name {step.name!r} is taken: one stands {there}, this one would stand {_worded(after)}; "
        f"give name=..., or use after_step() to join branches"
    )


def _worded(after: Any) -> str:
    return "after " + ", ".join(repr(name) for name in after) if after else "at the start"


def _adopt(flow: Any, step: Any) -> None:
    if step._parent is not None and step._parent is not flow:
        raise GraphError(f"step {step.name!r} already stands in another graph; use a copy: from_dict(step.to_dict())")
    flow._steps[step.name] = step
    step.set_parent(flow)


def _replace(flow: Any, old: Any, step: Any) -> None:
    flow._steps[step.name] = step  # a dict keeps the place of a key that is set again
    step.set_parent(flow)
    step.after = list(dict.fromkeys([*old.after, *step.after]))
    for children in ("_routes", "_steps"):
        kept = getattr(old, children, None)
        if kept and getattr(step, children, None) == {}:
            getattr(step, children).update(kept)
            for child in kept.values():
                child.set_parent(step)
    old.set_parent(None)
    flow._touch()
