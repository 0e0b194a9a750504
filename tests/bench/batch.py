"""One million iris rows through ``run_file``, beside the same model called on the same chunks by hand.

``python tests/bench/batch.py``; needs pandas, pyarrow and scikit-learn. See README.md in this folder.
"""

from __future__ import annotations

import argparse
import gc
import os
import platform
import resource
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))

import graphkit

AIM = 1.5
SEED = 0


class Model(graphkit.V2ModelServer):
    """What a user writes."""

    def predict(self, request: Any) -> Any:
        return self.model.predict(request["inputs"]).tolist()


def models() -> dict[str, Any]:
    """Return the models, from next to nothing to slow."""
    iris = load_iris()
    made = {
        "logistic regression": LogisticRegression(max_iter=1000),
        "15 nearest neighbours": KNeighborsClassifier(15),
        "forest of 100 trees": RandomForestClassifier(100, random_state=SEED),
    }
    return {name: model.fit(iris.data, iris.target) for name, model in made.items()}


def write_rows(path: Path, rows: int) -> None:
    """Write iris flowers with a little noise, so that no two are the same."""
    dice = np.random.default_rng(SEED)
    flowers = load_iris()
    data = flowers.data[dice.integers(0, 150, rows)] + dice.normal(0, 0.05, (rows, 4))
    table = pd.DataFrame(data.clip(0.05), columns=["sepal_length", "sepal_width", "petal_length", "petal_width"])
    pq.write_table(pa.Table.from_pandas(table, preserve_index=False), path)


def model_alone(model: Any, source: Path, chunk: int) -> tuple[float, list[int]]:
    """Return the seconds that the model itself takes for the chunks, and its answers; reading is not counted."""
    seconds, answers = 0.0, []
    for batch in pq.ParquetFile(source).iter_batches(batch_size=chunk):
        inputs = batch.to_pandas().to_numpy().tolist()
        began = time.perf_counter()
        outputs = model.predict(inputs).tolist()
        seconds += time.perf_counter() - began
        answers += outputs
    return seconds, answers


def by_hand(model: Any, source: Path, output: Path, chunk: int) -> float:
    """Return the seconds of the loop that one would write: read a chunk, ask the model, write the answers."""
    began = time.perf_counter()
    writer = None
    for batch in pq.ParquetFile(source).iter_batches(batch_size=chunk):
        outputs = model.predict(batch.to_pandas().to_numpy().tolist()).tolist()
        table = pa.table({"prediction": outputs})
        writer = writer or pq.ParquetWriter(output, table.schema)
        writer.write_table(table)
    if writer is not None:
        writer.close()
    return time.perf_counter() - began


def through_graph(model: Any, source: Path, output: Path, chunk: int, workers: int) -> float:
    """Return the seconds of ``run_file``."""
    server = graphkit.create_graph_server()
    server.add_model("m", class_name=Model, model=model)
    began = time.perf_counter()
    server.run_file(source, output, "m/infer", chunk=chunk, workers=workers, overwrite=True)
    return time.perf_counter() - began


def measure(name: str, model: Any, folder: Path, options: argparse.Namespace) -> bool:
    """Measure one model and print its line; return whether the answers agree."""
    source, output = folder / "rows.parquet", folder / "out.parquet"
    samples: dict[str, list[float]] = {"alone": [], "hand": [], "graph": [], "two": []}
    agree = True
    few = folder / "few.parquet"
    if not few.exists():  # once, for imports and caches
        write_rows(few, 1000)
        by_hand(model, few, folder / "hand.parquet", options.chunk)
        through_graph(model, few, output, options.chunk, 1)
    for _ in range(options.rounds):
        gc.collect()
        seconds, answers = model_alone(model, source, options.chunk)
        samples["alone"].append(seconds)
        samples["hand"].append(by_hand(model, source, folder / "hand.parquet", options.chunk))
        samples["graph"].append(through_graph(model, source, output, options.chunk, 1))
        agree &= pq.read_table(output)["prediction"].to_pylist() == answers
        samples["two"].append(through_graph(model, source, output, options.chunk, 2))
        agree &= pq.read_table(output)["prediction"].to_pylist() == answers
    shares = {
        key: median(a / b for a, b in zip(samples["graph"], samples[key], strict=True)) for key in ("alone", "hand")
    }
    told = {key: f"{share:.2f} x ({'met' if share <= AIM else 'MISSED'})" for key, share in shares.items()}
    times = " | ".join(f"{median(samples[key]):.2f} s" for key in ("alone", "hand", "graph", "two"))
    print(f"| {name} | {times} | {told['hand']} | {told['alone']} |{'' if agree else ' WRONG'}")
    return agree


def main() -> int:
    """Measure, print, and return 0 if all answers were right."""
    parser = argparse.ArgumentParser(description="A file of rows through graphkit, and by hand.")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--chunk", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="models whose name contains this")
    options = parser.parse_args()
    print(f"Machine: {platform.platform()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    print(
        f"python {platform.python_version()}, pandas {pd.__version__}, pyarrow {pa.__version__}, numpy {np.__version__}"
    )
    print(f"\n{options.rows:,} rows in chunks of {options.chunk:,}; medians of {options.rounds} rounds; aim {AIM} x\n")
    print("| model | the model alone | by hand, with files | run_file | 2 threads | to by hand | to the model alone |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as folder:
        write_rows(Path(folder) / "rows.parquet", options.rows)
        right = [
            measure(name, model, Path(folder), options) for name, model in models().items() if options.only in name
        ]
    print(f"\nMost memory of this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")
    return 0 if all(right) else 1


if __name__ == "__main__":
    sys.exit(main())
