"""The page to try requests, in a real browser: it asks this server and nobody else."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from tests.server.http.processes import Served

pytestmark = pytest.mark.browser
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Return a browser, or skip where there is none."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("there is no Chromium browser")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Any, models: Served) -> Iterator[Any]:
    """Return the page, with what went wrong in ``page.problems`` and whom it asked in ``page.asked``."""
    page = browser.new_page()
    page.problems, page.asked = [], []
    page.on("console", lambda message: page.problems.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: page.problems.append(str(error)))
    page.on("request", lambda request: page.asked.append(request.url))
    page.goto(f"{models.url}/docs")
    page.wait_for_selector("#what option:nth-child(6)", state="attached")
    yield page
    page.close()


def test_a_request_that_is_offered_is_answered(page: Any, models: Served) -> None:
    page.select_option("#what", label="POST /v2/models/linear/infer")
    page.fill("#body", '{"inputs": [[1, 2]]}')
    page.click("button")
    page.wait_for_selector("#status:text-matches('^200 in')")
    assert "21" in page.inner_text("#answer")
    page.select_option("#what", label="GET /v2/health/ready")
    page.press("button", "Enter")
    page.wait_for_selector("#answer:has-text('ready')")
    assert page.problems == []
    assert {url.split("/")[2] for url in page.asked} == {f"127.0.0.1:{models.port}"}


def test_a_failure_is_shown(page: Any) -> None:
    page.select_option("#what", label="POST /v2/models/linear/infer")
    page.fill("#body", '{"inputs": 1}')
    page.click("button")
    page.wait_for_selector("#status:text-matches('^400 in')")
    assert "'inputs' to be a list" in page.inner_text("#answer")
