"""JSON and YAML texts and files: what is read is plain data, what is broken is a SpecError that shows the place."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from graphkit.core.errors import SpecError

#: How much a YAML text may grow into when its aliases are written out; a few lines could fill the memory.
MOST_NODES = 1_000_000
_ODD_BREAKS = re.compile("[\r\x85\u2028\u2029]")


def to_json(data: Mapping[str, Any]) -> str:
    """Return a dict as indented JSON; dates become ISO 8601 texts.

    Raises
    ------
    SpecError
        If it holds NaN or infinity, or a key that is no text, which JSON cannot.
    """
    if odd := list(_not_finite(data, "")):
        raise SpecError(f"JSON cannot hold the number at {', '.join(odd)}; YAML can")
    if odd := list(_odd_keys(data, "")):
        raise SpecError(f"JSON has no keys but texts, there is {', '.join(odd)}; YAML can hold that")
    return msgspec.json.format(msgspec.json.encode(data), indent=2).decode()


def from_json(text: str | bytes) -> Any:
    """Read JSON; raises SpecError when it is broken, says nothing or names a key twice."""
    try:
        return _something(json.loads(text, object_pairs_hook=_unique))
    except SpecError:
        raise
    except ValueError as exc:
        raise SpecError(f"the text is not JSON: {exc}") from exc
    except RecursionError as exc:
        raise SpecError("the text is nested too deeply") from exc


def to_yaml(data: Any, rows_in_line: bool = False) -> str:
    """Return a dict or list as YAML, in its own order.

    Parameters
    ----------
    data
        Plain data.
    rows_in_line
        Write a list of scalars in one line, as rows of numbers are best read.

    Examples
    --------
    >>> print(to_yaml({"inputs": [[1, 2], [3, 4]]}, rows_in_line=True), end="")
    inputs:
    - [1, 2]
    - [3, 4]
    """
    import yaml

    class Dumper(yaml.SafeDumper):
        """Quotes texts with odd line breaks, which YAML would read as plain ones."""

        def represent_sequence(self, tag: str, sequence: Iterable[Any], flow_style: bool | None = None) -> Any:
            node = super().represent_sequence(tag, sequence, flow_style)
            if rows_in_line and all(isinstance(item, yaml.ScalarNode) for item in node.value):
                node.flow_style = True
            return node

        def ignore_aliases(self, data: Any) -> bool:
            return rows_in_line or bool(super().ignore_aliases(data))

    def represent(dumper: Any, value: str) -> Any:
        style = '"' if _ODD_BREAKS.search(value) else None
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style)

    Dumper.add_representer(str, represent)
    plain = dict(data) if isinstance(data, Mapping) else data
    text: str = yaml.dump(plain, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=120)
    return text


def from_yaml(text: str | bytes) -> Any:
    """Read YAML; raises SpecError when it is broken, says nothing or names a key twice."""
    import yaml

    class Loader(yaml.SafeLoader):
        """Refuses a key that stands twice, of which YAML would keep the last, and aliases that grow without end."""

        def get_single_node(self) -> Any:
            node = super().get_single_node()
            _check_size(node, {})
            return node

        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
            seen: set[tuple[str, str]] = set()
            for key, _ in node.value:
                if isinstance(key, yaml.ScalarNode) and key.value != "<<":
                    if (key.tag, key.value) in seen:
                        raise SpecError(f"the key {key.value!r} stands twice in one place,{_place(key)}")
                    seen.add((key.tag, key.value))
            return super().construct_mapping(node, deep)

    try:
        return _something(yaml.load(text, Loader))  # noqa: S506  # a safe loader
    except (yaml.YAMLError, UnicodeError) as exc:
        raise SpecError(f"the text is not YAML: {exc}") from exc
    except ValueError as exc:
        if isinstance(exc, SpecError):
            raise
        raise SpecError(f"the text is not YAML: {exc}") from exc  # such as the date 2026-02-30
    except RecursionError as exc:
        raise SpecError("the text is nested too deeply") from exc


def write(path: str | Path, data: Mapping[str, Any]) -> None:
    """Write a dict to a ``.json`` or ``.yaml`` file."""
    text = _form(path, to_json, to_yaml)(data)
    Path(path).write_text(text, encoding="utf-8")


def read(path: str | Path) -> Any:
    """Read a ``.json`` or ``.yaml`` file; raises SpecError when it is not there or broken."""
    form = _form(path, from_json, from_yaml)
    try:
        # some editors begin UTF-8 files with a mark
        text = Path(path).read_text(encoding="utf-8-sig")
    except OSError as exc:
        raise SpecError(f"{str(path)!r} cannot be read: {exc.strerror or exc}") from exc
    except UnicodeDecodeError as exc:
        raise SpecError(f"{str(path)!r} is no UTF-8 text: {exc}") from exc
    try:
        return form(text)
    except SpecError as exc:
        raise SpecError(f"{str(path)!r}: {exc.message}") from exc


def _form(path: str | Path, for_json: Callable[..., Any], for_yaml: Callable[..., Any]) -> Callable[..., Any]:
    suffix = Path(path).suffix.lower()
    if suffix == ".json":
        return for_json
    if suffix in (".yaml", ".yml"):
        return for_yaml
    raise SpecError(f"{str(path)!r} has no known form: use the suffix .yaml, .yml or .json")


def _something(data: Any) -> Any:
    if data is None:
        # a file that was cut off is no empty graph
        raise SpecError("the text says nothing; a graph is written as a dict")
    return data


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise SpecError(f"the key {twice!r} stands twice in one place")
    return found


def _not_finite(value: Any, path: str) -> Iterable[str]:
    if isinstance(value, float) and not math.isfinite(value):
        yield repr(path)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _not_finite(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _not_finite(item, f"{path}.{index}")


def _odd_keys(value: Any, path: str) -> Iterable[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                yield f"{key!r} at {path!r}"
            yield from _odd_keys(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _odd_keys(item, f"{path}.{index}")


def _check_size(node: Any, sizes: dict[int, int]) -> int:
    """Return how many nodes a YAML node stands for, once every alias is written out."""
    if node is None or isinstance(node.value, str):
        return 1
    known = sizes.get(id(node))
    if known is not None:
        if not known:
            raise SpecError(f"an alias stands inside of what it stands for,{_place(node)}")
        return known
    sizes[id(node)] = 0  # not known yet: whoever finds this is inside of the node
    size = 1
    for item in node.value:
        size += sum(_check_size(part, sizes) for part in (item if isinstance(item, tuple) else (item,)))
    if size > MOST_NODES:
        raise SpecError(f"the aliases stand for more than {MOST_NODES} values,{_place(node)}")
    sizes[id(node)] = size
    return size


def _place(node: Any) -> str:
    mark = node.start_mark
    return f" at line {mark.line + 1}, column {mark.column + 1}"
