"""graphkit: build serving graphs in a notebook, see them, test them, and run the very same graph anywhere."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from graphkit.build.flow import FlowStep, RootFlowStep, new_flow
from graphkit.build.queue import QueueStep
from graphkit.build.steps import ErrorStep, RouterStep, TaskStep
from graphkit.core.context import GraphContext
from graphkit.core.errors import (
    BadRequest,
    CaseError,
    ExportError,
    GraphError,
    GraphkitError,
    MissingExtra,
    ModelNotFound,
    ModelNotReady,
    RunCancelled,
    SpecError,
    SpecWarning,
    StepError,
    StoreError,
    StreamError,
    TrustError,
    nearest,
)
from graphkit.core.event import Event, MockEvent, Response
from graphkit.core.ids import identities
from graphkit.core.protocols import seam
from graphkit.notebook.display import Display
from graphkit.runtime.burst import BurstReport
from graphkit.runtime.records import RunRecord
from graphkit.server.exporting import export as export_graph
from graphkit.server.functions import code_to_function, new_function
from graphkit.server.graph_server import GraphServer, create_graph_server, mock_server
from graphkit.server.pending import PendingRun
from graphkit.server.roots import new_router
from graphkit.server.single import init_step, run_step
from graphkit.steps.catalog import CATALOG
from graphkit.streams.open import Opener

if TYPE_CHECKING:
    from graphkit.cases.case import Case
    from graphkit.cases.check import CaseResult, check_case
    from graphkit.cases.file import CaseFile
    from graphkit.cases.runs import RunComparison, compare
    from graphkit.models.ensemble import VotingEnsemble
    from graphkit.models.parallel import ParallelRun
    from graphkit.models.router import ModelRouter
    from graphkit.models.store import DataItem
    from graphkit.models.tracking import tracking_frame
    from graphkit.models.v2 import V2ModelServer
    from graphkit.runtime.stepper import Stepper
    from graphkit.server.app import load_app
    from graphkit.server.http.app import asgi_app
    from graphkit.steps.choice import Choice
    from graphkit.steps.merge import Merge

__version__ = "0.1.0"


def _inspect(root: Any, server: Any, path: str) -> Any:
    from graphkit.notebook.inspection import Inspection  # what only notebooks need loads there

    return Inspection(root, server, path)


def _doubts(handle: Any, frozen: Any, topology: Any) -> Any:
    from graphkit.runtime.fits import doubts_of_handle

    return doubts_of_handle(handle, frozen, topology)


seam.mock_server = mock_server
seam.run_step = run_step
seam.init_step = init_step
seam.export = export_graph
_opener = Opener()
seam.open_stream = _opener.open
seam.check_stream = _opener.check
seam.new_id = identities()
seam.inspect = _inspect
seam.doubts = _doubts
seam.display = Display()

#: Opens a stream by its URL: ``open_stream("memory://jobs")``, ``open_stream("file:///data/events.db")``.
open_stream = seam.open_stream

# What is imported when it is first asked for, so that the package itself is light.
_LATER = {
    "Case": "graphkit.cases.case",
    "CaseFile": "graphkit.cases.file",
    "CaseResult": "graphkit.cases.check",
    "Choice": "graphkit.steps.choice",
    "DataItem": "graphkit.models.store",
    "RunComparison": "graphkit.cases.runs",
    "Stepper": "graphkit.runtime.stepper",
    "compare": "graphkit.cases.runs",
    "Merge": "graphkit.steps.merge",
    "ModelRouter": "graphkit.models.router",
    "ParallelRun": "graphkit.models.parallel",
    "V2ModelServer": "graphkit.models.v2",
    "VotingEnsemble": "graphkit.models.ensemble",
    "asgi_app": "graphkit.server.http.app",
    "check_case": "graphkit.cases.check",
    "load_app": "graphkit.server.app",
    "tracking_frame": "graphkit.models.tracking",
}


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return getattr(import_module(_LATER[name]), name)
    problem = f"module 'graphkit' has no attribute {name!r}"
    if name in CATALOG:
        module, _, attribute = CATALOG[name].partition(":")
        problem += f"; it is a step's class: graph.to({name!r}, ...), or from {module} import {attribute}"
    elif not name.startswith("_"):  # what tools ask for is not mistyped
        problem += nearest(name, __all__)
    raise AttributeError(problem)


def load_ipython_extension(ipython: Any) -> None:
    """Give a notebook the magics ``%graph`` and ``%test``; called by ``%load_ext graphkit``."""
    import_module("graphkit.notebook.magics").load(ipython)


def unload_ipython_extension(ipython: Any) -> None:
    """Take the magics away again; called by ``%unload_ext graphkit``."""
    import_module("graphkit.notebook.magics").unload(ipython)


def __dir__() -> list[str]:
    return sorted(__all__)


__all__ = [
    "BadRequest",
    "BurstReport",
    "Case",
    "CaseError",
    "CaseFile",
    "CaseResult",
    "Choice",
    "DataItem",
    "ErrorStep",
    "Event",
    "ExportError",
    "FlowStep",
    "GraphContext",
    "GraphError",
    "GraphServer",
    "GraphkitError",
    "Merge",
    "MissingExtra",
    "MockEvent",
    "ModelNotFound",
    "ModelNotReady",
    "ModelRouter",
    "ParallelRun",
    "PendingRun",
    "QueueStep",
    "Response",
    "RootFlowStep",
    "RouterStep",
    "RunCancelled",
    "RunComparison",
    "RunRecord",
    "SpecError",
    "SpecWarning",
    "StepError",
    "Stepper",
    "StoreError",
    "StreamError",
    "TaskStep",
    "TrustError",
    "V2ModelServer",
    "VotingEnsemble",
    "asgi_app",
    "check_case",
    "code_to_function",
    "compare",
    "create_graph_server",
    "load_app",
    "new_flow",
    "new_function",
    "new_router",
    "open_stream",
    "tracking_frame",
]
