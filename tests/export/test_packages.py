"""Which modules go along, and which packages are required."""

from __future__ import annotations

from importlib.metadata import version

from graphkit.export.packages import (
    LocalModules,
    _modules_of,
    canonical,
    imported_modules,
    is_local,
    needed_by,
    own_requirement,
    requirements_of,
)
from graphkit.server.export_check import further_requirements


def test_the_users_own_modules_go_along_with_those_that_they_import(tmp_path, monkeypatch):
    (tmp_path / "mine_a.py").write_text("import json\nfrom mine_pkg.inner import thing\n")
    inner = tmp_path / "mine_pkg" / "inner"
    inner.mkdir(parents=True)
    (tmp_path / "mine_pkg" / "__init__.py").write_text("")
    (tmp_path / "mine_pkg" / "words.txt").write_text("a")
    (inner / "__init__.py").write_text("def thing():\n    import numpy, mine_b\n    from . import other\n")
    (inner / "__pycache__").mkdir()
    (inner / "__pycache__" / "x.pyc").write_text("")
    (tmp_path / "mine_b.py").write_text("import mine_a")
    (tmp_path / "mine_unused.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    local = LocalModules()
    local.add({"mine_a", "json", "numpy", "graphkit"})
    assert sorted(local.files) == [
        "mine_a.py", "mine_b.py", "mine_pkg/__init__.py", "mine_pkg/inner/__init__.py", "mine_pkg/words.txt",
    ]  # fmt: skip
    assert sorted(local.names) == ["mine_a", "mine_b", "mine_pkg"]
    assert "numpy" in local.imports


def test_installed_and_standard_modules_are_not_the_users_own():
    assert not any(map(is_local, ("json", "sys", "numpy", "graphkit", "__main__", "no_such_module")))


def test_requirements_are_the_packages_of_the_modules_with_their_versions():
    found, unknown = requirements_of({"sklearn.linear_model", "yaml", "os.path", "graphkit", "nowhere"}, {"nowhere.x"})
    assert found == {"PyYAML": version("PyYAML"), "scikit-learn": version("scikit-learn")}
    assert unknown == []
    assert requirements_of({"nowhere"})[1] == ["nowhere"]


def test_modules_in_strings_comments_and_relative_imports_are_no_requirements():
    assert imported_modules("'import a'\n# import b\nfrom . import c\nfrom .d import e\n") == set()


def test_only_what_nothing_else_brings_is_required_in_addition():
    assert list(further_requirements(["sklearn.tree", "numpy.core", "joblib"], {})) == ["scikit-learn"]
    assert further_requirements(["numpy"], {"scikit-learn": "1"}) == {}
    assert further_requirements(["builtins", "steps"], {}) == {}


def test_the_modules_of_packages_are_known_from_their_files():
    from importlib.metadata import distribution, packages_distributions

    told = packages_distributions()
    for name in ("numpy", "msgspec", "PyYAML", "hypothesis"):
        modules = {module for module in _modules_of(distribution(name)) if not module.startswith("_")}
        assert modules
        assert all(name in told[module] for module in modules if module in told)


def test_what_packages_need_is_known():
    needed = needed_by(["scikit-learn"])
    assert {"scikit-learn", "numpy", "scipy", "joblib"} <= needed
    assert "pytest" not in needed
    assert canonical("Scikit_Learn") in needed
    assert needed_by(["no-such-package"]) == {"no-such-package"}


def test_graphkit_itself_is_required_with_what_serving_needs():
    assert own_requirement("1.2") == "graphkit-serving[serve]==1.2"
    assert own_requirement("1.2", ()) == "graphkit-serving==1.2"
