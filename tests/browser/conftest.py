"""A real Chromium on real notebooks: JupyterLab and Notebook 7 on a free port of the loopback, a folder of their own.

Starting is what costs time. One server of each kind serves the whole suite, one browser a module, and a notebook that
is open stays open for the tests of its module.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest

playwright_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
APPLICATIONS = {"lab": "LabApp", "notebook": "JupyterNotebookApp"}
#: Settings of the applications: no news from the network, and cells that stay on the page when they scroll away.
SETTINGS = {
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "notebook-extension/tracker": {"windowingMode": "none"},
}
HERE_ONLY = re.compile(r"^(https?|wss?)://(?!127\.0\.0\.1[:/])")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)


class Jupyter:
    """A running server, and the folder that it shows."""

    def __init__(self, application: str, folder: Path) -> None:
        self.application = application
        self.folder = folder / "notebooks"
        self.folder.mkdir(parents=True)
        self._log = folder / "server.log"
        settings = folder / "settings" / "@jupyterlab"
        for name, values in SETTINGS.items():
            file = settings / f"{name}.jupyterlab-settings"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(values), encoding="utf-8")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        places = {
            "JUPYTER_CONFIG_DIR": "config",
            "JUPYTER_DATA_DIR": "data",
            "JUPYTER_RUNTIME_DIR": "runtime",
            "IPYTHONDIR": "ipython",
            "JUPYTERLAB_SETTINGS_DIR": "settings",
            "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
        }
        environment = {
            **os.environ,
            **{name: str(folder / place) for name, place in places.items()},
            "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
        }
        command = [
            *(sys.executable, "-m", "jupyter", application, "--no-browser", "--allow-root", "--ip=127.0.0.1"),
            *(f"--port={port}", "--ServerApp.port_retries=0", "--IdentityProvider.token="),
            *(f"--ServerApp.root_dir={self.folder}", f"--{APPLICATIONS[application]}.expose_app_in_browser=True"),
        ]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command, env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )
        self._wait()

    def _wait(self) -> None:
        for _ in range(600):
            try:
                with urllib.request.urlopen(f"{self.url}/api/status", timeout=1):
                    return
            except OSError:
                assert self._process.poll() is None, self._log.read_text(encoding="utf-8")
                time.sleep(0.1)
        raise AssertionError(f"{self.application} does not answer:\n{self._log.read_text(encoding='utf-8')}")

    def stop(self) -> None:
        os.killpg(self._process.pid, signal.SIGTERM)
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(20)

    def page_of(self, file: str) -> str:
        return f"{self.url}/lab/tree/{file}?reset" if self.application == "lab" else f"{self.url}/notebooks/{file}"


class Notebook:
    """A notebook that is open in a page of its own.

    Attributes
    ----------
    page
        Playwright's page.
    file
        The notebook's file.
    errors
        Errors of scripts on the page, with where they came from.
    external
        Addresses outside this machine that the page asked for; nothing was sent there.
    """

    def __init__(self, context: Any, server: Jupyter, file: Path) -> None:
        self.server = server
        self.file = file
        self.errors: list[str] = []
        self.external: list[str] = []
        context.route(HERE_ONLY, self._refuse)
        self.page = context.new_page()
        self.page.set_default_timeout(30_000)
        self.page.on("pageerror", lambda error: self.errors.append(f"{error}\n{error.stack}"))
        self.page.on("console", lambda said: said.type == "error" and self.errors.append(said.text))
        self.page.goto(server.page_of(file.name), wait_until="domcontentloaded")
        self._ready()

    def _refuse(self, route: Any) -> None:
        self.external.append(route.request.url)
        route.abort()

    def _ready(self) -> None:
        self.page.wait_for_function(
            "window.jupyterapp && window.jupyterapp.commands.hasCommand('notebook:run-all-cells')", timeout=90_000
        )
        self.page.evaluate("""async () => {
            const app = window.jupyterapp;
            await app.restored;
            const there = () => app.shell.currentWidget && app.shell.currentWidget.sessionContext;
            for (let i = 0; i < 600 && !there(); i++) await new Promise(done => setTimeout(done, 50));
            const panel = app.shell.currentWidget;
            await panel.context.ready;
            await panel.sessionContext.ready;
            const kernel = panel.sessionContext.session && panel.sessionContext.session.kernel;
            if (kernel) await kernel.info;
        }""")

    def run_all(self) -> None:
        """Run every cell and wait for the last of them."""
        self.page.evaluate("window.jupyterapp.commands.execute('notebook:run-all-cells')")

    def run(self, code: str, wait: bool = True) -> Any:
        """Run code in a new cell at the end; returns the cell's outputs, as a locator.

        ``wait=False`` returns as soon as the cell has begun.
        """
        index = self.page.evaluate(
            """async ([code, wait]) => {
                const app = window.jupyterapp, panel = app.shell.currentWidget, book = panel.content;
                const index = book.widgets.length;
                panel.model.sharedModel.insertCell(
                    index, {cell_type: 'code', source: code, metadata: {trusted: true}, outputs: []});
                book.activeCellIndex = index;
                const done = app.commands.execute('notebook:run-cell');
                if (wait) await done;
                return index;
            }""",
            [code, wait],
        )
        return self.cell(index)

    def cell(self, index: int) -> Any:
        """Return the outputs of a cell, as a locator."""
        return self.page.locator(".jp-Notebook .jp-Cell").nth(index).locator(".jp-Cell-outputArea")

    def text(self, code: str) -> str:
        """Return what an expression is in the kernel, as its text."""
        return str(self.run(code).locator(".jp-OutputArea-output").last.inner_text().strip())

    def command(self, name: str, **arguments: Any) -> None:
        """Execute a command of the application."""
        self.page.evaluate(
            "([name, args]) => { window.jupyterapp.commands.execute(name, args); }", [name, arguments or {}]
        )

    def restart_kernel(self) -> None:
        """Restart the kernel, and wait until the new one is there."""
        self.page.evaluate("""async () => {
            const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
            await kernel.restart();
            await kernel.info;
        }""")

    def save(self) -> Any:
        """Save the notebook and return it as it is on the disk."""
        self.page.evaluate("window.jupyterapp.commands.execute('docmanager:save')")
        return nbformat.read(self.file, as_version=4)

    def theme(self, name: str) -> None:
        """Change to a theme, such as ``JupyterLab Dark``."""
        self.page.evaluate("name => window.jupyterapp.commands.execute('apputils:change-theme', {theme: name})", name)
        self.page.wait_for_function("name => document.body.dataset.jpThemeName === name", arg=name, timeout=30_000)

    def own_errors(self) -> list[str]:
        """Return errors of the scripts that graphkit put on the page; those are loaded from a ``blob:``."""
        return [text for text in self.errors if "blob:" in text or "graphkit" in text or "anywidget" in text]


def _chromium(playwright: Any) -> str:
    named = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, CHROMIUM)), None)
    return str(named or playwright.chromium.executable_path)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A browser for one module; Playwright keeps an event loop in the thread, which other modules must not see."""
    with playwright_api.sync_playwright() as playwright:
        program = _chromium(playwright)
        if not Path(program).exists():
            pytest.skip("there is no Chromium: install it, or name its program in the environment variable CHROMIUM")
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def jupyter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Jupyter]]:
    """Return the server of an application, ``lab`` or ``notebook``; it starts when it is first asked for."""
    running: dict[str, Jupyter] = {}

    def start(application: str) -> Jupyter:
        if application not in running:
            pytest.importorskip({"lab": "jupyterlab", "notebook": "notebook"}[application])
            running[application] = Jupyter(application, tmp_path_factory.mktemp(application))
        return running[application]

    yield start
    for server in running.values():
        server.stop()


