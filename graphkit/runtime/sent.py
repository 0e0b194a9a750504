"""What a step sent on other than one result to all its followers, in the words of a run's record."""

from __future__ import annotations

from typing import Any

from graphkit.core.emit import Emit
from graphkit.core.event import Event

_MOST_SHOWN = 20


def bodies_of(emitted: Emit) -> list[Any]:
    """Return the bodies of what a step sent on.

    >>> bodies_of(Emit([1, Event(2)]))
    [1, 2]
    """
    return [item.body if isinstance(item, Event) else item for item in emitted.items]


def sent_text(step: Any, emitted: Emit, event: Any) -> str | None:
    """Return what a step sent on as a text; ``None`` where it is one body for all followers, which shows itself.

    Examples
    --------
    >>> from types import SimpleNamespace as Data
    >>> step = Data(object=None)
    >>> sent_text(step, Emit(), Event()), sent_text(step, Emit([1, 2]), Event())
    ('dropped', '2 events: 1, 2')
    >>> sent_text(step, Emit([7], outlets=["rain"]), Event())
    '→ rain: 7'
    """
    from graphkit.view.preview import preview

    bodies = bodies_of(emitted)
    if not bodies:
        why = getattr(step.object, "waiting_text", None)
        return str(why(event)) if callable(why) else "dropped"
    if emitted.outlets is None and len(bodies) == 1:
        return None
    shown = ", ".join(preview(body, 80) for body in bodies[:_MOST_SHOWN])
    if len(bodies) > 1:
        shown = f"{len(bodies):,} events: {shown}{', …' if len(bodies) > _MOST_SHOWN else ''}"
    if emitted.outlets is None:
        return shown
    if not emitted.outlets:
        return "dropped: no follower was chosen"
    where = f"→ {', '.join(emitted.outlets)}"
    # what only chooses lets the body pass as it came
    passes = len(bodies) == 1 and bool(getattr(type(step.object), "emits", False))
    return where if passes else f"{where}: {shown}"
