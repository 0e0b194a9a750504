"""A case, replayed: its event goes through a server, and the answer is compared with the expected one."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from html import escape
from typing import Any, Protocol

import msgspec

from graphkit.cases.case import Case
from graphkit.cases.compare import Difference, differences
from graphkit.runtime.bound import is_response
from graphkit.view.preview import preview

_MOST_SHOWN = 20


class Answers(Protocol):
    """What a case is tried on: a :class:`graphkit.GraphServer`, or anything that answers like one."""

    def test(
        self,
        path: str = "/",
        body: Any = None,
        method: str = "",
        content_type: str | None = None,
        silent: bool = False,
        get_body: bool = True,
        headers: Mapping[str, Any] | None = None,
        event_id: str | None = None,
    ) -> Any:
        """Answer an event."""


class CaseResult(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a case.

    Attributes
    ----------
    case
        The case.
    status, answer
        What was found.
    differences
        Where it differs from what was expected.
    """

    case: Case
    status: int
    answer: Any
    differences: tuple[Difference, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether nothing differs."""
        return not self.differences

    def text(self) -> str:
        """Return the result in words: one line, and one more for each difference."""
        if self.passed:
            return f"case {self.case.name!r} passed"
        count = len(self.differences)
        lines = [f"case {self.case.name!r} failed: {count} difference{'' if count == 1 else 's'}"]
        lines += [f"  {difference}" for difference in self.differences[:_MOST_SHOWN]]
        if count > _MOST_SHOWN:
            lines.append(f"  and {count - _MOST_SHOWN} more")
        return "\n".join(lines)

    def __repr__(self) -> str:
        return self.text()

    def _repr_html_(self) -> str:
        return f"<pre>{escape(self.text())}</pre>"


def check_case(server: Answers, case: Case) -> CaseResult:
    """Replay a case on a server, and return what came of it.

    Parameters
    ----------
    server
        A :class:`graphkit.GraphServer`. The run is recorded: ``server.last_run`` shows its steps.
    case
        The case.

    Examples
    --------
    >>> import graphkit
    >>> graph = graphkit.new_flow()
    >>> _ = graph.to(name="double", handler="(event * 2)").respond()
    >>> check_case(graph.to_mock_server(), Case(name="two", body=2, answer=5))
    case 'two' failed: 1 difference
      the answer: expected 5, found 4
    """
    answer = server.test(
        case.path,
        copy.deepcopy(case.body),  # steps may change what they are given
        case.method,
        case.content_type,
        silent=True,
        headers=dict(case.headers),
        event_id=case.event_id,
    )
    status = answer.status_code if is_response(answer) else 200
    body = answer.body if is_response(answer) else answer
    if status != case.status:
        note = f"the answer is {preview(body, 200)}" if body is not None else ""
        return CaseResult(
            case=case, status=status, answer=body, differences=(Difference("status", case.status, status, note),)
        )
    if case.answer is msgspec.UNSET:
        return CaseResult(case=case, status=status, answer=body)
    found = differences(case.answer, body, case.rtol, case.atol, case.ignore)
    return CaseResult(case=case, status=status, answer=body, differences=found)
