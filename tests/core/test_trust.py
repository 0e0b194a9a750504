"""What an app may name and read."""

from __future__ import annotations

import pickle

import pytest

from graphkit.core.errors import TrustError
from graphkit.core.trust import Trust, file_hash, may_run_code


@pytest.fixture
def trust():
    return Trust(
        root="app",
        modules=("steps", "pkg"),
        imported={
            "steps": {"os": "os", "helper": "pkg.sub.helper"},
            "pkg.sub": {"system": "os.system", "sub": "pkg.sub"},
        },
        allow=("math", "json.loads"),
    )


@pytest.mark.parametrize(
    "path", ["steps.clean", "steps.Model.predict", "pkg.sub.helper", "steps.helper", "math.sqrt", "math", "json.loads"]
)
def test_own_modules_and_listed_names_may_be_named(trust, path):
    assert trust.reason(path) is None


@pytest.mark.parametrize(
    "path",
    ["os.system", "steps.os.system", "steps.os", "pkg.sub.system", "json.dumps", "json", "mathematics.x", "stepsx.f"],
)
def test_what_only_an_import_brought_may_not_be_named(trust, path):
    assert "neither of the app's own modules" in trust.reason(path)


@pytest.mark.parametrize("path", ["steps.clean.__globals__", "steps._a._b", "__builtins__.eval", "math.__loader__"])
def test_private_attributes_may_not_be_named(trust, path):
    assert "private" in trust.reason(path)


def test_imports_in_a_circle_end():
    trust = Trust(root=".", modules=("a", "b"), imported={"a": {"x": "b.x"}, "b": {"x": "a.x"}})
    assert trust.reason("a.x") is None


@pytest.mark.parametrize("place", ["../other.json", "/etc/passwd", "models/../../x", "link/x.json"])
def test_a_path_that_leads_out_of_the_app_is_refused(tmp_path, place):
    app = tmp_path / "app"
    app.mkdir()
    (app / "link").symlink_to(tmp_path)
    with pytest.raises(TrustError, match="outside of the app"):
        Trust(root=str(app)).locate(place)


def test_a_listed_folder_outside_may_be_read(tmp_path):
    (tmp_path / "models").mkdir()
    trust = Trust(root=str(tmp_path / "app"), outside=(str(tmp_path / "models"),))
    assert trust.locate(tmp_path / "models" / "a.onnx") == tmp_path / "models" / "a.onnx"


def test_paths_count_from_the_app(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert Trust(root=str(tmp_path / "app")).locate("models/a.onnx") == tmp_path / "app" / "models" / "a.onnx"


@pytest.mark.parametrize("name", ["a.skops", "a.onnx", "a.safetensors", "a.json", "A.ONNX"])
def test_forms_that_hold_only_data_load_freely(tmp_path, name):
    (tmp_path / name).write_bytes(b"PK data")
    Trust(root=str(tmp_path)).check_file(name)


@pytest.mark.parametrize("name", ["a.pkl", "a.joblib", "a.pt", "a", "a.unknown"])
def test_forms_that_may_run_code_need_their_hash(tmp_path, name):
    file = tmp_path / name
    file.write_bytes(b"anything")
    with pytest.raises(TrustError, match=f"allow_pickle.*{file_hash(file)}"):
        Trust(root=str(tmp_path)).check_file(name)
    Trust(root=str(tmp_path), allow_pickle={name: file_hash(file)}).check_file(name)


def test_a_pickle_under_a_harmless_name_needs_its_hash_too(tmp_path):
    file = tmp_path / "model.json"
    file.write_bytes(pickle.dumps([1]))
    assert may_run_code(file)
    with pytest.raises(TrustError, match="may run code"):
        Trust(root=str(tmp_path)).check_file(file)


def test_another_file_under_an_allowed_name_is_refused(tmp_path):
    file = tmp_path / "model.pkl"
    file.write_bytes(b"one")
    known = file_hash(file)
    file.write_bytes(b"two")
    with pytest.raises(TrustError, match=r"not the one that settings\.yaml allows"):
        Trust(root=str(tmp_path), allow_pickle={"model.pkl": known}).check_file(file)


def test_a_folder_is_looked_through(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "weights.safetensors").write_bytes(b"1")
    trust = Trust(root=str(tmp_path))
    trust.check_file("model")
    (tmp_path / "model" / "inner.bin").write_bytes(b"1")
    with pytest.raises(TrustError, match=r"model/inner\.bin"):
        trust.check_file("model")
