"""What is known of a stored model: the records that ``model_spec.yaml`` is read into."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from graphkit.core.errors import StoreError, choices, nearest

SPEC_FILE = "model_spec.yaml"

# Keys of MLRun's artifacts that say nothing about how a model is used; they are passed over.
_BOOKKEEPING = frozenset(
    {
        *("description", "hash", "iter", "kind", "project", "tag", "tree", "uid", "updated", "created", "status"),
        *("db_key", "format", "has_children", "inline", "is_inline", "license", "parent_uri", "producer", "size"),
        *("sources", "src_path", "target_path", "unpackaging_instructions", "viewer"),
        *("feature_stats", "feature_vector", "feature_weights", "model_target_file", "model_url"),
    }
)
_FEATURE_BOOKKEEPING = frozenset({"aggregate", "origin", "validator"})


class Feature(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One input or output of a model.

    Examples
    --------
    >>> Feature(name="petal_length", value_type="float").to_dict()
    {'name': 'petal_length', 'value_type': 'float'}
    """

    name: str = ""
    value_type: str | None = None
    description: str | None = None
    dims: list[int | None] | None = None
    default: Any = None
    labels: dict[str, Any] = {}

    def to_dict(self) -> dict[str, Any]:
        """Return the feature as a dict of plain values, without what is not set."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        return plain


class ModelSpec(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is known of a stored model: the content of ``model_spec.yaml``.

    Parameters
    ----------
    name
        The model's name.
    model_file
        Path of the model's file within the folder.
    parameters
        Parameters that the model gets beside those given in the graph.
    inputs, outputs
        The schema: one feature for each column, in order.
    extra_data
        Further files in the folder, by key.
    metrics, labels, framework, algorithm
        For the reader.

    Examples
    --------
    >>> spec = ModelSpec(model_file="iris.pkl", inputs=[Feature(name="petal_length")])
    >>> spec.to_dict()
    {'model_file': 'iris.pkl', 'inputs': [{'name': 'petal_length'}]}
    >>> ModelSpec.from_dict(spec.to_dict()) == spec
    True
    """

    name: str = ""
    model_file: str = ""
    parameters: dict[str, Any] = {}
    inputs: list[Feature] = []
    outputs: list[Feature] = []
    extra_data: dict[str, str] = {}
    metrics: dict[str, Any] = {}
    labels: dict[str, Any] = {}
    framework: str | None = None
    algorithm: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the spec as a dict of plain values, as it may stand in ``model_spec.yaml``."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        return plain

    @classmethod
    def from_dict(cls, data: Any, where: str = SPEC_FILE) -> ModelSpec:
        """Make a spec of a dict: flat, as :meth:`to_dict` writes it, or nested as MLRun's model artifacts are.

        Parameters
        ----------
        data
            The dict. Keys of MLRun's bookkeeping are passed over; so is what is ``None``.
        where
            What to call the place in messages.

        Raises
        ------
        StoreError
            If a key is unknown or a value of the wrong type; all unknown keys are named.
        """
        if not isinstance(data, Mapping):
            raise StoreError(f"{where} must hold keys and values, not a value of type {type(data).__name__}")
        kind = data.get("kind")
        if kind not in (None, "", "model"):
            raise StoreError(f"{where} describes no model: its kind is {kind!r}")
        problems: list[str] = []
        fields = _kept(_flat(data, where), cls, _BOOKKEEPING | {"key"}, "", problems)
        for key in ("inputs", "outputs"):
            if isinstance(features := fields.get(key), list):
                fields[key] = [
                    _kept(item, Feature, _FEATURE_BOOKKEEPING, f"{key}[{index}].", problems)
                    for index, item in enumerate(features)
                ]
        if problems:
            raise StoreError(f"{where}: {'; '.join(problems)}")
        try:
            return msgspec.convert(fields, cls)
        except msgspec.ValidationError as exc:
            raise StoreError(f"{where}: {exc}") from exc


def _flat(data: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return a nested artifact's keys in one dict."""
    flat = dict(data)
    nested, about = flat.pop("spec", None), flat.pop("metadata", None)
    for key, part in (("spec", nested), ("metadata", about)):
        if not isinstance(part, (Mapping, type(None))):
            raise StoreError(f"{where}: {key!r} must hold keys and values, not a value of type {type(part).__name__}")
    flat.update(nested or {})
    # Of an artifact's metadata, two keys concern the model; the rest is its history.
    about = about or {}
    flat.setdefault("name", about.get("key", flat.get("key")))
    flat.setdefault("labels", about.get("labels"))
    return flat


def _kept(
    fields: Any, kind: type[msgspec.Struct], passed_over: frozenset[str], prefix: str, problems: list[str]
) -> Any:
    """Return the fields that a record has; unknown ones become problems."""
    if not isinstance(fields, Mapping):
        return fields  # told by its type later
    known = kind.__struct_fields__
    problems += [
        f"unknown key {prefix + str(key)!r}{nearest(str(key), known)}; there is {choices(known)}"
        for key in fields
        if key not in known and key not in passed_over
    ]
    return {key: value for key, value in fields.items() if key in known and value is not None}
