"""The names of the step library, and where each class is. Importing this imports none of them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

#: Name, as it may stand in ``.to("Filter", ...)``, -> "module:attribute".
CATALOG: Mapping[str, str] = MappingProxyType(
    {
        "$remote": "graphkit.steps.remote:RemoteStep",
        "Batch": "graphkit.steps.batch:Batch",
        "BatchHttpRequests": "graphkit.steps.batch_http:BatchHttpRequests",
        "Choice": "graphkit.steps.choice:Choice",
        "ChoiceByField": "graphkit.steps.choice:ChoiceByField",
        "Extend": "graphkit.steps.functions:Extend",
        "Filter": "graphkit.steps.functions:Filter",
        "FlatMap": "graphkit.steps.functions:FlatMap",
        "Map": "graphkit.steps.functions:Map",
        "Merge": "graphkit.steps.merge:Merge",
        "ModelRouter": "graphkit.models.router:ModelRouter",
        "ParallelRun": "graphkit.models.parallel:ParallelRun",
        "RemoteStep": "graphkit.steps.remote:RemoteStep",
        "V2ModelServer": "graphkit.models.v2:V2ModelServer",
        "VotingEnsemble": "graphkit.models.ensemble:VotingEnsemble",
    }
)

#: What may stand before a name of the catalog: graphkit's own package, and those of the libraries that users come from.
PREFIXES: tuple[str, ...] = (
    "graphkit.",
    "mlrun.serving.routers.",
    "mlrun.serving.remote.",
    "mlrun.serving.merger.",
    "mlrun.serving.steps.",
    "mlrun.serving.v2_serving.",
    "mlrun.serving.",
    "storey.flow.",
    "storey.",
)


def is_catalogued(name: str) -> bool:
    """Return whether a name is one of the step library's.

    >>> is_catalogued("Filter"), is_catalogued("storey.Filter"), is_catalogued("os.system")
    (True, True, False)
    """
    return any(name.startswith(prefix) and name[len(prefix) :] in CATALOG for prefix in ("", *PREFIXES))
