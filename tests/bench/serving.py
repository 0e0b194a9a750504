"""Requests per second over HTTP, beside hand-written ASGI and peers: ``python tests/bench/serving.py``."""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

HERE = Path(__file__).resolve().parent
SIDES = HERE / "serving_sides"
ROOT = HERE.parent.parent
ROWS = [[5.1, 3.5, 1.4, 0.2], [6.1, 3.5, 1.4, 0.2]]
EXPECTED = [1.71, 1.81]
PLAIN = {"inputs": ROWS}
TENSOR = {"inputs": [{"name": "x", "shape": [2, 4], "datatype": "FP64", "data": [x for row in ROWS for x in row]}]}
INFER = "/v2/models/linear/infer"
UVICORN = ("--http", "httptools", "--loop", "uvloop", "--no-access-log", "--log-level", "warning", "--no-server-header")


def on_processor(number: int) -> list[str]:
    """Return what makes a command and all that it starts run on one of two processors, where that is possible."""
    both = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    return ["taskset", "-c", str(both[number])] if len(both) > 1 and shutil.which("taskset") else []


@dataclass
class Side:
    """A server, and how it is asked."""

    name: str
    command: tuple[str, ...]
    port: int
    path: str = INFER
    body: Any = field(default_factory=lambda: PLAIN)
    folder: Path = SIDES
    aim: float | None = None
    start_s: float = 60
    expected: Any = field(default_factory=lambda: EXPECTED)
    process: Any = None
    rates: list[float] = field(default_factory=list)
    costs: list[float] = field(default_factory=list)

    def start(self) -> str | None:
        """Start it and wait for a right answer; returns what is wrong."""
        environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{SIDES}", "RAY_DEDUP_LOGS": "0"}
        self.process = subprocess.Popen(
            [*on_processor(0), *self.command], cwd=self.folder, env=environment, start_new_session=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        end = time.monotonic() + self.start_s
        problem = "no answer"
        while time.monotonic() < end and self.process.poll() is None:
            try:
                problem = self.wrong()
                if problem is None:
                    return None
            except OSError as exc:
                problem = str(exc)
            time.sleep(0.3)
        return f"{problem}, exit status {self.process.poll()}"

    def wrong(self) -> str | None:
        """Return what is wrong with an answer."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{self.path}",
            json.dumps(self.body).encode(),
            {"content-type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            found = json.loads(answer.read())
        if self.name == "constant":
            return None
        outputs = found["outputs"] if isinstance(found, dict) else found
        if outputs and isinstance(outputs[0], dict):
            outputs = outputs[0]["data"]
        close = all(abs(a - b) < 1e-9 for a, b in zip(outputs, self.expected, strict=True))
        return None if close else f"wrong answer: {found}"

    def measure(self, script: Path, seconds: int, connections: int) -> None:
        """Send requests for some time, and note requests per second and processor time per request."""
        before = self.processor_s()
        url = f"http://127.0.0.1:{self.port}{self.path}"
        command = [*on_processor(1), "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(script), url]
        told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        if "Non-2xx" in told:
            raise SystemExit(f"{self.name} refused requests:\n{told}")
        (count,) = map(int, re.findall(r"(\d+) requests in", told))
        (rate,) = map(float, re.findall(r"Requests/sec:\s+([\d.]+)", told))
        self.rates.append(rate)
        self.costs.append((self.processor_s() - before) / max(count, 1) * 1e6)

    def processor_s(self) -> float:
        """Return the processor time that its process and what that started have used."""
        parents, ticks = {}, {}
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text().rpartition(")")[2].split()
            except OSError:
                continue  # it has just ended
            number = int(stat.parent.name)
            parents[number], ticks[number] = int(fields[1]), int(fields[11]) + int(fields[12])
        own = {self.process.pid}
        while more := {number for number, parent in parents.items() if parent in own} - own:
            own |= more
        return sum(ticks.get(number, 0) for number in own) / os.sysconf("SC_CLK_TCK")

    def stop(self) -> None:
        """End it and what it started."""
        try:
            os.killpg(self.process.pid, signal.SIGTERM)
            self.process.wait(15)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            os.killpg(self.process.pid, signal.SIGKILL)


def own_sides() -> list[Side]:
    """Return graphkit and what it is compared with on the same server."""
    python = sys.executable
    serve = (
        python,
        "-m",
        "graphkit",
        "serve",
        f"{SIDES / 'graphkit_side.py'}:linear",
        "--log-level",
        "warning",
        "--port",
    )
    uvicorn = (python, "-m", "uvicorn", *UVICORN)
    return [
        Side("graphkit", (*serve, "8860"), 8860),
        Side("graphkit, tensors", (*serve, "8861"), 8861, body=TENSOR),
        Side("raw ASGI", (*uvicorn, "--port", "8862", "raw_side:app"), 8862, aim=0.75),
        Side("constant", (*uvicorn, "--port", "8863", "constant_side:app"), 8863),
    ]


def batching_sides() -> list[Side]:
    """Return a scikit-learn model with micro-batching, and without."""
    serve = (sys.executable, "-m", "graphkit", "serve", "--log-level", "warning", "--port")
    path = "/v2/models/forest/infer"
    sides = []
    for port, name, attribute in ((8866, "in batches", "forest_in_batches"), (8867, "one by one", "forest")):
        command = (*serve, str(port), f"{SIDES / 'graphkit_side.py'}:{attribute}")
        sides.append(Side(name, command, port, path, {"inputs": ROWS[:1]}, expected=[0]))
    sides[1].aim = 3
    return sides


def peer_sides(folder: Path) -> list[Side]:
    """Return the peers, each in an environment of its own below a folder: ``mlserver``, ``bentoml``, ``ray``."""
    mlserver, bentoml, ray = (folder / name / "bin" for name in ("mlserver", "bentoml", "ray"))
    bento = (str(bentoml / "bentoml"), "serve", "bentoml_side:Linear", "--port", "8876", "--host", "127.0.0.1")
    return [
        Side(
            "MLServer", (str(mlserver / "mlserver"), "start", "."), 8873, body=TENSOR, folder=SIDES / "mlserver", aim=6
        ),
        Side("BentoML", bento, 8876, "/infer", aim=12),
        Side("Ray Serve", (str(ray / "python"), "ray_side.py", "8877"), 8877, "/infer", aim=40, start_s=120),
    ]


def script_for(side: Side, folder: Path) -> Path:
    """Write what wrk sends."""
    file = folder / f"{side.port}.lua"
    head = 'wrk.method = "POST"\nwrk.headers["content-type"] = "application/json"\n'
    file.write_text(f"{head}wrk.body = [====[{json.dumps(side.body)}]====]\n")
    return file


def run(sides: list[Side], rounds: int, seconds: int, connections: int) -> list[Side]:
    """Measure the sides in turns, every second round backwards; returns those that answered."""
    running = []
    try:
        for side in sides:
            problem = side.start()
            if problem is None:
                running.append(side)
            else:
                print(f"{side.name} is left out: {problem}", file=sys.stderr)
                side.stop()
        with tempfile.TemporaryDirectory() as name:
            scripts = {side.name: script_for(side, Path(name)) for side in running}
            for side in running:
                side.measure(scripts[side.name], min(seconds, 1), connections)
                side.rates.clear(), side.costs.clear()  # the first ones warm up
            for number in range(rounds):
                for side in running[:: -1 if number % 2 else 1]:
                    side.measure(scripts[side.name], seconds, connections)
    finally:
        for side in sides:
            if side.process is not None:
                side.stop()
    return running


def report(sides: list[Side]) -> None:
    """Print the figures."""
    ours = sides[0]
    print(f"{'':20}{'requests/s':>12}{'range':>18}{'CPU µs/request':>16}{'the first is':>14}{'aim':>8}")
    for side in sides:
        ratio = median(mine / theirs for mine, theirs in zip(ours.rates, side.rates, strict=True))
        cost = median(theirs / mine for mine, theirs in zip(ours.costs, side.costs, strict=True))
        aim = f"{side.aim:g}" if side.aim else ""
        spread = f"{min(side.rates):,.0f}-{max(side.rates):,.0f}"
        print(
            f"{side.name:20}{median(side.rates):12,.0f}{spread:>18}{median(side.costs):16.1f}{ratio:12.2f} x{aim:>8}"
            f"   (by processor time {cost:.2f} x)"
        )


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", type=Path, help="folder with environments named mlserver, bentoml and ray")
    parser.add_argument("--batching", action="store_true", help="a scikit-learn model with and without micro-batching")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=32)
    args = parser.parse_args()
    if shutil.which("wrk") is None:
        raise SystemExit("wrk is needed: apt-get install wrk, or brew install wrk")
    names = ("graphkit-serving", "uvicorn", "httptools", "msgspec", "numpy")
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    print(", ".join(f"{name} {version(name)}" for name in names))
    if args.batching:
        report(run(batching_sides(), args.rounds, args.seconds, 64))
        return
    sides = own_sides() + (peer_sides(args.peers) if args.peers else [])
    report(run(sides, args.rounds, args.seconds, args.connections))


if __name__ == "__main__":
    main()
