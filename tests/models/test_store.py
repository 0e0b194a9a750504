import json

import pandas as pd
import pytest
import yaml

from graphkit.core.errors import GraphkitError, StoreError
from graphkit.models.store import DataItem, Feature, ModelSpec, get_model


@pytest.fixture
def folder(tmp_path):
    """Return a function that writes files into a model folder and returns it."""

    def write(**files):
        root = tmp_path / "model"
        root.mkdir(exist_ok=True)
        for name, content in files.items():
            (root / name.replace("__", ".")).write_text(content)
        return root

    return write


def spec_folder(folder, spec, **files):
    return folder(model_spec__yaml=yaml.safe_dump(spec), **files)


# ---- data items


def test_a_data_item_gives_bytes_text_and_its_path(tmp_path):
    (tmp_path / "a.txt").write_text("grün", "utf-8")
    item = DataItem(tmp_path / "a.txt")
    assert item.local() == str(tmp_path / "a.txt")
    assert item.get() == "grün".encode()
    assert item.get(encoding="utf-8") == "grün"
    assert repr(item) == f"DataItem('{tmp_path}/a.txt')"


def test_a_data_item_takes_file_urls(tmp_path):
    (tmp_path / "my file.txt").write_text("x")
    assert DataItem(f"file://{tmp_path}/my%20file.txt").get("utf-8") == "x"


def test_a_data_item_opens_for_reading_only(tmp_path):
    (tmp_path / "a.txt").write_text("x")
    item = DataItem(tmp_path / "a.txt")
    with item.open() as file:
        assert file.read() == b"x"
    with item.open("r") as file:
        assert file.read() == "x"
    with pytest.raises(StoreError, match="not 'w'"):
        item.open("w")
    assert (tmp_path / "a.txt").read_text() == "x"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "a,b\n1,x\n2,y\n"),
        ("a.CSV", "a,b\n1,x\n2,y\n"),
        ("a.json", '[{"a":1,"b":"x"},{"a":2,"b":"y"}]'),
        ("a.jsonl", '{"a":1,"b":"x"}\n{"a":2,"b":"y"}\n'),
    ],
)
def test_a_data_item_becomes_a_frame_by_its_suffix(tmp_path, name, content):
    (tmp_path / name).write_text(content)
    frame = DataItem(tmp_path / name).as_df()
    assert frame.to_dict("list") == {"a": [1, 2], "b": ["x", "y"]}


def test_options_of_as_df_reach_pandas(tmp_path):
    (tmp_path / "a.csv").write_text("1;2\n")
    assert DataItem(tmp_path / "a.csv").as_df(sep=";", header=None).to_numpy().tolist() == [[1, 2]]


def test_parquet_is_read_or_its_reader_is_named(tmp_path):
    path = tmp_path / "a.parquet"
    try:
        pd.DataFrame({"a": [1]}).to_parquet(path)
    except ImportError:
        path.write_bytes(b"PAR1")
        with pytest.raises(StoreError, match="pip install pyarrow"):
            DataItem(path).as_df()
    else:
        assert DataItem(path).as_df()["a"].tolist() == [1]


def test_other_suffixes_cannot_become_a_frame(tmp_path):
    (tmp_path / "a.xyz").write_text("1")
    with pytest.raises(StoreError, match=r"its suffix is none of '\.csv', '\.json'"):
        DataItem(tmp_path / "a.xyz").as_df()


def test_a_broken_table_is_a_store_error(tmp_path):
    (tmp_path / "a.json").write_text("{broken")
    with pytest.raises(StoreError, match=r"a\.json.*cannot be read"):
        DataItem(tmp_path / "a.json").as_df()


@pytest.mark.parametrize("read", [DataItem.get, DataItem.open, DataItem.as_df])
def test_a_missing_file_is_a_store_error(tmp_path, read):
    with pytest.raises(StoreError, match="cannot be read"):
        read(DataItem(tmp_path / "none.csv"))


