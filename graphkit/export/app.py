"""A graph as an app: what it needs is collected first, with all problems at once; then the folder is written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from graphkit.build.freeze import Frozen
from graphkit.core.errors import ExportError, choices
from graphkit.export import deploy
from graphkit.export.artifacts import Artifacts
from graphkit.export.cells import Cell, cells_of
from graphkit.export.collect import Collector
from graphkit.export.folders import MANIFEST, check_target, new_folder
from graphkit.export.module import module_text
from graphkit.export.named import replaced
from graphkit.export.needs import Needs
from graphkit.export.packages import (
    LocalModules,
    imported_modules,
    optional_modules,
    own_requirement,
    requirements_of,
)
from graphkit.export.recorded import AppCases
from graphkit.export.references import Rewriter, references, step_of, steps_of
from graphkit.export.report import Exported
from graphkit.export.settings import FILE as SETTINGS
from graphkit.export.settings import AppSettings
from graphkit.export.statements import Statement, is_lazy_annotations, statements_of
from graphkit.spec import codec, text
from graphkit.spec.steps import Task

GRAPH = "graph.yaml"
CASES = "cases.yaml"
REQUIREMENTS = "requirements.txt"
MODULE = "steps"
_TITLE = "What the steps of the graph are made of, written by graphkit's export from where the graph was built."


class Source(msgspec.Struct, kw_only=True):
    """A graph as it is in a notebook or program.

    Attributes
    ----------
    server
        The server's dict.
    initializer
        The server's ``graph_initializer`` as it was given.
    frozen
        The graph, with the objects that were given to it.
    names
        Where the graph's names are looked up.
    home
        The globals of the notebook or module that the code stands in.
    cells
        The source of what ran there; left out, it is looked for.
    cases
        What a fresh process must answer.
    outline
        The graph in words.
    version
        graphkit's own.
    notes
        What to tell the user.
    """

    server: dict[str, Any]
    frozen: Frozen
    names: Mapping[str, Any]
    home: Mapping[str, Any]
    cells: list[Cell] | None = None
    initializer: Any = None
    cases: AppCases = AppCases()
    outline: str = ""
    version: str = "0"
    notes: tuple[str, ...] = ()


class App(msgspec.Struct, kw_only=True):
    """What an app's folder is to hold."""

    graph: dict[str, Any]
    settings: AppSettings
    texts: dict[str, str]
    local: dict[str, Path]
    artifacts: Artifacts
    requirements: dict[str, str]
    source: Source
    notes: tuple[str, ...] = ()


class Check(msgspec.Struct, kw_only=True):
    """What a fresh process said of an app's folder."""

    #: Names of cases that do not go along.
    left_out: frozenset[str] = frozenset()
    #: Modules that models named when they were unpickled.
    modules: tuple[str, ...] = ()
    #: What to tell the user.
    notes: tuple[str, ...] = ()


