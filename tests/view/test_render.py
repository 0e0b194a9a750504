from __future__ import annotations

import json
import shutil
import stat
from pathlib import Path

import pytest

from graphkit.core.errors import GraphkitError
from graphkit.view import render as module
from graphkit.view.render import SETTING, find_renderer, render

DOT = "digraph { a -> b }"


def program(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def test_each_renderer_draws(renderer: str) -> None:
    assert render(DOT, "svg").startswith(b"<?xml")
    assert render(DOT, "png").startswith(b"\x89PNG")
    assert {item["name"] for item in json.loads(render(DOT, "json"))["objects"]} == {"a", "b"}


def test_it_works_with_an_empty_path(embedded: str) -> None:
    assert find_renderer().embedded
    assert render(DOT).startswith(b"<?xml")


def test_it_works_when_there_is_no_path_at_all(embedded: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PATH")
    # without PATH the standard places are searched, so that a system dot may be found too
    assert render(DOT).startswith(b"<?xml")


def test_dot_on_the_path_comes_before_the_embedded_program(
    embedded: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = program(tmp_path, "dot", "echo mine")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_renderer() == module.Renderer(str(mine))
    assert render(DOT) == b"mine\n"


def test_the_setting_comes_first_and_is_read_when_it_is_used(
    embedded: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = program(tmp_path, "other", "echo other")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_renderer().program == embedded
    monkeypatch.setenv(SETTING, str(mine))
    assert render(DOT) == b"other\n"
    monkeypatch.setenv(SETTING, "other")
    assert render(DOT) == b"other\n"


def test_a_setting_that_names_no_program_is_an_error(embedded: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SETTING, "/no/such/dot")
    with pytest.raises(GraphkitError, match="GRAPHKIT_DOT is set to '/no/such/dot', which is no program"):
        render(DOT)


def test_a_broken_dot_on_the_path_is_passed_over(
    embedded: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    program(tmp_path, "dot", "echo broken >&2; exit 3")
    assert render(DOT).startswith(b"<?xml")
    program(tmp_path, "dot", "exit 0")
    assert render(DOT).startswith(b"<?xml")
    (tmp_path / "dot").write_bytes(b"\x7fELF of another machine")
    assert render(DOT).startswith(b"<?xml")


def test_a_setting_that_fails_is_not_passed_over(
    embedded: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SETTING, str(program(tmp_path, "mine", "echo 'no layout' >&2; exit 3")))
    with pytest.raises(GraphkitError, match=r"could not be drawn as svg.*mine: no layout"):
        render(DOT)


def test_pdf_without_a_system_graphviz_says_what_to_install(embedded: str) -> None:
    with pytest.raises(GraphkitError, match=r"does not write pdf.*apt install graphviz.*GRAPHKIT_DOT"):
        render(DOT, "pdf")


def test_pdf_with_a_system_graphviz(monkeypatch: pytest.MonkeyPatch) -> None:
    if shutil.which("dot") is None:
        pytest.skip("no Graphviz is installed on this machine")
    monkeypatch.delenv(SETTING, raising=False)
    assert render(DOT, "pdf").startswith(b"%PDF")


def test_an_unknown_format_is_an_error_with_the_nearest_one() -> None:
    with pytest.raises(GraphkitError, match="the format 'pgn' is not known, did you mean 'png'"):
        render(DOT, "pgn")


def test_broken_dot_text_is_an_error_that_says_where(renderer: str) -> None:
    with pytest.raises(GraphkitError, match="syntax error"):
        render("digraph { a -> }")


def test_no_program_at_all_is_an_error_that_says_what_to_do(embedded: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # The package cannot be uninstalled for a test: the names of its program are changed instead.
    monkeypatch.setattr(module, "_PROGRAMS", ("no-such-program",))
    with pytest.raises(GraphkitError, match="no program that draws graphs was found: pip install graphviz-pure"):
        render(DOT)


def test_the_program_is_found_beside_python_when_the_package_lists_no_files(
    embedded: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module.importlib.metadata, "files", lambda name: None)
    assert find_renderer().program == embedded


def test_a_drawing_that_takes_too_long_is_stopped(
    embedded: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SETTING, str(program(tmp_path, "slow", "exec /bin/sleep 60")))
    with pytest.raises(GraphkitError, match=r"longer than 0\.2 s"):
        render(DOT, timeout_s=0.2)


def test_what_the_program_mutters_is_not_shown(renderer: str, capfd: pytest.CaptureFixture[str]) -> None:
    render('digraph { a [label="日本語 é" shape=nosuchshape fontname="No Such Font"] }')
    assert capfd.readouterr() == ("", "")


def test_dots_per_inch_change_bitmaps() -> None:
    assert len(render(DOT, "png", dpi=192)) > len(render(DOT, "png", dpi=48))


def test_other_layouts_can_be_asked_for() -> None:
    assert render(DOT, "plain", engine="neato") != render(DOT, "plain")


def test_a_format_that_graphviz_lacks_is_told_with_those_that_graphkit_knows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = 'Format: "bmp" not recognized. Use one of: canon cmap vrml xlib'
    monkeypatch.setenv(SETTING, str(program(tmp_path, "mine", f"echo '{said}' >&2; exit 1")))
    with pytest.raises(
        GraphkitError, match=r"could not be drawn as bmp: .*built with; others are 'canon', .*'svg'"
    ) as e:
        render(DOT, "bmp")
    assert "vrml" not in str(e.value)
