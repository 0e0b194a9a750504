"""A case: an event, and the answer that is expected. Data; it knows neither files nor servers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import msgspec

from graphkit.cases.places import pattern
from graphkit.cases.values import decode, encode
from graphkit.core.errors import CaseError, choices, nearest

#: What models compute differs in the last digits between machines and versions.
RTOL = 1e-6
ATOL = 1e-9


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """An event, and the answer that is expected.

    Attributes
    ----------
    name
        What the case is called; unique in its file.
    path, method, body, content_type, headers, event_id
        The event, as in :meth:`graphkit.GraphServer.test`. The method defaults to POST with a body, GET without.
    status
        The HTTP status that is expected.
    answer
        The answer that is expected; left out, only the status is checked.
    rtol, atol
        Tolerance of numbers: ``abs(found - expected) <= atol + rtol * abs(expected)``.
    ignore
        Places in the answer that are not compared: ``"id"``, ``"models.*.id"``, ``"outputs[0]"``, ``"**.timestamp"``.

    Examples
    --------
    >>> case = Case(name="twice", body={"x": 2}, answer={"x": 4})
    >>> case.to_dict()
    {'name': 'twice', 'path': '/', 'body': {'x': 2}, 'answer': {'x': 4}}
    >>> Case.from_dict(case.to_dict()) == case
    True
    """

    name: str
    path: str = "/"
    method: str = ""
    body: Any = None
    content_type: str | None = None
    headers: dict[str, str] = {}
    event_id: str | None = None
    status: int = 200
    answer: Any = msgspec.UNSET
    rtol: float = RTOL
    atol: float = ATOL
    ignore: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.strip():
            raise CaseError("a case needs a name")
        if not self.method:
            msgspec.structs.force_setattr(self, "method", "GET" if self.body is None else "POST")
        for field in ("rtol", "atol"):
            value = getattr(self, field)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < math.inf:
                raise CaseError(f"case {self.name!r}: {field} is a number from 0 on, found {value!r}")
        if isinstance(self.ignore, str):
            raise CaseError(f"case {self.name!r}: ignore is a list of places, found the text {self.ignore!r}")
        for each in self.ignore:
            try:
                pattern(each)
            except CaseError as exc:
                raise CaseError(f"case {self.name!r}: {exc.message}") from None

    def to_dict(self) -> dict[str, Any]:
        """Return the case as plain data; fields that hold their default are left out.

        Raises
        ------
        CaseError
            If body or answer hold something that could not be read back as it is.
        """
        where = f"case {self.name!r}: "
        default = "GET" if self.body is None else "POST"
        fields: dict[str, Any] = {"name": self.name, "path": self.path}
        if self.method != default:
            fields["method"] = self.method
        if self.content_type is not None:
            fields["content_type"] = self.content_type
        if self.headers:
            fields["headers"] = dict(self.headers)
        if self.event_id is not None:
            fields["event_id"] = self.event_id
        if self.body is not None:
            fields["body"] = encode(self.body, where + "body")
        if self.status != 200:
            fields["status"] = self.status
        if self.answer is not msgspec.UNSET:
            fields["answer"] = encode(self.answer, where + "answer", natural=True)
        for field, usual in (("rtol", RTOL), ("atol", ATOL)):
            if getattr(self, field) != usual:
                fields[field] = getattr(self, field)
        if self.ignore:
            fields["ignore"] = list(self.ignore)
        return fields

    @classmethod
    def from_dict(cls, data: Any) -> Case:
        """Return the case that plain data describe.

        Raises
        ------
        CaseError
            For an unknown key (with the nearest match), or a value of the wrong type.
        """
        if not isinstance(data, Mapping):
            raise CaseError(f"a case is written as a dict, found {type(data).__name__}")
        where = f"case {data['name']!r}" if "name" in data else "a case"
        known = cls.__struct_fields__
        for key in data:
            if key not in known:
                raise CaseError(
                    f"{where} has the unknown key {key!r}{nearest(str(key), known)}; there is {choices(known, most=20)}"
                )
        values = {key: decode(data[key], f"{where}: {key}") for key in ("body", "answer") if key in data}
        plain = {key: value for key, value in data.items() if key not in values and value is not None}
        try:
            # body and answer are what they are; only the rest has types to check
            checked = msgspec.convert({**plain, "name": data.get("name", "")}, cls)
            return cls(**{key: getattr(checked, key) for key in plain}, **values)
        except msgspec.ValidationError as exc:
            text, _, place = str(exc).partition(" - at `$.")
            raise CaseError(f"{where}: {place.rstrip('`')}: {text}" if place else f"{where}: {text}") from exc
        except CaseError as exc:
            raise CaseError(exc.message if where in exc.message else f"{where}: {exc.message}") from exc
