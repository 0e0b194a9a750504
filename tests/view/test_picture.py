from __future__ import annotations

import base64
import shutil
import xml.etree.ElementTree as ET
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import graphviz
import pytest
from graphviz.backend import dot_command

from graphkit.core.errors import GraphkitError
from graphkit.view.dot import dot_source
from graphkit.view.picture import GraphPicture, draw, plot, save_picture
from graphkit.view.render import SETTING


def test_a_picture_is_a_digraph_of_graphviz(build: Any) -> None:
    picture = draw(build.iris())
    assert isinstance(picture, graphviz.Digraph)
    assert "digraph graphkit" in picture.source


def test_it_holds_the_same_text_as_dot_source(build: Any) -> None:
    topology = build.iris()
    assert draw(topology).source == dot_source(topology)


def test_pipe_returns_bytes_or_text(build: Any, renderer: str) -> None:
    picture = draw(build.iris())
    assert isinstance(picture.pipe("svg"), bytes)
    assert picture.pipe("svg", encoding="utf-8").startswith("<?xml")
    assert picture.pipe().startswith(b"\x89PNG")
    assert picture.pipe(format="PNG").startswith(b"\x89PNG")


def test_graphviz_itself_is_left_as_it_was(build: Any, embedded: str) -> None:
    before = dot_command.DOT_BINARY
    picture = draw(build.iris())
    picture.pipe("svg")
    picture._repr_mimebundle_()
    assert dot_command.DOT_BINARY is before
    with pytest.raises(graphviz.ExecutableNotFound):
        graphviz.Digraph().pipe("svg")


def test_it_can_be_added_to_like_any_digraph(build: Any, embedded: str) -> None:
    picture = draw(build.graph(build.task("a")))
    picture.node("mine", "added by hand")
    with picture.subgraph(name="cluster_mine") as box:
        box.node("other", "added in a box")
    svg = picture.pipe("svg", encoding="utf-8")
    assert ">added by hand</text>" in svg
    assert ">added in a box</text>" in svg


def test_a_copy_does_not_change_the_picture(build: Any) -> None:
    picture = draw(build.iris())
    copy = picture.copy()
    copy.node("more")
    assert isinstance(copy, GraphPicture)
    assert (copy.alt, copy.outline, copy.format) == (picture.alt, picture.outline, "png")
    assert "more" not in picture.source


def test_render_writes_the_text_and_the_picture(build: Any, tmp_path: Path, renderer: str) -> None:
    written = draw(build.iris()).render(tmp_path / "sub" / "flow.gv", format="svg")
    assert Path(written) == tmp_path / "sub" / "flow.gv.svg"
    assert Path(written).read_bytes().startswith(b"<?xml")
    assert (tmp_path / "sub" / "flow.gv").read_text(encoding="utf-8").startswith("digraph")


def test_render_takes_the_same_names_as_graphviz(build: Any, tmp_path: Path) -> None:
    picture = draw(build.iris())
    assert picture.render("flow", tmp_path, cleanup=True) == str(tmp_path / "flow.png")
    assert not (tmp_path / "flow").exists()
    assert picture.render(outfile=tmp_path / "out.svg") == str(tmp_path / "out.svg")
    assert (tmp_path / "out.gv").exists()
    with pytest.raises(graphviz.FileExistsError):
        picture.render(outfile=tmp_path / "out.svg", raise_if_result_exists=True)
    with pytest.raises(ValueError, match="would overwrite its own DOT text"):
        picture.render("out.svg", tmp_path, outfile=tmp_path / "out.svg")


def test_graph_attributes_are_passed_on(build: Any) -> None:
    source = draw(build.iris(), rankdir="LR", nodesep=2, concentrate=True, label=None).source
    assert "rankdir=LR" in source
    assert "nodesep=2" in source
    assert "concentrate=true" in source
    assert "None" not in source


def test_attributes_win_over_the_defaults(build: Any) -> None:
    lines = draw(build.iris(), bgcolor="pink").source.splitlines()
    default, own = (next(i for i, line in enumerate(lines) if f"bgcolor={c}" in line) for c in ('"#FFFFFF"', "pink"))
    assert default < own


@pytest.mark.parametrize(
    "attributes",
    [
        {"URL": "javascript:alert(1)"},
        {"href": "JAVA\nSCRIPT:alert(1)"},
        {"href": "data:text/html,<script>"},
        {"label": "<<TABLE HREF='javascript:alert(1)'><TR><TD>x</TD></TR></TABLE>>"},
    ],
)
def test_links_that_run_code_are_left_out(build: Any, attributes: dict[str, str], renderer: str) -> None:
    svg = draw(build.iris(), **attributes).pipe("svg")
    links = [
        value for item in ET.fromstring(svg).iter() for name, value in item.attrib.items() if name.endswith("href")
    ]
    assert links == []


