"""Folders come to stand in one step, and nothing that others put there is lost."""

from __future__ import annotations

import pytest

from graphkit import ExportError
from graphkit.export.folders import MANIFEST, check_target, new_folder, read_manifest


def write(target, **files):
    with new_folder(target) as made:
        for name, text in files.items():
            (made / name).write_text(text)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def content(folder):
    return {path.name: path.read_text() for path in folder.iterdir() if path.name != MANIFEST}


def test_a_folder_comes_to_stand_with_its_parents(tmp_path):
    write(tmp_path / "a" / "b", one="1")
    assert content(tmp_path / "a" / "b") == {"one": "1"}
    assert names(tmp_path / "a") == ["b"]
    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o755


def test_an_error_leaves_what_was_there(tmp_path):
    write(tmp_path / "app", one="1")
    with pytest.raises(TypeError):
        write(tmp_path / "app", two="2", three=3)
    assert content(tmp_path / "app") == {"one": "1"}
    assert names(tmp_path) == ["app"]


def test_an_app_is_replaced_only_when_that_is_asked_for(tmp_path):
    write(tmp_path / "app", one="1")
    with pytest.raises(ExportError, match=r"is not empty: it holds .*; overwrite=True replaces"):
        check_target(tmp_path / "app", overwrite=False)
    check_target(tmp_path / "app", overwrite=True)
    write(tmp_path / "app", two="2")
    assert content(tmp_path / "app") == {"two": "2"}
    assert list(read_manifest(tmp_path / "app")) == ["two"]
    assert names(tmp_path) == ["app"]


def test_what_others_put_there_or_changed_is_never_lost(tmp_path):
    write(tmp_path / "app", one="1", two="2")
    (tmp_path / "app" / "mine").mkdir()
    (tmp_path / "app" / "mine" / "notes").write_text("x")
    (tmp_path / "app" / "one").write_text("changed")
    with pytest.raises(ExportError, match=r"export did not write 'mine/notes'; changed since it was exported: 'one'"):
        check_target(tmp_path / "app", overwrite=True)


def test_what_running_an_app_leaves_behind_does_not_count(tmp_path):
    write(tmp_path / "app", one="1")
    (tmp_path / "app" / "__pycache__").mkdir()
    (tmp_path / "app" / "__pycache__" / "steps.pyc").write_text("x")
    check_target(tmp_path / "app", overwrite=True)


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_of_others_is_refused(tmp_path, overwrite):
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "thesis.txt").write_text("x")
    with pytest.raises(ExportError, match=r"thesis\.txt"):
        check_target(tmp_path / "app", overwrite=overwrite)


def test_an_empty_folder_is_filled(tmp_path):
    (tmp_path / "app").mkdir()
    check_target(tmp_path / "app", overwrite=False)
    write(tmp_path / "app", one="1")
    assert content(tmp_path / "app") == {"one": "1"}


def test_a_file_or_a_link_is_no_target(tmp_path):
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path)
    for name in ("file", "link"):
        with pytest.raises(ExportError, match="is no folder"):
            check_target(tmp_path / name, overwrite=True)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"files": 3}', "\0"])
def test_a_broken_list_of_files_means_that_nothing_is_known(tmp_path, text):
    write(tmp_path / "app", one="1")
    (tmp_path / "app" / MANIFEST).write_text(text)
    assert read_manifest(tmp_path / "app") == {}
    with pytest.raises(ExportError, match="export did not write 'one'"):
        check_target(tmp_path / "app", overwrite=True)
