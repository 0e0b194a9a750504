"""How long a page takes to show what happened: ``python tests/bench/browser.py``.

Two figures, in JupyterLab and Chromium, medians over some repeats:

- from ``.to()`` returning in the kernel to the new step being painted in the live picture;
- from a click on a node to the kernel's inspector being painted.

Both clocks are this machine's. The first figure holds the wait for further changes (25 ms), the layout by ``dot``, the
message to the page and the page's own work. The transition to the new places, 260 ms, begins then and is not counted.
What is not covered: a kernel on another machine, and a page with other heavy outputs.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import os
import platform
import statistics
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

PAGES = Path(__file__).resolve().parents[1] / "browser" / "conftest.py"
BUILD = """
import time, graphkit
graph = step = graphkit.new_flow()
for i in range({steps}): step = step.to(name=f"s{{i}}", handler="(event)")
at, added = [], 0
server = graph.to_mock_server()
graph
"""
ADD = """
step = step.to(name=f"x{added}", handler="(event)")
at.append(time.time() * 1000)
added += 1
"""
# the time is taken in the task after the frame in which it was drawn
WATCH = """() => {
    const live = document.querySelector('.gk-live'), painted = window.painted = {};
    new MutationObserver(() => {
        const names = [...live.querySelectorAll('g.node[data-id]')].map(node => node.dataset.id);
        requestAnimationFrame(() => {
            const after = new MessageChannel();
            after.port1.onmessage = () => { for (const name of names) painted[name] = painted[name] || Date.now(); };
            after.port2.postMessage(0);
        });
    }).observe(live, {attributes: true, attributeFilter: ['data-revision']});
}"""
CLICK = """id => new Promise(done => {
    const aside = document.querySelector('.gk-aside'), began = performance.now();
    const watch = new MutationObserver(() => {
        if (aside.dataset.shown !== id) return;
        watch.disconnect();
        requestAnimationFrame(() => {
            const after = new MessageChannel();
            after.port1.onmessage = () => done(performance.now() - began);
            after.port2.postMessage(0);
        });
    });
    watch.observe(aside, {attributes: true, attributeFilter: ['data-shown']});
    const node = document.querySelector(`g.node[data-id="${id}"]`);
    node.dispatchEvent(new MouseEvent('click', {bubbles: true}));
})"""


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description="Measure how fast a page shows what happened in the kernel.")
    parser.add_argument("--repeats", type=int, default=15)
    repeats = parser.parse_args().repeats
    spec = importlib.util.spec_from_file_location("pages", PAGES)
    assert spec is not None
    assert spec.loader is not None
    pages = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(pages)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        server = pages.Jupyter("lab", Path(folder))
        try:
            browser = playwright.chromium.launch(executable_path=pages._chromium(playwright), args=pages.FLAGS)
            print(_machine(browser.version))
            print(f"{'':34}{'.to() to painted':>18}{'click to inspector':>20}   (medians of {repeats}, in ms)")
            for name, steps, unfold in (
                ("5 steps", 5, False),
                ("30 steps", 30, False),
                ("300 steps, folded as they begin", 300, False),
                ("300 steps, all of them unfolded", 300, True),
            ):
                drawn, clicked = _measure(pages, browser, server, steps, unfold, repeats)
                print(f"{name:34}{_said(drawn):>18}{_said(clicked):>20}")
            browser.close()
        finally:
            server.stop()


def _measure(
    pages: Any, browser: Any, server: Any, steps: int, unfold: bool, repeats: int
) -> tuple[list[float], list[float]]:
    file = server.folder / f"bench-{steps}-{unfold}.ipynb"
    pages.nbformat.write(pages._written([]), file)
    context = browser.new_context(viewport={"width": 1200, "height": 900})
    notebook = pages.Notebook(context, server, file)
    page = notebook.page
    notebook.run(BUILD.format(steps=steps))
    page.wait_for_selector("g.node[data-id='step:s0']")
    if unfold:
        notebook.run("graphkit.seam.display.live(graph).unfold()")
        page.wait_for_selector(f"g.node[data-id='step:s{steps // 2}']")
    notebook.run("server.test(body=1)")
    page.evaluate(WATCH)
    for number in range(repeats + 2):
        notebook.run(ADD)
        page.wait_for_function(f"window.painted['step:x{number}']")
        page.wait_for_timeout(400)  # until nothing moves
    began = [float(text) for text in notebook.text("*at,").strip("()").split(",") if text.strip()]
    painted = page.evaluate("window.painted")
    drawn = [painted[f"step:x{number}"] - begin for number, begin in enumerate(began)]
    names = ["step:s0", "step:s1", "step:s2"]
    clicked = []
    for number in range(repeats + 2):
        clicked.append(page.evaluate(CLICK, names[number % len(names)]))
        page.wait_for_timeout(150)
    context.close()
    return drawn[2:], clicked[2:]  # the first ones warm up


def _said(times: list[float]) -> str:
    return f"{statistics.median(times):.0f} ({min(times):.0f}-{max(times):.0f})"


def _machine(chromium: str) -> str:
    packages = ("jupyterlab", "ipykernel", "anywidget")
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in packages)
    machine = f"{os.cpu_count()} CPUs, {platform.system()}, load {os.getloadavg()[0]:.1f}"
    return f"Python {platform.python_version()}, {versions}, Chromium {chromium}, {machine}"


if __name__ == "__main__":
    main()
