from __future__ import annotations

import re
from typing import Any

import pytest

from graphkit.view.bundle import FOLD_ABOVE, MOST_NODES, mime_bundle
from graphkit.view.images import MOST_SHRUNK_PX, width_px
from graphkit.view.render import SETTING

FORMS = ["text/html", "image/svg+xml", "image/png", "text/plain"]


def test_a_graph_in_every_form(build: Any, renderer: str) -> None:
    bundle = mime_bundle(build.iris())
    assert list(bundle) == FORMS
    assert bundle["image/png"].startswith(b"\x89PNG")
    assert "clean -> models [router VotingEnsemble: logistic, forest] -> label (responds)" in bundle["text/plain"]


def test_it_survives_an_untrusted_notebook(build: Any) -> None:
    """Such a notebook drops SVG, scripts and styles' urls; an image with data and an alternative text stays."""
    html = mime_bundle(build.iris())["text/html"]
    tags = set(re.findall(r"<(\w+)", html))
    assert tags == {"img"}
    assert 'src="data:image/svg+xml;base64,' in html
    assert 'alt="Flow with 4 steps: clean; models, a router with 2 routes; label, which answers' in html


def test_a_broken_graph_is_drawn_with_its_problems(build: Any) -> None:
    bundle = mime_bundle(build.graph(build.task("clean"), build.task("next", "claen")))
    assert list(bundle) == FORMS
    assert "did you mean 'clean'?" in bundle["text/plain"]
    assert 'class="node task problem"' in bundle["image/svg+xml"]
    assert "1 problem marked" in bundle["text/html"]


@pytest.mark.parametrize("steps", [0, 1])
def test_small_and_empty_graphs(build: Any, steps: int) -> None:
    assert list(mime_bundle(build.chain(steps))) == FORMS


def test_without_a_renderer_the_outline_is_shown_with_what_to_do(build: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SETTING, "/no/such/dot")
    bundle = mime_bundle(build.iris())
    assert list(bundle) == ["text/html", "text/plain"]
    assert "start -&gt; clean" in bundle["text/html"]
    assert "GRAPHKIT_DOT" in bundle["text/html"]


def test_forms_that_are_not_wanted_are_left_out(build: Any) -> None:
    assert list(mime_bundle(build.iris(), include=["text/plain"])) == ["text/plain"]
    assert list(mime_bundle(build.iris(), exclude=["image/png", "text/html"])) == ["image/svg+xml", "text/plain"]
    assert mime_bundle(build.iris(), include=[]) == {}


def test_a_long_chain_is_folded_and_a_line_says_so(build: Any) -> None:
    bundle = mime_bundle(build.chain(4_500))
    assert list(bundle) == FORMS
    assert "4,500 steps, drawn as 9" in bundle["text/html"]
    assert "... 4,492 steps ..." in bundle["text/plain"]


def test_graphs_that_fit_are_not_folded(build: Any) -> None:
    bundle = mime_bundle(build.chain(FOLD_ABOVE), include=["image/svg+xml"])
    assert bundle["image/svg+xml"].count('class="node task') == FOLD_ABOVE


def test_a_graph_that_cannot_be_folded_is_an_outline_and_a_line_says_why(build: Any) -> None:
    ladder = [build.task("s")]
    for i in range(MOST_NODES // 2 + 1):
        before = (f"a{i - 1}", f"b{i - 1}") if i else ("s",)
        ladder += [build.task(f"a{i}", *before), build.task(f"b{i}", *before)]
    bundle = mime_bundle(build.graph(*ladder))
    assert list(bundle) == ["text/html", "text/plain"]
    assert "403 steps are too many for a picture here" in bundle["text/html"]
    assert len(bundle["text/plain"].splitlines()) <= 151
    assert mime_bundle(build.graph(*ladder), include=["image/png"]) == {}


def test_scripts_in_names_do_not_reach_the_page(build: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    evil = '"><script>alert(1)</script>'
    topology = build.graph(build.task(evil, "nowhere" + evil), build.queue("q", path=evil), name=evil)
    drawn = mime_bundle(topology)
    monkeypatch.setenv(SETTING, "/no/such/dot" + evil)
    told = mime_bundle(topology)
    for html in (drawn["text/html"], drawn["image/svg+xml"], told["text/html"]):
        assert "<script" not in html


def test_attributes_are_passed_on(build: Any) -> None:
    upright = mime_bundle(build.chain(5), include=["image/svg+xml"])["image/svg+xml"]
    flat = mime_bundle(build.chain(5), include=["image/svg+xml"], rankdir="LR")["image/svg+xml"]
    assert _size(flat)[0] > _size(upright)[0]


def _size(svg: str) -> tuple[int, int]:
    found = re.search(r'width="(\d+)pt" height="(\d+)pt"', svg)
    assert found
    return int(found[1]), int(found[2])


def test_the_same_graph_gives_the_same_text(build: Any) -> None:
    assert mime_bundle(build.iris())["text/plain"] == mime_bundle(build.iris())["text/plain"]


def width_of(bundle: dict[str, Any]) -> float:
    return width_px(bundle["image/svg+xml"].encode())


def test_a_wide_router_is_folded_to_the_width_of_a_page(build: Any, renderer: str) -> None:
    bundle = mime_bundle(build.of_router(*(f"model_{index}" for index in range(80))))
    assert "80 steps, drawn as 5; plot(filename) draws them all." in bundle["text/html"]
    assert width_of(bundle) < MOST_SHRUNK_PX
    assert "and 68 more" in bundle["text/plain"]


def test_a_wide_fan_out_goes_from_left_to_right(build: Any, renderer: str) -> None:
    topology = build.graph(build.task("a"), *(build.task(f"a_long_name_of_branch_{i}", "a") for i in range(11)))
    assert width_of(mime_bundle(topology, rankdir="TB")) > MOST_SHRUNK_PX
    assert width_of(mime_bundle(topology)) < MOST_SHRUNK_PX


def test_what_fits_neither_way_keeps_its_size_and_scrolls(build: Any) -> None:
    names = [[f"{'w' * 30}{chain}{place}" for place in range(8)] for chain in range(8)]
    steps = [build.task(name, *chain[max(i - 1, 0) : i]) for chain in names for i, name in enumerate(chain)]
    topology = build.graph(*steps)
    bundle = mime_bundle(topology)
    assert width_of(bundle) > MOST_SHRUNK_PX
    assert bundle["text/html"].startswith('<div style="overflow-x:auto"><img')
    assert "max-width:none" in bundle["text/html"]


def test_a_line_says_why_a_flow_answers_with_an_id(build: Any) -> None:
    bundle = mime_bundle(build.graph(build.task("a"), build.task("b", "a"), build.task("c", "a")))
    assert "Several ends (&#x27;b&#x27;, &#x27;c&#x27;)" in bundle["text/html"]
