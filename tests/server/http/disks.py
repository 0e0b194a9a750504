"""Disks that tests can fill."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path


class Disk:
    """A small disk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    def fill(self) -> None:
        """Leave no room."""
        with suppress(OSError), self._ballast.open("ab", buffering=0) as file:
            while True:
                file.write(bytes(4096))

    def make_room(self) -> None:
        """Take back what filled it."""
        self._ballast.unlink()