def test_a_wrong_encoding_is_a_store_error(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"\xff")
    item = DataItem(tmp_path / "a.txt")
    with pytest.raises(StoreError):
        item.get("utf-8")
    with pytest.raises(StoreError, match="unknown encoding"):
        item.get("no-such-encoding")


@pytest.mark.parametrize("scheme", ["s3", "v3io", "store", "https", "gs"])
def test_other_stores_can_be_named_but_not_read(scheme):
    item = DataItem(f"{scheme}://bucket/a.csv?token=secret")
    assert item.suffix == ".csv"
    for read in (item.local, item.get, item.open, item.as_df):
        with pytest.raises(
            StoreError, match=rf"no driver for {scheme}:// stores here: give a path or a file://"
        ) as caught:
            read()
        assert "secret" not in str(caught.value)
    assert "secret" not in repr(item)


def test_a_store_error_is_one_of_the_family():
    assert issubclass(StoreError, GraphkitError)
    assert issubclass(StoreError, OSError)
    assert StoreError.status == 500


# ---- a file, or a folder with a suffix


def test_a_file_is_the_model(tmp_path):
    (tmp_path / "iris.joblib").write_text("")
    assert get_model(str(tmp_path / "iris.joblib")) == (str(tmp_path / "iris.joblib"), None, {})
    assert get_model(f"file://{tmp_path}/iris.joblib", ".pkl")[0] == str(tmp_path / "iris.joblib")


def test_a_folder_holds_one_file_with_the_suffix_and_the_others_are_extra_data(folder):
    root = folder(iris__pkl="", classes__csv="a\n1\n", __hidden="")
    file, spec, extra = get_model(root)
    assert (file, spec) == (str(root / "iris.pkl"), None)
    assert list(extra) == ["classes.csv"]
    assert extra["classes.csv"].as_df()["a"].tolist() == [1]


def test_the_suffix_may_be_given(folder):
    root = folder(iris__joblib="", iris__pkl="")
    assert get_model(root, ".joblib")[0] == str(root / "iris.joblib")


def test_a_folder_without_such_a_file_is_an_error_that_lists_what_is_there(folder):
    root = folder(iris__joblib="", notes__txt="")
    with pytest.raises(
        StoreError, match=r"ends in '\.pkl', or a model_spec\.yaml; it holds 'iris\.joblib', 'notes\.txt'"
    ):
        get_model(root)


def test_a_folder_with_several_such_files_is_an_error_that_lists_them(folder):
    root = folder(a__pkl="", b__pkl="", c__txt="")
    with pytest.raises(StoreError, match=r"several files end so: 'a\.pkl', 'b\.pkl'$"):
        get_model(root)


def test_an_empty_folder_says_so(folder):
    with pytest.raises(StoreError, match="it holds none"):
        get_model(folder())


def test_a_missing_path_is_an_error_with_the_nearest_name(folder):
    root = folder(iris__pkl="")
    with pytest.raises(StoreError, match=r"no model at .*: the folder holds 'iris\.pkl', did you mean 'iris\.pkl'\?"):
        get_model(root / "irs.pkl")
    with pytest.raises(StoreError, match=r"there is no folder '.*nowhere'"):
        get_model(root / "nowhere" / "iris.pkl")


def test_a_model_in_another_store_is_an_error_that_says_what_there_is():
    with pytest.raises(StoreError, match="no driver for s3:// stores here"):
        get_model("s3://bucket/model")


# ---- a folder with a spec

SPEC = {
    "name": "iris",
    "model_file": "iris.pkl",
    "parameters": {"threshold": 0.5},
    "inputs": [{"name": "length", "value_type": "float"}, {"name": "width", "dims": [None, 2]}],
    "outputs": [{"name": "kind", "value_type": "str", "description": "the species"}],
    "extra_data": {"classes": "data/classes.csv", "far": "s3://bucket/x.csv"},
    "metrics": {"accuracy": 0.97},
    "labels": {"team": "flowers"},
    "framework": "sklearn",
}


