"""The written forms of a handle: dict, JSON, YAML and files, both ways."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from graphkit.core.errors import SpecWarning
from graphkit.spec import codec
from graphkit.spec.lost import lost_objects, model_advice, model_argument


def warn_of_lost(path: str | Path, lost: list[str], values: Mapping[str, Mapping[str, Any]]) -> None:
    """Warn that a file lacks objects, and say what to do about it.

    Parameters
    ----------
    path
        The file.
    lost
        What it lacks.
    values
        The class arguments of each step, as they were given.
    """
    if not lost:
        return
    model = model_argument(values)
    advice = [f"Of a model object: {model_advice(model)}"] if model is not None else []
    if model is None or len(lost) > 1:
        advice.append(
            "Define it as a function or class with a name of its own (at the top of a cell or module), or give it to "
            "the step again after loading"
        )
    warnings.warn(
        f"{str(path)!r} lacks what a spec cannot hold: {'; '.join(lost)}. {'. Anything else: '.join(advice)}",
        SpecWarning,
        stacklevel=3,
    )


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
        """Write the spec to a ``.yaml`` or ``.json`` file, after checking its structure; raises GraphError.

        A lambda, a closure or another object that no name leads to cannot be saved: a SpecWarning names its step.
        """
        from graphkit.build.freeze import freeze

        self._check()
        frozen = freeze(self)
        codec.write(path, codec.to_dict(frozen.spec))
        warn_of_lost(path, lost_objects(frozen.spec), frozen.values)

    @classmethod
    def load(cls, path: str | Path) -> Any:
        """Return the step that a ``.yaml`` or ``.json`` file describes; raises SpecError."""
        return cls.from_dict(codec.read(path))

    def _check(self) -> None:
        """Raise GraphError if the structure is wrong; a single step has none."""