def test_plain_links_stay(build: Any, renderer: str) -> None:
    svg = draw(build.iris(), URL="https://example.org/docs").pipe("svg", encoding="utf-8")
    assert 'xlink:href="https://example.org/docs"' in svg


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("flow.svg", b"<?xml"),
        ("flow.png", b"\x89PNG"),
        ("flow.PNG", b"\x89PNG"),
        ("flow.jpg", b"\xff\xd8"),
        ("flow.dot", b"digraph"),
        ("flow.gv", b"digraph"),
        ("flow.mmd", b"flowchart"),
        ("flow.mermaid", b"flowchart"),
    ],
)
def test_the_suffix_names_the_format(build: Any, embedded: str, tmp_path: Path, name: str, start: bytes) -> None:
    written = save_picture(build.iris(), tmp_path / name)
    assert written == tmp_path / name
    assert written.read_bytes().startswith(start)


@pytest.mark.parametrize(
    ("name", "format", "expected"),
    [
        ("flow", None, "flow.png"),
        ("flow", "svg", "flow.svg"),
        ("flow", ".SVG", "flow.svg"),
        ("flow.svg", "png", "flow.png"),
        ("flow.v2", "svg", "flow.v2.svg"),
        ("new/folder/flow", None, "new/folder/flow.png"),
    ],
)
def test_a_name_gets_the_suffix_of_its_format(
    build: Any, tmp_path: Path, name: str, format: str | None, expected: str
) -> None:
    written = save_picture(build.iris(), str(tmp_path / name), format)
    assert written == tmp_path / expected
    assert written.is_file()


def test_an_unknown_format_is_an_error_with_the_nearest_one(build: Any, tmp_path: Path) -> None:
    with pytest.raises(GraphkitError, match="cannot be saved as 'pgn', did you mean 'png'"):
        save_picture(build.iris(), tmp_path / "flow.pgn")
    assert not list(tmp_path.iterdir())


def test_pdf_without_a_system_graphviz_is_a_clear_error(build: Any, embedded: str, tmp_path: Path) -> None:
    with pytest.raises(GraphkitError, match=r"does not write pdf.*install Graphviz"):
        save_picture(build.iris(), tmp_path / "flow.pdf")
    assert not list(tmp_path.iterdir())


def test_pdf_with_a_system_graphviz(build: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if shutil.which("dot") is None:
        pytest.skip("no Graphviz is installed on this machine")
    monkeypatch.delenv(SETTING, raising=False)
    assert save_picture(build.iris(), tmp_path / "flow.pdf").read_bytes().startswith(b"%PDF")


def test_plot_returns_the_picture_and_writes_it_when_asked(build: Any, tmp_path: Path) -> None:
    topology = build.iris()
    assert isinstance(plot(topology), GraphPicture)
    picture = plot(topology, str(tmp_path / "flow"), source="in", targets=["out"], rankdir="LR")
    assert (tmp_path / "flow.png").is_file()
    assert 'label="in"' in picture.source
    assert 'label="out"' in picture.source


def test_sources_and_targets_reach_every_format(build: Any, tmp_path: Path) -> None:
    target = SimpleNamespace(name="out", after="clean")
    written = save_picture(build.iris(), tmp_path / "f.mmd", source="in", targets=[target], rankdir="LR")
    text = written.read_text(encoding="utf-8")
    assert text.startswith("flowchart LR")
    assert 'start(("in"))' in text
    assert 't0[("out")]' in text


def test_a_notebook_gets_every_form(build: Any, renderer: str) -> None:
    bundle = draw(build.iris())._repr_mimebundle_()
    assert list(bundle) == ["text/html", "image/svg+xml", "image/png", "text/plain"]
    data = bundle["text/html"].split("base64,")[1].split('"')[0]
    assert base64.b64decode(data).decode() == bundle["image/svg+xml"]


def test_a_notebook_gets_the_outline_when_nothing_draws(build: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SETTING, "/no/such/dot")
    bundle = draw(build.iris())._repr_mimebundle_()
    assert list(bundle) == ["text/html", "text/plain"]
    assert "GRAPHKIT_DOT" in bundle["text/html"]


def test_the_repr_is_stable(build: Any) -> None:
    assert repr(draw(build.iris())) == repr(draw(build.iris()))
    assert "0x" not in repr(draw(build.iris()))
    assert repr(GraphPicture()) == "GraphPicture()"
