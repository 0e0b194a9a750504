"""Who is measured against whom, and what graphkit aims at."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, kw_only=True)
class Contender:
    """One case of one side; ``at_most`` is the share of its time that graphkit may take."""

    side: str
    case: str
    label: str
    at_most: float | None = None


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One workload: graphkit's case and those beside it; ``limit_s`` is an absolute aim in seconds."""

    title: str
    ours: Contender
    others: tuple[Contender, ...] = ()
    limit_s: float | None = None


def _ours(case: str, label: str) -> Contender:
    return Contender(side="graphkit", case=case, label=f"graphkit, {label}")


def _plain(case: str, at_most: float | None = None) -> Contender:
    label = "plain awaits" if "async" in case else "plain calls"
    return Contender(side="graphkit", case=f"plain-{case}", label=label, at_most=at_most)


def _mlrun(case: str, engine: str, at_most: float | None = None) -> Contender:
    return Contender(side="mlrun", case=case, label=f"mlrun, {engine}", at_most=at_most)


def _storey(case: str) -> Contender:
    return Contender(side="storey", case=case, label="storey")


def _streamz(case: str, at_most: float | None = None) -> Contender:
    return Contender(side="streamz", case=case, label="streamz", at_most=at_most)


#: "The same time" leaves this much to noise.
SAME = 1.1


def _chain(steps: int, of_mlrun: float | None = None, of_plain: float | None = None) -> Comparison:
    case = f"chain-{steps}"
    return Comparison(
        title=f"{steps} functions in a row, `server.run(event)`",
        ours=_ours(case, "engine sync"),
        others=(
            _plain(case, of_plain),
            Contender(side="graphkit", case=f"{case}-async", label="graphkit, engine async"),
            _mlrun(case, "engine sync", of_mlrun),
            _mlrun(f"{case}-async", "engine async"),
            _storey(f"{case}-async"),
            _streamz(case),
        ),
    )


COMPARISONS = (
    _chain(3, of_mlrun=1 / 10),
    _chain(10),
    _chain(100, of_plain=1.6),
    Comparison(
        title='100 functions, `engine="async"`, nothing awaits',
        ours=_ours("chain-100-async", "engine async"),
        others=(Contender(side="graphkit", case="chain-100", label="graphkit, engine sync", at_most=SAME),),
    ),
    Comparison(
        title="100 `async def` steps that never suspend, `await server.run_async(event)`",
        ours=_ours("async-never-suspends-100", "run_async"),
        others=(
            _plain("chain-100", 4.0),
            _plain("async-never-suspends-100"),
            _mlrun("async-never-suspends-100", "engine async, from a synchronous caller"),
        ),
    ),
    *(
        Comparison(
            title=f"{steps} async steps that suspend once each, from a synchronous caller",
            ours=_ours(f"async-suspends-{steps}", "run"),
            others=(
                _mlrun(f"async-suspends-{steps}", "engine async", 1 / 2),
                _storey(f"async-suspends-{steps}"),
            ),
        )
        for steps in (10, 100)
    ),
    Comparison(
        title="Fan-out to 8, results added up in a join",
        ours=_ours("fan-out", "a Merge of one's own"),
        others=(_plain("fan-out"), _streamz("fan-out", 1 / 10), _mlrun("fan-out", "engine async")),
    ),
    Comparison(
        title="Fan-out to 8, results merged by key in a join",
        ours=_ours("fan-out-by-key", "Merge as it is"),
        others=(_plain("fan-out-by-key"), _streamz("fan-out-by-key"), _mlrun("fan-out-by-key", "engine async")),
    ),
    Comparison(
        title="Router with 10 models, one asked",
        ours=_ours("router-10", "10 models"),
        others=(_mlrun("router-10", "10 models", 1 / 8),),
    ),
    Comparison(
        title="Router with 1,000 models, one asked",
        ours=_ours("router-1000", "1,000 models"),
        others=(
            Contender(side="graphkit", case="router-10", label="graphkit, 10 models", at_most=SAME),
            _mlrun("router-1000", "1,000 models", 1 / 8),
        ),
    ),
    *(
        Comparison(
            title=f"Ensemble of 4, {how}, on {what}",
            ours=_ours(f"ensemble-{executor}-{samples}", executor),
            others=(_mlrun(f"ensemble-{executor}-{samples}", executor, at_most),),
        )
        for executor, how, samples, what, at_most in (
            ("array", "one by one", "number", "one number", 1 / 10),
            ("array", "one by one", "table", "25 rows of 4 numbers", None),
            ("thread", "threads", "number", "one number", 1 / 2),
            ("thread", "threads", "table", "25 rows of 4 numbers", None),
        )
    ),
    Comparison(
        title="100 functions, `server.test`: graphkit records each step, mlrun nothing",
        ours=_ours("test-100", "recorded"),
        others=(_mlrun("test-100", "not recorded", 1.0),),
    ),
    Comparison(
        title="900 steps: build, validate, bind, first answer",
        ours=_ours("build-900", "900 steps"),
        others=(_mlrun("build-900", "900 steps"),),
    ),
    Comparison(
        title="4,500 steps: build, validate, bind, first answer",
        ours=_ours("build-4500", "4,500 steps"),
        limit_s=1.0,
    ),
    Comparison(title="4,500 steps: DOT text", ours=_ours("dot-4500", "4,500 steps"), limit_s=1.0),
)

#: Cold starts: what a fresh interpreter runs, timed from inside; it prints seconds and the number of modules.
_COLD = (
    "import sys, time; t = time.perf_counter(); {}; print(time.perf_counter() - t, len(sys.modules), file=sys.stderr)"
)
IMPORTS = MappingProxyType(
    {
        "graphkit": _COLD.format("import graphkit"),
        "mlrun": _COLD.format("import mlrun, mlrun.serving"),
        "storey": _COLD.format("import storey"),
        "streamz": _COLD.format("import streamz"),
    }
)
IMPORT_LIMIT_S = 0.150

NOT_COMPARABLE = (
    "An event object is made for every event on both sides; mlrun gives each a random id at once, graphkit when the "
    "id is first read.",
    "mlrun's sync engine refuses branches, so its fan-out runs on the async engine, in another thread; a plain call "
    "and streamz stay in the caller's.",
    "graphkit gives branches and members of an ensemble a copy of the body each; for numbers that costs nothing, for "
    "lists of lists it does. streamz and mlrun's ensemble share one body, which a member may change under the others.",
    "streamz is driven synchronously and has no request and answer: the result is what the last sink received.",
    "4,500 steps are beyond mlrun: at 1,000 its start stops with a RecursionError, and with a higher limit the cycle "
    "check takes minutes. 900 steps stand in for it.",
    "mlrun's logging is set to ERROR, which makes it faster than it is out of the box.",
    "The steps do next to nothing on purpose. With models that take a millisecond, all engines here are equal.",
)
