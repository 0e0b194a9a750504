from __future__ import annotations

import io

import pytest

from graphkit.core.errors import BadRequest
from graphkit.models.requests import body_of, check_inputs


@pytest.mark.parametrize("body", ['{"inputs": [1]}', b'{"inputs": [1]}', bytearray(b'{"inputs": [1]}')])
@pytest.mark.parametrize(
    "content_type", [None, "", "application/json", "Application/JSON; charset=utf-8", "application/vnd.own+json"]
)
def test_json_text_is_decoded(body, content_type):
    assert body_of(body, content_type, "inputs", "router 'r'") == {"inputs": [1]}


def test_a_json_object_is_decoded_under_any_declared_type():
    # what a command line tool sends by default
    assert body_of('{"a": 1}', "application/x-www-form-urlencoded", "inputs", "router 'r'") == {"a": 1}


@pytest.mark.parametrize("body", ["a,b", b"\xff\x00", "5"])
def test_other_text_of_a_declared_type_is_left_alone(body):
    assert body_of(body, "text/csv", "inputs", "router 'r'") is body


@pytest.mark.parametrize("body", ["{broken", b"\xff\xfe", '{"a": NaN}'])
@pytest.mark.parametrize("content_type", [None, "application/json"])
def test_text_that_is_no_json_is_a_bad_request(body, content_type):
    with pytest.raises(BadRequest, match="router 'r' cannot read the body: it is no valid JSON") as caught:
        body_of(body, content_type, "inputs", "router 'r'")
    assert caught.value.status == 400


def test_an_image_becomes_one_input():
    request = body_of(b"\x89PNG", "image/png", "inputs", "router 'r'")
    assert list(request) == ["inputs"]
    (image,) = request["inputs"]
    assert isinstance(image, io.BytesIO)
    assert image.read() == b"\x89PNG"


@pytest.mark.parametrize("body", [[1, 2], None, 5, b"", "", {"a": 1}])
def test_objects_and_empty_text_stay_as_they_are(body):
    assert body_of(body, None, "inputs", "router 'r'") is body


def test_a_table_as_inputs_is_told_how_it_becomes_a_list():
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame({"a": [1, 2]})
    with pytest.raises(BadRequest, match=r"to be a list, found .*; give its rows as a list: \.values\.tolist\(\)$"):
        check_inputs({"inputs": table}, "model 'm'")
    with pytest.raises(BadRequest, match=r"; give it as a list: \.tolist\(\)$"):
        check_inputs({"inputs": table["a"]}, "model 'm'")
    assert check_inputs({"inputs": table.values.tolist()}, "model 'm'") == {"inputs": [[1], [2]]}
