"""The model behind graphkit: ``graphkit serve graphkit_side.py:linear``, and ``:forest`` for micro-batching."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphkit import V2ModelServer, create_graph_server

WEIGHTS = np.array([0.1, 0.2, 0.3, 0.4])


class Linear(V2ModelServer):
    """The trivial model of the comparison."""

    def load(self) -> None: ...

    def predict(self, request: Any) -> Any:
        return (np.asarray(request["inputs"], dtype=float) @ WEIGHTS).tolist()


linear = create_graph_server()
linear.add_model("linear", class_name=Linear)
