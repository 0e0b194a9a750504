"""The package as a user installs and imports it."""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import pkgutil
import re
import subprocess
import sys
import types
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
DISTRIBUTION = "graphkit-serving"

#: Packages that load only where they are used.
OPTIONAL = {
    "IPython", "anywidget", "cloudpickle", "httpx", "ipykernel", "ipywidgets", "joblib", "jupyterlab", "loky",
    "matplotlib", "numpy", "orjson", "pandas", "scipy", "sklearn", "starlette", "tqdm", "uvicorn",
}  # fmt: skip
#: Parts of the standard library and the base that take long to import and few graphs need.
SLOW = {"asyncio", "multiprocessing", "sqlite3", "ssl", "yaml"}
BASE_ROOMS = ["core", "spec", "plan", "build", "view", "runtime"]


def loaded_by(statement: str) -> set[str]:
    """Top-level names in ``sys.modules`` of a fresh interpreter, without those that a bare one has."""
    script = f"import sys; before = set(sys.modules); {statement}\nimport json; print(json.dumps([*sys.modules]))"
    # -S and -I would also skip the site hooks of coverage and editable installs; the bare set is subtracted instead.
    names = [_modules(script), _modules("import sys, json; print(json.dumps([*sys.modules]))")]
    return {name.partition(".")[0] for name in names[0] - names[1]}


def _modules(script: str) -> set[str]:
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))


def modules_of(room: str) -> list[str]:
    package = importlib.import_module(f"graphkit.{room}")
    found = pkgutil.walk_packages(package.__path__, prefix=f"graphkit.{room}.")
    return [f"graphkit.{room}", *(module.name for module in found)]


def test_import_loads_nothing_heavy() -> None:
    loaded = loaded_by("import graphkit")
    assert "graphkit" in loaded
    assert loaded & (OPTIONAL | SLOW) == set()


@pytest.mark.parametrize("room", BASE_ROOMS)
def test_no_module_of_a_base_room_loads_an_optional_package(room: str) -> None:
    loaded = loaded_by("import " + ", ".join(modules_of(room)))
    assert loaded & OPTIONAL == set()


def test_a_graph_of_functions_is_answered_without_an_event_loop_or_an_optional_package() -> None:
    loaded = loaded_by(
        "import graphkit; graph = graphkit.new_flow(); graph.to(name='inc', handler='(event + 1)').respond(); "
        "answer = graph.to_mock_server(namespace={}).test(body=1); assert answer == 2, answer"
    )
    assert loaded & (OPTIONAL | {"asyncio", "multiprocessing"}) == set()


def test_every_public_name_is_importable_and_documented() -> None:
    graphkit = importlib.import_module("graphkit")
    assert graphkit.__all__
    undocumented = [name for name in graphkit.__all__ if not _documented(getattr(graphkit, name))]
    assert undocumented == []


def _documented(value: object) -> bool:
    return not isinstance(value, (type, types.FunctionType)) or bool(value.__doc__)


def test_the_installed_version_is_the_one_in_the_project_file() -> None:
    declared = re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    assert declared is not None
    assert importlib.metadata.version(DISTRIBUTION) == declared.group(1)


def test_types_are_shipped() -> None:
    graphkit = importlib.import_module("graphkit")
    assert (Path(graphkit.__file__ or "").parent / "py.typed").exists()


def test_extras_are_those_that_messages_and_the_readme_name() -> None:
    extras = set(importlib.metadata.metadata(DISTRIBUTION).get_all("Provides-Extra") or ())
    assert extras == {"all", "batch", "dev", "examples", "metrics", "notebook", "otel", "remote", "serve"}


def test_what_a_server_needs_is_in_one_extra() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    serve, metrics = (
        re.search(rf"^{name} = \[(.*?)\]$", project, re.MULTILINE | re.DOTALL) for name in ("serve", "metrics")
    )
    assert serve is not None
    assert metrics is not None
    assert metrics.group(1) in serve.group(1)


def test_a_missing_extra_names_an_extra_that_exists() -> None:
    extras = set(importlib.metadata.metadata(DISTRIBUTION).get_all("Provides-Extra") or ())
    source = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "graphkit").rglob("*.py"))
    named = set(re.findall(r"MissingExtra\([^()]*,\s*\"(\w+)\"\s*\)", source))
    assert named <= extras
