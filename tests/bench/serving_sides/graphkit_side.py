"""The models behind graphkit: ``graphkit serve graphkit_side.py:linear``, and ``:forest`` for micro-batching."""

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


class Forest(V2ModelServer):
    """A scikit-learn model, which answers many rows in little more time than one."""

    def load(self) -> None:
        from sklearn.datasets import load_iris
        from sklearn.ensemble import RandomForestClassifier

        rows, kinds = load_iris(return_X_y=True)
        self.model = RandomForestClassifier(n_estimators=20, random_state=0).fit(rows, kinds)

    def predict(self, request: Any) -> Any:
        return self.model.predict(request["inputs"]).tolist()


forest = create_graph_server()
forest.add_model("forest", class_name=Forest)
forest_in_batches = create_graph_server()
forest_in_batches.add_model("forest", class_name=Forest, max_batch_size=64, max_delay_ms=2)
