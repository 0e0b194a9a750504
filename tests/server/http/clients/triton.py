"""Every call of Triton's HTTP client that the protocol has, against a server: ``python triton.py HOST:PORT``."""

from __future__ import annotations

import sys

import numpy as np
import tritonclient.http as triton

DTYPES = {
    "BOOL": bool, "UINT8": np.uint8, "UINT16": np.uint16, "UINT32": np.uint32, "UINT64": np.uint64, "INT8": np.int8,
    "INT16": np.int16, "INT32": np.int32, "INT64": np.int64, "FP16": np.float16, "FP32": np.float32, "FP64": np.float64,
}  # fmt: skip


def values(datatype: str) -> np.ndarray:
    if datatype == "BYTES":
        return np.array([["a", "ä"], ["", "x" * 300], ["ab\x00", "\x00"]], dtype=object)
    dtype = np.dtype(DTYPES[datatype])
    if dtype.kind == "b":
        return np.array([[True, False], [False, True]])
    if dtype.kind == "f":
        return np.array([[0.5, -2], [65504, 0]], dtype)
    limits = np.iinfo(dtype)
    return np.array([[limits.min, limits.max], [0, 1]], dtype)


def check_infer(
    client: triton.InferenceServerClient,
    datatype: str,
    binary_in: bool,
    binary_out: bool,
    pack: str = "",
    model: str = "same",
) -> None:
    sent = values(datatype)
    tensor = triton.InferInput("x", list(sent.shape), datatype)
    tensor.set_data_from_numpy(sent, binary_data=binary_in)
    wanted = [triton.InferRequestedOutput("output_0", binary_data=binary_out)]
    found = client.infer(
        model,
        [tensor],
        outputs=wanted,
        request_id="r1",
        request_compression_algorithm=pack or None,
        response_compression_algorithm=pack or None,
    )
    array = found.as_numpy("output_0")
    if datatype == "BYTES":
        array = np.array([item.decode() if isinstance(item, bytes) else item for item in array.ravel()], dtype=object)
        sent = sent.ravel()
    assert np.array_equal(array, sent), (datatype, binary_in, binary_out, array, sent)
    assert found.get_response()["id"] == "r1"


def main(address: str) -> None:
    client = triton.InferenceServerClient(address, concurrency=4)
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("same")
    assert client.is_model_ready("versioned", "2")
    assert not client.is_model_ready("versioned", "3")
    assert not client.is_model_ready("nobody")
    assert "binary_tensor_data" in client.get_server_metadata()["extensions"]
    about = client.get_model_metadata("versioned", "1")
    assert (about["name"], about["versions"], about["platform"]) == ("versioned", ["1", "2"], "graphkit"), about
    for datatype in (*DTYPES, "BYTES"):
        for binary_in in (True, False):
            if datatype == "FP16" and not binary_in:
                continue  # the client itself refuses it
            for binary_out in (True, False):
                check_infer(client, datatype, binary_in, binary_out)
                if datatype == "BYTES":
                    check_infer(client, datatype, binary_in, binary_out, model="lists")
    check_infer(client, "FP32", True, True, "gzip")
    check_infer(client, "FP32", False, False, "deflate")
    several(client)
    together(client)
    refusals(client)
    no_numbers(client)
    print("all calls answered")


def several(client: triton.InferenceServerClient) -> None:
    inputs = []
    for name in "ab":
        tensor = triton.InferInput(name, [2], "INT32")
        tensor.set_data_from_numpy(np.array([ord(name), 1], np.int32), binary_data=name == "a")
        inputs.append(tensor)
    found = client.infer("same", inputs)
    assert [found.as_numpy(name).tolist() for name in "ab"] == [[97, 1], [98, 1]]


def together(client: triton.InferenceServerClient) -> None:
    """Several requests at a time get their own answers."""
    jobs = []
    for number in range(20):
        tensor = triton.InferInput("x", [1], "INT64")
        tensor.set_data_from_numpy(np.array([number]))
        jobs.append(client.async_infer("same", [tensor]))
    assert [job.get_result().as_numpy("output_0").tolist() for job in jobs] == [[number] for number in range(20)]


def no_numbers(client: triton.InferenceServerClient) -> None:
    """NaN and infinities travel in binary form; in JSON both are null, which is NaN again, and none is sent so."""
    sent = np.array([np.nan, np.inf, -np.inf, 1], np.float32)
    tensor = triton.InferInput("x", [4], "FP32")
    tensor.set_data_from_numpy(sent, binary_data=True)
    for binary_out, expected in ((True, sent), (False, np.array([np.nan, np.nan, np.nan, 1], np.float32))):
        wanted = [triton.InferRequestedOutput("output_0", binary_data=binary_out)]
        found = client.infer("same", [tensor], outputs=wanted).as_numpy("output_0")
        assert np.array_equal(found, expected, equal_nan=True), (binary_out, found)
    for values, message in ((sent, "JSON has no NaN"), (sent[1:], "JSON has no Infinity")):
        tensor = triton.InferInput("x", [len(values)], "FP32")
        tensor.set_data_from_numpy(values, binary_data=False)
        for outputs in (None, [triton.InferRequestedOutput("output_0", binary_data=False)]):
            error = ""
            try:
                client.infer("same", [tensor], outputs=outputs)
            except triton.InferenceServerException as exc:
                error = f"{exc.status()} {exc.message()}"
            assert error.startswith("400 "), error
            assert message in error, error
            assert "exception occurred in the client" not in error, error


def refusals(client: triton.InferenceServerClient) -> None:
    tensor = triton.InferInput("x", [1, 2], "FP32")
    tensor.set_data_from_numpy(np.array([[1, 2]], np.float32))
    for model, outputs, message in (
        ("sane", None, "did you mean 'same'"),
        ("same", [triton.InferRequestedOutput("y")], "there is no output 'y'"),
    ):
        error = ""
        try:
            client.infer(model, [tensor], outputs=outputs)
        except triton.InferenceServerException as exc:
            error = exc.message()
        assert message in error, (model, error)


main(sys.argv[1])
