"""The model behind BentoML: ``bentoml serve bentoml_side:Linear``."""

import bentoml
import numpy as np

WEIGHTS = np.array([0.1, 0.2, 0.3, 0.4])


@bentoml.service(workers=1)
class Linear:
    @bentoml.api(route="/infer")
    def infer(self, inputs: list[list[float]]) -> list[float]:
        return (np.asarray(inputs, dtype=float) @ WEIGHTS).tolist()
