"""How a step answers with anything but exactly one result: the protocol between the step library and the core.

A step returns one result and every follower gets it. A class that does otherwise says so with the class attribute
``emits = True``; its calls then may return an :class:`Emit`:

- ``Emit(())``, or the constant :data:`NOTHING`: the event is dropped or absorbed; nothing goes on;
- ``Emit((a, b))``: several go on, in that order;
- ``Emit((a,), outlets=("left",))``: only the named followers get it.

Items are bodies, or :class:`~graphkit.core.event.Event` objects that go on as they are. A result that is no Emit
is one item, as with any step. Each item of an Emit is a complete event of its own; ``result_path`` does not apply.

A class without ``emits`` that has a method ``select_outlets(body) -> names`` returns its result as usual, and the
core then asks the method which followers get it. Names go through :func:`check_outlets` in both cases.

A step that holds events back until later (a batch, a join) has

- ``pending``: how many events it holds now;
- ``flush(expired_only=False) -> Emit``: gives up what it holds, all of it when the graph is drained, or, with
  ``expired_only=True``, what has waited for longer than ``timeout_s``;
- ``timeout_s``: how long an event may wait; ``None`` (or no such attribute) means that no ticker is needed.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from graphkit.core.errors import StepError, choices, nearest


class Emit:
    """What a step sends on.

    Parameters
    ----------
    items
        Bodies or events, none, one or many.
    outlets
        Names of the followers that get them; ``None`` means all.

    Examples
    --------
    >>> Emit([1, 2], outlets=["left"])
    Emit((1, 2), outlets=('left',))
    """

    __slots__ = ("items", "outlets")

    def __init__(self, items: Iterable[Any] = (), outlets: Iterable[str] | None = None) -> None:
        self.items: tuple[Any, ...] = tuple(items)
        self.outlets: tuple[str, ...] | None = None if outlets is None else tuple(outlets)

    def __repr__(self) -> str:
        return f"Emit({self.items!r})" if self.outlets is None else f"Emit({self.items!r}, outlets={self.outlets!r})"


#: The event goes no further. One object for all, since a dropped event should cost nothing.
NOTHING = Emit()


def outlet_names(names: Any, step: str | None = None) -> tuple[str, ...] | None:
    """Return what ``select_outlets`` returned as a tuple of names; ``None`` means all followers.

    Parameters
    ----------
    names
        A name, several names, none (the event goes no further), or ``None``.
    step
        The step, for messages; left to whoever runs it when left out.

    Raises
    ------
    StepError
        If it is no name at all, or a name stands there twice.

    Examples
    --------
    >>> outlet_names("left"), outlet_names([]), outlet_names(None)
    (('left',), (), None)
    """
    if names is None:
        return None
    where = f"step {step!r}: " if step is not None else ""
    chosen = (names,) if isinstance(names, str) else names
    if not isinstance(chosen, (list, tuple, set, frozenset)) or not all(isinstance(name, str) for name in chosen):
        raise StepError(f"{where}followers are chosen by name (a text or a list of them), not by {names!r}", step=step)
    if len(set(chosen)) != len(chosen):
        raise StepError(f"{where}a follower is chosen twice: {list(chosen)!r}", step=step)
    # A set has no order that would be the same in every process.
    return tuple(sorted(chosen)) if isinstance(chosen, (set, frozenset)) else tuple(chosen)


def check_outlets(names: Any, followers: Iterable[str], step: str | None = None) -> tuple[str, ...] | None:
    """Return the followers that a step chose, as :func:`outlet_names` does, and check that they exist.

    Parameters
    ----------
    names, step
        As in :func:`outlet_names`.
    followers
        The names that there are.

    Raises
    ------
    StepError
        If a name is unknown or stands there twice, or the value is no name at all.

    Examples
    --------
    >>> check_outlets("left", ["left", "right"])
    ('left',)
    >>> check_outlets(["up"], ["left", "right"], "split")
    Traceback (most recent call last):
        ...
    graphkit.core.errors.StepError: step 'split' chose 'up', which does not follow it: there is 'left', 'right'
    """
    chosen = outlet_names(names, step)
    known = tuple(followers)
    for name in chosen or ():
        if name not in known:
            raise StepError(
                f"step {step!r} chose {name!r}, which does not follow it: there is {choices(known)}"
                f"{nearest(name, known)}",
                step=step,
            )
    return chosen