@pytest.fixture
def described(folder):
    root = spec_folder(folder, SPEC, iris__pkl="")
    (root / "data").mkdir()
    (root / "data" / "classes.csv").write_text("name\nsetosa\n")
    return root


@pytest.mark.parametrize("name", ["", "model_spec.yaml"])
def test_a_spec_names_the_model_its_schema_and_its_data(described, name):
    file, spec, extra = get_model(described / name)
    assert file == str(described / "iris.pkl")
    assert spec.parameters == {"threshold": 0.5}
    assert [feature.name for feature in spec.inputs] == ["length", "width"]
    assert spec.inputs[1].dims == [None, 2]
    assert spec.outputs == [Feature(name="kind", value_type="str", description="the species")]
    assert (spec.name, spec.metrics, spec.labels, spec.framework) == (
        "iris",
        SPEC["metrics"],
        SPEC["labels"],
        "sklearn",
    )
    assert extra["classes"].as_df()["name"].tolist() == ["setosa"]
    with pytest.raises(StoreError, match="no driver for s3"):
        extra["far"].get()


def test_a_spec_makes_the_round_trip(described):
    spec = get_model(described)[1]
    assert spec.to_dict() == SPEC
    assert ModelSpec.from_dict(spec.to_dict()) == spec
    assert yaml.safe_load(yaml.safe_dump(spec.to_dict())) == SPEC
    assert json.loads(json.dumps(spec.to_dict())) == SPEC


def test_a_spec_cannot_be_changed(described):
    spec = get_model(described)[1]
    with pytest.raises(AttributeError):
        spec.name = "other"


def test_a_nested_artifact_of_mlrun_is_read(folder):
    artifact = {
        "kind": "model",
        "metadata": {"key": "iris", "project": "p", "tree": "abc", "labels": {"a": "b"}},
        "spec": {
            "model_file": "iris.pkl",
            "target_path": "s3://bucket/iris",
            "producer": {"kind": "run"},
            "parameters": {"n": 1},
            "inputs": [{"name": "length", "value_type": "float", "validator": None, "aggregate": None}],
            "feature_stats": {"length": {"mean": 1}},
            "extra_data": {},
            "algorithm": None,
        },
        "status": {"state": "created"},
    }
    _, spec, _ = get_model(spec_folder(folder, artifact, iris__pkl=""))
    assert spec == ModelSpec(
        name="iris",
        model_file="iris.pkl",
        parameters={"n": 1},
        labels={"a": "b"},
        inputs=[Feature(name="length", value_type="float")],
    )


def test_an_old_flat_artifact_of_mlrun_is_read(folder):
    artifact = {"kind": "model", "key": "iris", "model_file": "iris.pkl", "tree": "abc", "hash": "1", "iter": 0}
    assert get_model(spec_folder(folder, artifact, iris__pkl=""))[1] == ModelSpec(name="iris", model_file="iris.pkl")


def test_all_unknown_keys_are_named_with_the_nearest(folder):
    spec = {"model_fil": "iris.pkl", "inputs": [{"name": "a"}, {"nam": "b"}], "x": 1}
    with pytest.raises(StoreError) as caught:
        get_model(spec_folder(folder, spec, iris__pkl=""))
    assert "unknown key 'model_fil', did you mean 'model_file'?" in str(caught.value)
    assert "unknown key 'inputs[1].nam', did you mean 'name'?" in str(caught.value)
    assert "unknown key 'x'; there is 'algorithm'" in str(caught.value)
    assert "model_spec.yaml" in str(caught.value)


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ({"model_file": 5}, r"Expected `str`, got `int` - at `\$.model_file`"),
        ({"model_file": "iris.pkl", "inputs": "length"}, "Expected `array`, got `str`"),
        ({"model_file": "iris.pkl", "inputs": ["length"]}, "Expected `object`, got `str`"),
        ({"model_file": "iris.pkl", "extra_data": {"a": 1}}, "extra_data"),
        ({"model_file": "iris.pkl", "spec": "x"}, "'spec' must hold keys and values"),
        ({"kind": "dataset", "model_file": "iris.pkl"}, "describes no model: its kind is 'dataset'"),
        ([1], "must hold keys and values, not a value of type list"),
        (None, "not a value of type NoneType"),
        ({"parameters": {}}, "names no model_file"),
    ],
)
def test_wrong_values_in_a_spec_are_told(folder, spec, told):
    with pytest.raises(StoreError, match=told):
        get_model(spec_folder(folder, spec, iris__pkl=""))


