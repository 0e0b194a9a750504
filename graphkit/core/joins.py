"""Whose parts belong together where branches are joined. Events bear it; the core makes it, joins look at it."""

from __future__ import annotations


class JoinScope:
    """One run of a flow, or one time that an event parted within it: what comes of that is joined.

    Attributes
    ----------
    across
        The ids of the joins whose parts may come with several runs, since something on the way to them holds some
        back; then they are known by the event's id.
    around, inside
        Where a step has sent one event to several followers, or several events on: the scope of the event that it got,
        and the ids of the joins whose parts are all of this one. The others belong to the scope around.
    item
        The path of that step, and which of the run's scopes this is; a step may be reached several times in a run.
    done
        The ids of the joins whose parts have all come.
    lost
        The step's object that gave up a part which came with this run, why, and with what status; or ``None``.
    """

    __slots__ = ("across", "around", "done", "inside", "item", "lost")

    def __init__(
        self,
        across: frozenset[int],
        around: JoinScope | None = None,
        inside: frozenset[int] = frozenset(),
        item: tuple[str, int] = ("", 0),
    ) -> None:
        self.across = across
        self.around = around
        self.inside = inside
        self.item = item
        self.done: set[int] = set()
        self.lost: tuple[object, str, int] | None = None

    def of(self, join: object) -> JoinScope:
        """Return the scope whose parts a step's object joins."""
        scope = self
        while scope.around is not None and id(join) not in scope.inside:
            scope = scope.around
        return scope

    @property
    def items(self) -> tuple[tuple[str, int], ...]:
        """Items of this scope and of those around it, the outermost first; empty for a whole run."""
        return () if self.around is None else (*self.around.items, self.item)
