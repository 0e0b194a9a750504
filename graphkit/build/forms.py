"""The written forms of a handle: dict, JSON, YAML and files, both ways."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from graphkit.spec import codec


class FormsMixin:
    """``to_dict``, ``from_dict`` and their relatives; none of them changes the graph."""

    kind: ClassVar[str]

    def to_dict(self) -> dict[str, Any]:
        """Return the step's spec as a plain dict; fields that hold their default are left out."""
        from graphkit.build.freeze import freeze

        return codec.to_dict(freeze(self).spec)

    @classmethod
    def from_dict(cls, struct: Mapping[str, Any] | None = None) -> Any:
        """Return the step that a dict describes.

        Raises
        ------
        SpecError
            With every problem found: unknown keys or kinds (with the nearest match), values of the wrong type.
        """
        from graphkit.build.freeze import thaw

        return thaw(codec.from_dict(struct if struct is not None else {}, default_kind=cls.kind))

    def to_json(self) -> str:
        """Return the spec as JSON; raises SpecError where JSON cannot hold a value (NaN, infinity)."""
        return codec.to_json(self.to_dict())

    @classmethod
    def from_json(cls, text: str | bytes) -> Any:
        """Return the step that a JSON text describes; raises SpecError."""
        return cls.from_dict(codec.from_json(text))

    def to_yaml(self) -> str:
        """Return the spec as YAML."""
        return codec.to_yaml(self.to_dict())

    @classmethod
    def from_yaml(cls, text: str | bytes) -> Any:
        """Return the step that a YAML text describes; raises SpecError."""
        return cls.from_dict(codec.from_yaml(text))

    def save(self, path: str | Path) -> None:
        """Write the spec to a ``.yaml`` or ``.json`` file, after checking its structure; raises GraphError."""
        self._check()
        codec.write(path, self.to_dict())

    @classmethod
    def load(cls, path: str | Path) -> Any:
        """Return the step that a ``.yaml`` or ``.json`` file describes; raises SpecError."""
        return cls.from_dict(codec.read(path))

    def _check(self) -> None:
        """Raise GraphError if the structure is wrong; a single step has none."""
