"""One side of the benchmark in a process of its own: ``worker.py SIDE``, driven by JSON lines on standard input.

``{"do": "prepare", "case": NAME, "sample_s": S}`` builds a case, verifies its answer and finds out how many events
take about ``S`` seconds; ``{"do": "sample", "case": NAME}`` times that many once and answers microseconds per event;
``{"do": "drop", "case": NAME}`` closes it.
"""

from __future__ import annotations

import importlib
import json
import math
import os
import sys
import time
import traceback
from typing import IO, Any

from workloads import Case


class Worker:
    """The cases of one side that are prepared at the moment."""

    def __init__(self, side: str) -> None:
        self._name = f"sides.{side}_side"
        self._ready: dict[str, tuple[Case, int]] = {}

    @property
    def _side(self) -> Any:
        # Imported with the first request, so that a failure is a reply.
        return importlib.import_module(self._name)

    def prepare(self, case: str, sample_s: float) -> dict[str, Any]:
        """Build a case and refuse it if its answer is wrong."""
        if case not in self._side.CASES:
            raise LookupError(f"{self._name} has no case {case!r}")
        built = self._side.CASES[case]()
        answer = built.many(1)
        if answer != built.expected:
            built.close()
            raise ValueError(f"{case}: the answer is {answer!r}, not {built.expected!r}")
        loops = _loops(built, sample_s)
        self._ready[case] = (built, loops)
        return {"loops": loops}

    def sample(self, case: str) -> dict[str, Any]:
        """Time one batch of events."""
        built, loops = self._ready[case]
        start = time.perf_counter()
        answer = built.many(loops)
        taken = time.perf_counter() - start
        if answer != built.expected:
            raise ValueError(f"{case}: the last answer of {loops} is {answer!r}, not {built.expected!r}")
        return {"us": taken / loops * 1e6}

    def drop(self, case: str) -> dict[str, Any]:
        """Close a case."""
        self._ready.pop(case)[0].close()
        return {}

    def versions(self) -> dict[str, Any]:
        """Say what is measured."""
        return {"python": sys.version.split()[0], **self._side.versions()}


def _loops(case: Case, sample_s: float) -> int:
    """Return how many events take about ``sample_s``; the search is the warm-up too."""
    loops = 1
    while (taken := _seconds(case, loops)) < sample_s / 4:
        loops *= 2
    return max(1, math.ceil(loops * sample_s / taken))


def _seconds(case: Case, loops: int) -> float:
    start = time.perf_counter()
    case.many(loops)
    return time.perf_counter() - start


def main() -> None:
    """Answer requests until standard input ends."""
    replies = _take_standard_output()
    worker = Worker(sys.argv[1])
    for line in sys.stdin:
        request = json.loads(line)
        try:
            reply = getattr(worker, request.pop("do"))(**request)
        except Exception as exc:
            reply = {"error": f"{type(exc).__name__}: {exc}", "traceback": traceback.format_exc()}
        replies.write(json.dumps(reply) + "\n")
        replies.flush()
    # Threads of flows that were not closed would keep the process alive.
    os._exit(0)


def _take_standard_output() -> IO[str]:
    # Some peers log to standard output; that must not get between the replies.
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return replies


if __name__ == "__main__":
    main()