def collect_app(source: Source, *, artifacts: str = "copy", allow_pickle: bool = False) -> App:
    """Return what an app's folder is to hold.

    Parameters
    ----------
    source
        The graph.
    artifacts
        ``"copy"`` puts model files into the app, ``"reference"`` leaves them where they are.
    allow_pickle
        Whether model files that may run code get their hash into the settings.

    Raises
    ------
    ExportError
        With everything that the graph needs and that cannot be had.
    """
    statements, unreadable = _statements(source)
    rewriter = Rewriter(Collector(source.names, source.home, statements))
    for reference in references(source.frozen):
        rewriter.add(reference)
    server = {**source.server, "graph": rewriter.rewritten(source.server["graph"])}
    _initializer(server, source.initializer, rewriter)
    files = Artifacts(artifacts, allow_pickle=allow_pickle)
    _place_artifacts(server, source.frozen, files)
    needs = Needs(files.copies)
    server = replaced(server, needs.see)
    module = _module(rewriter.collector.taken, statements)
    local = LocalModules()
    local.add(imported_modules(module) | rewriter.named)
    found, unknown = _requirements(module, local, rewriter.named)
    problems = [
        *rewriter.collector.problems,
        *_inline_secrets(server),
        *files.problems,
        *(f"the module {name!r} is imported, but no installed package brings it" for name in unknown),
    ]
    if problems:
        # without sources, that is what to say first
        raise ExportError(problems=[*([unreadable] if unreadable else []), *dict.fromkeys(problems)])
    # unless the user's own module is called so
    name = MODULE if MODULE not in local.names else f"graph_{MODULE}"
    return App(
        graph=server,
        settings=AppSettings(
            modules=(*([name] if module else []), *local.names),
            allow=tuple(sorted(name for name in rewriter.named if name.partition(".")[0] not in local.names)),
            artifacts=tuple(files.copies),
            allow_pickle=files.pickles,
            outside=tuple(dict.fromkeys([*files.outside, *needs.outside])),
            allow_streams=tuple(needs.streams),
            allow_env=tuple(needs.variables),
            allow_urls=tuple(needs.urls),
        ),
        texts={f"{name}.py": module} if module else {},
        local=local.files,
        artifacts=files,
        requirements=found,
        source=source,
        notes=tuple(needs.notes),
    )


def _module(taken: Mapping[Statement, set[str]], statements: Sequence[Statement]) -> str:
    if not taken:
        return ""
    lazy = any(is_lazy_annotations(statement.node) for statement in statements)
    return module_text(taken, _TITLE, lazy_annotations=lazy)


def _requirements(module: str, local: LocalModules, named: set[str]) -> tuple[dict[str, str], list[str]]:
    imports = imported_modules(module) | local.imports | named
    foreign = [name for name in imports if name.partition(".")[0] not in local.names]
    return requirements_of(foreign, optional_modules(module) | local.optional)


def write_app(
    app: App,
    folder: str | Path,
    *,
    overwrite: bool = False,
    check: Callable[[Path], Check] | None = None,
    more: Callable[[Sequence[str], Mapping[str, str]], Mapping[str, str]] | None = None,
) -> Exported:
    """Write an app's folder in one step; after an error there is what was there before.

    Parameters
    ----------
    app
        What it is to hold.
    folder
        Where.
    overwrite
        Replace an app that was exported before.
    check
        Called with the written folder before it takes its place; what it raises ends the export.
    more
        Called with the modules that the check met in pickles and the requirements so far; returns further requirements.

    Raises
    ------
    ExportError
        If the folder holds what must not be lost.
    """
    target = Path(folder).absolute()
    check_target(target, overwrite=overwrite)
    cases = app.source.cases
    notes = (*app.source.notes, *app.notes, *cases.notes)
    with new_folder(target) as made:
        _write(app, made, target.name)
        if check is not None:
            written = set(made.rglob("*"))
            checked = check(made)
            _clear(made, written)
            if more is not None:
                app.requirements.update(more(checked.modules, app.requirements))
                _write_requirements(app, made)
            cases, notes = cases.without(checked.left_out), (*notes, *checked.notes)
            _write_cases(app, cases, made, target.name)
        files = tuple(
            sorted(
                path.relative_to(made).as_posix() for path in made.rglob("*") if path.is_file() and _is_content(path)
            )
        )
    return Exported(
        folder=Path(folder),
        files=files,
        requirements=tuple(f"{name}=={version}" for name, version in app.requirements.items()),
        allowed=app.settings.allow,
        cases=len(cases),
        origins=cases.counts(),
        checked=None if check is None else len(cases),
        notes=notes,
    )


def _clear(folder: Path, written: set[Path]) -> None:
    """Remove what trying an app has left behind, such as the files of its streams."""
    for path in sorted(set(folder.rglob("*")) - written, reverse=True):
        if path.is_dir() and not path.is_symlink():
            path.rmdir()
        else:
            path.unlink()