@pytest.mark.parametrize("text", ["a: [", "a: !!python/object/apply:os.system ['true']", "\x00"])
def test_a_spec_that_is_no_plain_yaml_is_a_store_error(folder, text):
    with pytest.raises(StoreError, match="cannot be read"):
        get_model(folder(model_spec__yaml=text))


def test_a_spec_that_is_no_text_is_a_store_error(folder):
    root = folder()
    (root / "model_spec.yaml").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(StoreError, match="cannot be read"):
        get_model(root)


def test_a_missing_model_file_is_named_with_the_nearest(folder):
    root = spec_folder(folder, {"model_file": "irs.pkl"}, iris__pkl="")
    with pytest.raises(StoreError, match=r"no model_file 'irs\.pkl': the folder holds .*did you mean 'iris\.pkl'\?"):
        get_model(root)


def test_a_model_file_may_be_a_folder(folder):
    root = spec_folder(folder, {"model_file": "saved/"})
    (root / "saved").mkdir()
    assert get_model(root)[0] == str(root / "saved")


OUTSIDE = ["../secret.csv", "data/../../secret.csv", "/etc/passwd", "file:///etc/passwd", "file://../x", ".", "a/.."]


@pytest.mark.parametrize("place", OUTSIDE)
def test_a_model_file_cannot_lie_outside_the_folder(folder, place):
    with pytest.raises(StoreError, match=r"model_file is .*, which is not in the model's folder"):
        get_model(spec_folder(folder, {"model_file": place}, iris__pkl=""))


@pytest.mark.parametrize("place", [*OUTSIDE, ""])
def test_extra_data_cannot_lie_outside_the_folder(folder, place):
    spec = {"model_file": "iris.pkl", "extra_data": {"x": place}}
    with pytest.raises(StoreError, match=r"extra_data\['x'\] is .*, which is not in the model's folder"):
        get_model(spec_folder(folder, spec, iris__pkl=""))


def test_absolute_paths_within_the_folder_are_fine(folder):
    root = folder()
    spec_folder(
        folder, {"model_file": str(root / "iris.pkl"), "extra_data": {"x": f"file://{root}/x.csv"}}, iris__pkl=""
    )
    file, _, extra = get_model(root)
    assert (file, extra["x"].local()) == (str(root / "iris.pkl"), str(root / "x.csv"))


def test_links_within_the_folder_are_followed(folder, tmp_path):
    (tmp_path / "elsewhere.pkl").write_text("content")
    root = spec_folder(folder, {"model_file": "iris.pkl", "extra_data": {"x": "iris.pkl"}})
    (root / "iris.pkl").symlink_to(tmp_path / "elsewhere.pkl")
    file, _, extra = get_model(root)
    assert file == str(root / "iris.pkl")
    assert extra["x"].get() == b"content"


def test_a_folder_can_be_given_relatively(described, monkeypatch):
    monkeypatch.chdir(described.parent)
    file, _, extra = get_model("model")
    assert file == str(described / "iris.pkl")
    monkeypatch.chdir("/")
    assert extra["classes"].as_df()["name"].tolist() == ["setosa"]


def test_nothing_is_unpickled(folder, tmp_path):
    root = folder()
    marker = tmp_path / "ran"
    (root / "iris.pkl").write_bytes(f"cos\nsystem\n(S'touch {marker}'\ntR.".encode())
    get_model(root)
    assert not marker.exists()
