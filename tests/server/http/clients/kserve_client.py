"""KServe's REST client against a server: ``python kserve_client.py URL``."""

from __future__ import annotations

import asyncio
import sys

import numpy as np
from kserve import InferInput, InferRequest, RESTConfig
from kserve.inference_client import InferenceRESTClient

DATATYPES = {
    "BOOL": [True, False], "UINT8": [0, 255], "UINT16": [0, 65535], "UINT32": [0, 2**32 - 1], "UINT64": [0, 2**64 - 1],
    "INT8": [-128, 127], "INT16": [-(2**15), 1], "INT32": [-(2**31), 1], "INT64": [-(2**63), 1],
    "FP16": [0.5, 1.5], "FP32": [0.5, -1.5], "FP64": [0.1, 1e300], "BYTES": ["a", "ä"],
}  # fmt: skip
NUMPY = {"BOOL": "?", "BYTES": object, "FP16": "f2", "FP32": "f4", "FP64": "f8"}


async def main(url: str) -> None:
    client = InferenceRESTClient(RESTConfig(protocol="v2", retries=0))
    assert await client.is_server_live(url)
    assert await client.is_server_ready(url)
    assert await client.is_model_ready(url, "same")
    assert not await client.is_model_ready(url, "nobody")
    for datatype, values in DATATYPES.items():
        for binary in (False, True):
            if datatype == "FP16" and not binary:
                continue  # the client itself refuses it
            sent = np.array(values, NUMPY.get(datatype, datatype.lower()))
            tensor = InferInput("x", [2], datatype)
            tensor.set_data_from_numpy(sent, binary_data=binary)
            request = InferRequest(
                model_name="same", infer_inputs=[tensor], parameters={"binary_data_output": binary}, request_id="r1"
            )
            found = await client.infer(url, request, model_name="same")
            array = found.outputs[0].as_numpy()
            if datatype == "BYTES":
                array = np.array([item.decode() if isinstance(item, bytes) else item for item in array], dtype=object)
            assert np.array_equal(array, sent), (datatype, binary, array, sent)
            assert found.id == "r1"
    await client.close()
    print("all calls answered")


asyncio.run(main(sys.argv[1]))