def _is_content(path: Path) -> bool:
    return path.name != MANIFEST and "__pycache__" not in path.parts


def _statements(source: Source) -> tuple[list[Statement], str]:
    """Return what ran, or why that cannot be known: a graph of library steps needs none of it."""
    try:
        cells = cells_of(source.home) if source.cells is None else source.cells
        return statements_of(cells, package=source.home.get("__package__")), ""
    except ExportError as exc:
        return [], exc.message


def _inline_secrets(server: Mapping[str, Any]) -> Iterator[str]:
    for source in server.get("secret_sources") or ():
        if source.get("kind") == "inline":
            names = source.get("source")
            yield (
                f"secrets that are given inline ({choices(names or ())}) are "
                f"never written down: name where they come from, such as "
                f"{{'kind': 'env', 'source': ...}} or {{'kind': 'file', 'source': ...}}"
            )


def _initializer(server: dict[str, Any], given: Any, rewriter: Rewriter) -> None:
    if given is None:
        return
    if callable(given):
        text = rewriter.provide(given, getattr(given, "__name__", "initialize"), "graph_initializer")
    else:
        text = rewriter.name(str(given), "graph_initializer")
    if text is not None:
        server["graph_initializer"] = text


def _place_artifacts(server: dict[str, Any], frozen: Frozen, files: Artifacts) -> None:
    for path, record in steps_of(frozen.spec):
        if not isinstance(record, Task) or not record.class_args:
            continue
        step = step_of(server["graph"], path)
        user = f"step {path!r}" if path else "the graph"
        given = {key: frozen.values.get(path, {}).get(key, value) for key, value in step["class_args"].items()}
        placed = files.rewritten({key: given[key] for key in given if not key.startswith("_")}, user)
        step["class_args"].update(codec.plain(placed))
    if server.get("parameters"):
        server["parameters"] = files.rewritten(server["parameters"], "the server's parameters")


def _write(app: App, folder: Path, name: str) -> None:
    texts = {
        GRAPH: text.to_yaml(app.graph),
        SETTINGS: "# What the graph may name and read; the README says more.\n"
        + text.to_yaml({"app": app.settings.to_dict()}),
        "deploy/Containerfile": deploy.containerfile(name),
        "deploy/kubernetes.yaml": deploy.kubernetes_yaml(name),
        ".dockerignore": deploy.ignorefile(),
        **app.texts,
    }
    for place, content in texts.items():
        file = folder / place
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content, "utf-8", newline="\n")
    for place, source in app.local.items():
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        (folder / place).write_bytes(source.read_bytes())
    app.artifacts.write(folder)
    _write_requirements(app, folder)
    _write_cases(app, app.source.cases, folder, name)


def _write_cases(app: App, cases: AppCases, folder: Path, name: str) -> None:
    """Write the cases, and the README, which says how many there are."""
    (folder / CASES).unlink(missing_ok=True)
    if cases:
        (folder / CASES).write_text(cases.to_yaml(), "utf-8", newline="\n")
    (folder / "README.md").write_text(deploy.readme(name, _facts(app, len(cases))), "utf-8", newline="\n")


def _facts(app: App, cases: int) -> dict[str, Any]:
    own = [(name, "what the steps are made of") for name in app.texts]
    return {
        "modules": [*own, *((name, "the user's own module") for name in sorted(app.local) if name.endswith(".py"))],
        "artifacts": list(app.artifacts.copies),
        "environment": list(app.settings.allow_env),
        "cases": cases,
        "outline": app.source.outline,
        "own": own_requirement(app.source.version),
    }


def _write_requirements(app: App, folder: Path) -> None:
    import platform

    lines = [
        f"# With Python {platform.python_version()}, the versions that the app was exported with.",
        own_requirement(app.source.version),
        *(f"{name}=={version}" for name, version in app.requirements.items()),
    ]
    (folder / REQUIREMENTS).write_text("\n".join(lines) + "\n", "utf-8")
