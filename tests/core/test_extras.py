import sys

import pytest

from graphkit.core.errors import MissingExtra
from graphkit.core.extras import load


def test_a_missing_package_is_named_with_its_pip_command():
    with pytest.raises(
        MissingExtra, match=r"calling services needs nopackage.*pip install 'graphkit-serving\[remote\]'"
    ):
        load("nopackage", "calling services", "remote")


def test_a_broken_package_is_not_called_missing(tmp_path, monkeypatch):
    (tmp_path / "brokenpackage.py").write_text("import nothing_of_that_name")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ModuleNotFoundError, match="nothing_of_that_name"):
        load("brokenpackage", "a sample", "remote")
    assert "brokenpackage" not in sys.modules
