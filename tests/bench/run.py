"""graphkit beside its peers in one run: ``python tests/bench/run.py --peers``. See README.md in this folder."""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from comparisons import COMPARISONS, IMPORT_LIMIT_S, IMPORTS, NOT_COMPARABLE, Comparison, Contender

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PEERS = ("mlrun", "storey", "streamz")
PEER_REQUIREMENTS = ("mlrun==1.12.1", "packaging", "streamz==0.6.6")
PEER_PYTHON = "python3.11"  # the only one that mlrun 1.12 installs on


class Side:
    """A worker process of one side."""

    def __init__(self, name: str, python: str) -> None:
        self.name = name
        environment = {**os.environ, "PYTHONHASHSEED": "0"}
        if name == "graphkit":
            environment["PYTHONPATH"] = str(ROOT)
        self._process = subprocess.Popen(
            [python, str(HERE / "worker.py"), name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
        )

    def ask(self, do: str, **arguments: Any) -> dict[str, Any]:
        """Send one request and wait for its reply."""
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None or self._process.poll() is not None:
            return {"error": f"the worker of {self.name} has ended"}
        try:
            stdin.write(json.dumps({"do": do, **arguments}) + "\n")
            stdin.flush()
            line = stdout.readline()
        except BrokenPipeError:
            line = ""
        reply: dict[str, Any] = json.loads(line) if line else {"error": f"the worker of {self.name} has ended"}
        return reply

    def close(self) -> None:
        """End the worker."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait(timeout=30)


@dataclass
class Line:
    """What was measured of one contender, one number per round."""

    contender: Contender
    samples: list[float]
    error: str = ""

    @property
    def us(self) -> float:
        """Median of microseconds per event."""
        return median(self.samples)


def measure(comparison: Comparison, sides: dict[str, Side], rounds: int, sample_s: float) -> list[Line]:
    """Measure all contenders of a comparison in turn, round by round, so that drift of the machine hits all."""
    lines = [Line(contender, []) for contender in (comparison.ours, *comparison.others) if contender.side in sides]
    for line in lines:
        # Long samples for steady medians; a case of seconds is one event anyway.
        reply = sides[line.contender.side].ask("prepare", case=line.contender.case, sample_s=sample_s)
        line.error = reply.get("error", "")
    for number in range(rounds):
        # Every second round backwards: who comes after whom matters on small machines.
        for line in lines if number % 2 == 0 else reversed(lines):
            if not line.error:
                reply = sides[line.contender.side].ask("sample", case=line.contender.case)
                line.error = reply.get("error", "")
                line.samples += [reply["us"]] if "us" in reply else []
    for line in lines:
        if not line.error:
            sides[line.contender.side].ask("drop", case=line.contender.case)
    return lines


def ratio(ours: Line, other: Line) -> float:
    """Median of the rounds' ratios, ours to the other's."""
    return median(a / b for a, b in zip(ours.samples, other.samples, strict=True))


def report(comparison: Comparison, lines: list[Line]) -> list[dict[str, Any]]:
    """Print one comparison; return it as records."""
    print(f"\n### {comparison.title}\n")
    print("| | median | range | graphkit takes | aim | |")
    print("|---|---:|---:|---:|---:|---|")
    ours = lines[0]
    records = []
    for line in lines:
        if line.error:
            print(f"| {line.contender.label} | - | - | - | - | not measured: {_cell(line.error)} |")
            records.append({"title": comparison.title, "label": line.contender.label, "error": line.error})
            continue
        share = ratio(ours, line) if line is not ours and not ours.error else None
        aim, met = _aim(comparison, line, share)
        spread = f"{_time(min(line.samples))} - {_time(max(line.samples))}"
        print(f"| {line.contender.label} | {_time(line.us)} | {spread} | {_share(share)} | {aim} | {met} |")
        records.append(
            {
                "title": comparison.title,
                "label": line.contender.label,
                "median_us": line.us,
                "samples_us": line.samples,
                "ratio": share,
                "at_most": line.contender.at_most,
                "met": {"met": True, "MISSED": False}.get(met),
            }
        )
    return records


def _aim(comparison: Comparison, line: Line, share: float | None) -> tuple[str, str]:
    if share is None:
        if comparison.limit_s is None:
            return "", ""
        return f"{comparison.limit_s:g} s", "met" if line.us <= comparison.limit_s * 1e6 else "MISSED"
    if line.contender.at_most is None:
        return "", ""
    return _share(line.contender.at_most), "met" if share <= line.contender.at_most else "MISSED"


def _share(value: float | None) -> str:
    if value is None:
        return ""
    return f"1/{1 / value:.3g}" if value < 0.5 else f"{value:.2f} x"


def _time(us: float) -> str:
    if us >= 1e6:
        return f"{us / 1e6:.2f} s"
    return f"{us / 1e3:.2f} ms" if us >= 1e4 else f"{us:.2f} us" if us < 100 else f"{us:.0f} us"


def _cell(text: str) -> str:
    return text.replace("|", "/").replace("\n", " ")[:160]


def report_imports(pythons: dict[str, str], rounds: int) -> list[dict[str, Any]]:
    """Measure the import of every side in fresh interpreters, in turn."""
    print("\n### Import, in a fresh interpreter\n\n| | median | modules loaded | aim | |\n|---|---:|---:|---:|---|")
    found: dict[str, list[list[float]]] = {side: [] for side in pythons}
    # What is installed has its byte code; without this, a checkout would be compiled at each start.
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    for _ in range(rounds + 1):
        for side, python in pythons.items():
            code = [python, "-c", IMPORTS[side]]
            done = subprocess.run(code, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
            last = (done.stderr.strip().splitlines() or [""])[-1].split()
            if done.returncode == 0 and len(last) == 2:
                found[side].append([float(number) for number in last])
    records = []
    for side, numbers in found.items():
        if not numbers:
            print(f"| {side} | - | - | - | not measured |")
            continue
        # The first start reads the disk and writes byte code.
        seconds = median(number[0] for number in numbers[1:] or numbers)
        ours = side == "graphkit"
        met = ("met" if seconds <= IMPORT_LIMIT_S else "MISSED") if ours else ""
        aim = f"{IMPORT_LIMIT_S * 1000:.0f} ms" if ours else ""
        print(f"| {side} | {seconds * 1000:.0f} ms | {numbers[-1][1]:.0f} | {aim} | {met} |")
        records.append({"title": "import", "label": side, "median_us": seconds * 1e6, "modules": numbers[-1][1]})
    return records


def peer_python(given: str | None) -> str:
    """Return a Python that has the peers; make an environment for them if none is given."""
    if given:
        return given
    interpreter = shutil.which(PEER_PYTHON)
    if interpreter is None:
        sys.exit(f"The peers need {PEER_PYTHON}, which is not on the PATH; --peer-python names one that has them.")
    sys.path.insert(0, str(ROOT / "binder"))
    import environment

    return str(environment.with_packages("bench-peers", PEER_REQUIREMENTS, interpreter))


def print_machine(sides: dict[str, Side]) -> None:
    """Print what the figures depend on."""
    print(f"Machine: {platform.platform()}, {_processor()}, {os.cpu_count()} cores")
    if hasattr(os, "getloadavg"):
        print(f"Load at the start: {os.getloadavg()[0]:.1f}")
    for side in sides.values():
        versions = side.ask("versions")
        versions.pop("traceback", None)
        print(f"{side.name}: " + ", ".join(f"{name} {value}" for name, value in versions.items()))


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [
            line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")
        ]
        return names[0] if names else platform.machine()
    return platform.processor() or platform.machine()


def main() -> int:
    """Measure, print, and return 0 if graphkit answered everything."""
    parser = argparse.ArgumentParser(description="graphkit beside mlrun, storey and streamz.")
    parser.add_argument("--peers", action="store_true", help="measure the peers too; makes their environment if needed")
    parser.add_argument("--peer-python", metavar="PATH", help="a Python that has the peers installed (implies --peers)")
    parser.add_argument("--only", metavar="TEXT", help="comparisons whose title contains this")
    parser.add_argument("--rounds", type=int, default=7, help="how often everything is measured (default: 7)")
    parser.add_argument(
        "--sample-s", type=float, default=0.1, help="length of one measurement in seconds (default: 0.1)"
    )
    parser.add_argument("--json", metavar="FILE", help="write everything measured to this file as well")
    options = parser.parse_args()

    pythons = {"graphkit": sys.executable}
    if options.peers or options.peer_python:
        pythons |= dict.fromkeys(PEERS, peer_python(options.peer_python))
    chosen = [each for each in COMPARISONS if (options.only or "").lower() in each.title.lower()]
    sides = {name: Side(name, python) for name, python in pythons.items()}
    try:
        print_machine(sides)
        records = []
        for comparison in chosen:
            records += report(comparison, measure(comparison, sides, options.rounds, options.sample_s))
    finally:
        for side in sides.values():
            side.close()
    if not options.only or options.only.lower() in "import":
        records += report_imports(pythons, options.rounds)
    print("\nNot comparable, or only with a grain of salt:\n" + "\n".join(f"- {note}" for note in NOT_COMPARABLE))
    if options.json:
        Path(options.json).write_text(json.dumps(records, indent=1), encoding="utf-8")
    return 1 if any("error" in record and record["label"].startswith("graphkit") for record in records) else 0


if __name__ == "__main__":
    sys.exit(main())
