"""Files of cases: small YAML texts that people read and edit. What stands beside the cases stays, comments too."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from graphkit.cases.case import Case
from graphkit.core.errors import CaseError, SpecError, choices, nearest
from graphkit.spec import text as texts

T = TypeVar("T")
_KEYS = ("graph", "module", "cases")


class CaseFile(msgspec.Struct, frozen=True, kw_only=True):
    """Several cases, and the graph that they are for.

    Attributes
    ----------
    cases
        The cases, in their order; their names are unique.
    graph
        What the cases are tried on, where it is written down: a folder, a spec, ``module:attribute``, a notebook.
        Paths count from the file.
    module
        The module or file in which a spec finds its functions and classes.

    Examples
    --------
    >>> file = CaseFile(cases=(Case(name="a", body=1, answer=2),), graph="app.py:graph")
    >>> print(file.to_yaml(), end="")
    graph: app.py:graph
    cases:
    - name: a
      path: /
      body: 1
      answer: 2
    """

    cases: tuple[Case, ...] = ()
    graph: str | None = None
    module: str | None = None

    def __post_init__(self) -> None:
        names = [case.name for case in self.cases]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise CaseError(f"the names of cases are unique; {choices(twice)} stands there more than once")

    def __iter__(self) -> Iterator[Case]:
        return iter(self.cases)

    def __len__(self) -> int:
        return len(self.cases)

    def __getitem__(self, name: str) -> Case:
        found = next((case for case in self.cases if case.name == name), None)
        if found is None:
            names = [case.name for case in self.cases]
            raise CaseError(f"there is no case {name!r}{nearest(name, names)}; there is {choices(names)}")
        return found

    def to_yaml(self) -> str:
        """Return the file's text.

        Raises
        ------
        CaseError
            If a case holds something that could not be read back as it is.
        """
        head = {key: value for key in _KEYS[:2] if (value := getattr(self, key)) is not None}
        return texts.to_yaml({**head, "cases": [case.to_dict() for case in self.cases]}, rows_in_line=True)

    @classmethod
    def from_yaml(cls, text: str) -> CaseFile:
        """Return the cases that a text describes.

        Raises
        ------
        CaseError
            For an unknown key (with the nearest match), a broken case, a name that stands twice.
        """
        try:
            data = texts.from_yaml(text)
        except SpecError as exc:
            raise CaseError(exc.message.replace("a graph is written as a dict", "a file of cases has 'cases'")) from exc
        if isinstance(data, list):
            data = {"cases": data}
        if not isinstance(data, Mapping):
            raise CaseError(f"a file of cases is a dict with 'cases', found {type(data).__name__}")
        for key in data:
            if key not in _KEYS:
                raise CaseError(f"the file has the unknown key {key!r}{nearest(str(key), _KEYS)}; {_ALLOWED}")
        for key in _KEYS[:2]:
            if data.get(key) is not None and not isinstance(data[key], str):
                raise CaseError(f"{key} is a text, found {type(data[key]).__name__}")
        cases = data.get("cases")
        if cases is not None and not isinstance(cases, list):
            raise CaseError(f"cases is a list, found {type(cases).__name__}")
        return cls(cases=tuple(map(Case.from_dict, cases or ())), graph=data.get("graph"), module=data.get("module"))

    @classmethod
    def load(cls, path: str | Path) -> CaseFile:
        """Return the cases of a file; raises CaseError, which names the file."""
        return _named(path, lambda: cls.from_yaml(_read(path)))

    def save(self, path: str | Path) -> None:
        """Write the cases to a file; what the file held before is replaced in one step."""
        _write(path, _named(path, self.to_yaml))


def put_case(path: str | Path, case: Case) -> None:
    """Write a case into a file, which is made if it is not there; a case of the same name is replaced.

    The other cases stay as they are written, comments included.

    Raises
    ------
    CaseError
        If the case cannot be written, or the file holds no cases.
    """
    if not Path(path).exists():
        CaseFile(cases=(case,)).save(path)
        return
    before = CaseFile.load(path)
    text = _read(path)
    entry = texts.to_yaml([case.to_dict()], rows_in_line=True)
    spliced = _spliced(text, case.name, entry)
    kept = tuple(each for each in before.cases if each.name != case.name)
    if spliced is None or not _holds(spliced, [*(each.name for each in kept), case.name]):
        # the list is written in one line, or in another odd way: the cases themselves are kept
        spliced = msgspec.structs.replace(before, cases=_replaced(before.cases, case)).to_yaml()
    _write(path, spliced)


def _replaced(cases: Iterable[Case], case: Case) -> tuple[Case, ...]:
    found = tuple(case if each.name == case.name else each for each in cases)
    return found if any(each is case for each in found) else (*found, case)


def _spliced(text: str, name: str, entry: str) -> str | None:
    """Return a text with the lines of one case replaced, or with new ones at its end; ``None`` if that cannot be."""
    import yaml

    root = yaml.compose(text, yaml.SafeLoader)
    items = root if isinstance(root, yaml.SequenceNode) else _value_of(root, "cases")
    if not isinstance(items, yaml.SequenceNode) or items.flow_style or not items.value:
        return None
    lines = text.splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    column = items.start_mark.column
    indented = ["".join([" " * column, line]) for line in entry.splitlines(keepends=True)]
    for item in items.value:
        if (found := _value_of(item, "name")) is not None and found.value == name:
            start, end = item.start_mark.line, _last_line(item) + 1
            return "".join([*lines[:start], *indented, *lines[end:]])
    end = _last_line(items.value[-1]) + 1
    return "".join([*lines[:end], *indented, *lines[end:]])


def _value_of(node: Any, key: str) -> Any:
    pairs = getattr(node, "value", None)
    if not isinstance(pairs, list):
        return None
    return next((pair[1] for pair in pairs if isinstance(pair, tuple) and pair[0].value == key), None)


def _last_line(node: Any) -> int:
    """Return the last line that a node's own text stands on; the parser's mark is behind blanks and comments."""
    if isinstance(node.value, str) or node.flow_style or not node.value:
        mark = node.end_mark
        return int(mark.line if mark.column or mark.line == node.start_mark.line else mark.line - 1)
    last = node.value[-1]
    return _last_line(last[1] if isinstance(last, tuple) else last)


def _holds(text: str, names: list[str]) -> bool:
    return sorted(case.name for case in CaseFile.from_yaml(text).cases) == sorted(names)


def _named(path: str | Path, work: Callable[[], T]) -> T:
    try:
        return work()
    except CaseError as exc:
        raise CaseError(f"{str(path)!r}: {exc.message}") from exc.__cause__


def _read(path: str | Path) -> str:
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except OSError as exc:
        raise CaseError(f"the file cannot be read: {exc.strerror or exc}") from exc
    except UnicodeDecodeError as exc:
        raise CaseError(f"the file is no UTF-8 text: {exc}") from exc


def _write(path: str | Path, text: str) -> None:
    """Write a file in one step: a reader sees the old text or the new one, whatever happens meanwhile."""
    target = Path(path)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
                file.write(text)
            Path(name).chmod(target.stat().st_mode & 0o777 if target.exists() else 0o644)
            os.replace(name, target)  # noqa: PTH105  # says that it is one step
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as exc:
        raise CaseError(f"{str(path)!r} cannot be written: {exc.strerror or exc}") from exc


_ALLOWED = "there is 'cases', 'graph' and 'module'"
