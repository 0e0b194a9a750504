"""The model behind MLServer."""

import numpy as np
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceResponse

WEIGHTS = np.array([0.1, 0.2, 0.3, 0.4])


class Linear(MLModel):
    async def load(self) -> bool:
        return True

    async def predict(self, payload):
        rows = NumpyCodec.decode_input(payload.inputs[0])
        return InferenceResponse(
            model_name=self.name, outputs=[NumpyCodec.encode_output("outputs", np.asarray(rows, dtype=float) @ WEIGHTS)]
        )
