"""What an export did, as data that shows itself."""

from __future__ import annotations

from html import escape
from pathlib import Path

import msgspec

from graphkit.export.recorded import RUNS


class Exported(msgspec.Struct, frozen=True, kw_only=True):
    """An app that was written.

    Attributes
    ----------
    folder
        Where it stands.
    files
        What was written, by place in the folder.
    requirements
        The packages that it needs, with their versions.
    allowed
        Dotted names outside of its own modules that the graph names.
    cases
        How many recorded cases it has.
    origins
        How many of them come from where: ``"runs"``, or the name of a file of cases.
    checked
        How many of them a fresh process answered as before; ``None`` if nobody asked one.
    notes
        What to know beside that.

    Examples
    --------
    >>> print(Exported(folder=Path("app"), files=("graph.yaml",), requirements=("PyYAML==6.0.2",), cases=2, checked=2))
    app/: 1 file, needs PyYAML==6.0.2; a fresh process answers all 2 recorded cases as before
    """

    folder: Path
    files: tuple[str, ...]
    requirements: tuple[str, ...] = ()
    allowed: tuple[str, ...] = ()
    cases: int = 0
    origins: dict[str, int] = {}
    checked: int | None = None
    notes: tuple[str, ...] = ()

    def _outcome(self) -> str:
        if self.checked is None:
            return f"not checked{self._told_origins()}"
        if not self.cases:
            return "a fresh process loads it; there are no recorded cases: run server.test(...) before exporting"
        count = "the recorded case" if self.cases == 1 else f"all {self.cases} recorded cases"
        return f"a fresh process answers {count} as before{self._told_origins()}"

    def _told_origins(self) -> str:
        if not set(self.origins) - {RUNS}:
            return ""
        runs = self.origins.get(RUNS, 0)
        told = [f"{runs} run{'' if runs == 1 else 's'}"] if runs else []
        told += [f"{count} of {name!r}" for name, count in self.origins.items() if name != RUNS]
        return f" ({', '.join(told)})"

    def __str__(self) -> str:
        count = f"{len(self.files)} file{'' if len(self.files) == 1 else 's'}"
        needs = f", needs {', '.join(self.requirements)}" if self.requirements else ""
        head = f"{self.folder.as_posix()}/: {count}{needs}; {self._outcome()}"
        return "\n".join([head, *(f"  note: {note}" for note in self.notes)])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        rows = "".join(f"<li><code>{escape(name)}</code></li>" for name in self.files)
        needs = ", ".join(f"<code>{escape(line)}</code>" for line in self.requirements) or "nothing else"
        notes = "".join(f"<p>Note: {escape(note)}</p>" for note in self.notes)
        return (
            f"<p><strong>{escape(self.folder.as_posix())}/</strong>: {escape(self._outcome())}. Needs {needs}.</p>"
            f"<details><summary>{len(self.files)} files</summary><ul>{rows}</ul></details>{notes}"
        )