@pytest.fixture(scope="module")
def open_notebook(browser: Any, jupyter: Callable[[str], Jupyter]) -> Iterator[Callable[..., Notebook]]:
    """Return a function that opens a notebook: ``open_notebook("name", *cells, app="lab")``.

    The notebook is written first, unless ``file`` names one that is there. Its cells are not run. Whatever the module
    does with it, no request leaves the machine and no script of graphkit's fails: that is checked in the end.
    """
    opened: list[Notebook] = []
    contexts: list[Any] = []

    def go(
        name: str,
        *cells: str,
        app: str = "lab",
        book: Any = None,
        width: int = 1200,
        height: int = 900,
        **options: Any,
    ) -> Notebook:
        server = jupyter(app)
        file = server.folder / f"{name}.ipynb"
        nbformat.write(book if book is not None else _written(cells), file)
        contexts.append(browser.new_context(viewport={"width": width, "height": height}, **options))
        opened.append(Notebook(contexts[-1], server, file))
        return opened[-1]

    yield go
    for context in contexts:
        # a page that was closed by its test is closed already
        with contextlib.suppress(playwright_api.Error):
            context.close()
    assert [address for notebook in opened for address in notebook.external] == []
    assert [error for notebook in opened for error in notebook.own_errors()] == []


def _written(cells: Iterable[str]) -> Any:
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return book
