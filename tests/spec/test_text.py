"""JSON and YAML: exact both ways, and loud about what is broken."""

import datetime as dt
import json
import math

import pytest
import yaml

from graphkit.core.errors import SpecError
from graphkit.spec import text


def test_json_is_indented_and_keeps_the_order():
    assert text.to_json({"b": 1, "a": {"c": [1]}}) == '{\n  "b": 1,\n  "a": {\n    "c": [\n      1\n    ]\n  }\n}'


def test_yaml_keeps_the_order_and_the_alphabet():
    assert text.to_yaml({"b": "é", "a": "日本"}) == "b: é\na: 日本\n"


def test_long_expressions_stay_on_one_line():
    line = f"({' + '.join(['event'] * 12)})"
    assert text.to_yaml({"handler": line}) == f"handler: {line}\n"


def test_keys_that_are_no_texts_are_what_they_were_in_yaml_and_refused_in_json():
    data = {"names": {0: "a", "0": "b", 2.5: "c", None: "d", dt.date(2026, 11, 22): "e", True: "f"}}
    assert text.from_yaml(text.to_yaml(data)) == data
    with pytest.raises(SpecError, match=r"^JSON has no keys but texts, there is 1 at 'x\.0\.names'; YAML can"):
        text.to_json({"x": [{"names": {1: "a", "b": 2}}]})


def test_the_same_list_twice_is_written_twice():
    again = [1, 2]
    assert text.from_yaml(text.to_yaml({"a": {"x": again}, "b": {"x": list(again)}})) == {
        "a": {"x": [1, 2]},
        "b": {"x": [1, 2]},
    }


@pytest.mark.parametrize(
    "value",
    [
        *("", " ", "null", "yes", "on", "1", "1.5", "1_000", "1e3", "0x1F", "2026-11-22", "<<", "=", "~", "{}", "[]"),
        *("a: b", "# c", "- a", "*a", "&a", "!!int 1", "@x", "%y", "'\"\\", "😀", "\t", "\x00\x07"),
        *("\n", "a\nb\n", "\r\n", "\x85", "\u2028"),
    ],
)
def test_texts_stay_texts(value):
    data = {"a": value, value: "b"} if value != "a" else {}
    assert text.from_yaml(text.to_yaml(data)) == data
    assert text.from_json(text.to_json(data)) == data


def test_yaml_holds_dates_and_odd_numbers_as_they_are():
    data = {"day": dt.date(2026, 11, 22), "time": dt.datetime(2026, 11, 22, 1, 2, 3), "most": math.inf}
    assert text.from_yaml(text.to_yaml(data)) == data


def test_json_writes_dates_as_texts():
    assert json.loads(text.to_json({"day": dt.date(2026, 11, 22)})) == {"day": "2026-11-22"}


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_json_refuses_numbers_that_it_cannot_hold(value):
    with pytest.raises(SpecError, match=r"JSON cannot hold the number at 'steps\.a\.1', 'b'; YAML can"):
        text.to_json({"steps": {"a": [1, value]}, "b": value})


@pytest.mark.parametrize(
    ("read", "broken", "message"),
    [
        (text.from_json, '{"a": 1, "a": 2}', "^the key 'a' stands twice in one place"),
        (text.from_json, '{"x": {"b": 1, "c": 2, "b": 3}}', "^the key 'b' stands twice in one place"),
        (text.from_json, "{", "not JSON: .*line 1 column 2"),
        (text.from_json, "", "not JSON: .*line 1 column 1"),
        (text.from_json, b"\xff", "not JSON: .*decode"),
        (text.from_json, "[" * 100_000, "nested too deeply"),
        (text.from_json, "null", "says nothing"),
        (text.from_yaml, "a: 1\nb:\n  c: 1\n  c: 2", "^the key 'c' stands twice in one place, at line 4, column 3"),
        (text.from_yaml, "'a': 1\na: 2", "the key 'a' stands twice"),
        (text.from_yaml, "1: a\n1: b", "the key '1' stands twice"),
        (text.from_yaml, "a: b: c", "not YAML: .*line 1, column 5"),
        (text.from_yaml, "{[1]: 2}", "not YAML: .*unhashable key"),
        (text.from_yaml, "{{a: 1}: 2}", "not YAML: .*unhashable key"),
        (text.from_yaml, "--- a\n--- b", "not YAML: .*single document"),
        (text.from_yaml, "!!python/object/apply:os.system [ls]", "not YAML: .*could not determine a constructor"),
        (text.from_yaml, "a: 2026-02-30", "not YAML: .*day"),
        (text.from_yaml, b"\xff\xfe\x00", "not YAML: "),
        (text.from_yaml, "a: \x00", "not YAML: .*not allowed"),
        (text.from_yaml, "[" * 5000, "nested too deeply"),
        (text.from_yaml, "a: &x\n  b: *x", "an alias stands inside of what it stands for, at line 1, column 4"),
        (text.from_yaml, "&x [*x]", "an alias stands inside of what it stands for, at line 1, column 1"),
        (text.from_yaml, "", "says nothing"),
        (text.from_yaml, "# only a comment", "says nothing"),
        (text.from_yaml, "~", "says nothing"),
    ],
)
def test_a_broken_text_is_refused_and_shows_the_place(read, broken, message):
    with pytest.raises(SpecError, match=f"(?s){message}"):
        read(broken)


def test_aliases_that_would_fill_the_memory_are_refused():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    with pytest.raises(SpecError, match="the aliases stand for more than 1000000 values, at line"):
        text.from_yaml("\n".join(lines))


def test_ordinary_aliases_and_merges_are_read():
    written = "base: &base {a: 1, b: 2}\none: *base\ntwo: {<<: *base, b: 3}\nthree: {<<: [*base], c: 4}"
    assert text.from_yaml(written) == yaml.safe_load(written)


def test_keys_of_different_dicts_may_be_equal():
    assert text.from_json('[{"a": 1}, {"a": 2}]') == [{"a": 1}, {"a": 2}]
    assert text.from_yaml("- {a: 1}\n- {a: 2}") == [{"a": 1}, {"a": 2}]


@pytest.mark.parametrize("suffix", ["json", "yaml"])
def test_the_error_of_a_file_names_the_file(suffix, tmp_path):
    path = tmp_path / f"graph.{suffix}"
    path.write_text("{")
    with pytest.raises(SpecError, match=f"graph.{suffix}': the text is not"):
        text.read(path)


def test_a_file_that_is_no_text_is_refused(tmp_path):
    path = tmp_path / "graph.yaml"
    path.write_bytes(b"\xff\x00")
    with pytest.raises(SpecError, match=r"graph.yaml' is no UTF-8 text"):
        text.read(path)


@pytest.mark.parametrize("suffix", ["json", "yaml"])
def test_a_file_may_begin_with_a_byte_order_mark(suffix, tmp_path):
    path = tmp_path / f"graph.{suffix}"
    path.write_bytes(b"\xef\xbb\xbf" + b'{"a": "\xc3\xa9"}')
    assert text.read(path) == {"a": "é"}


def test_a_file_is_not_touched_when_its_content_cannot_be_written(tmp_path):
    path = tmp_path / "graph.json"
    path.write_text("{}")
    with pytest.raises(SpecError):
        text.write(path, {"a": math.nan})
    assert path.read_text() == "{}"


def test_a_folder_cannot_be_read(tmp_path):
    (tmp_path / "graph.yaml").mkdir()
    with pytest.raises(SpecError, match="cannot be read"):
        text.read(tmp_path / "graph.yaml")
