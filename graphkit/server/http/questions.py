"""What is answered about the server and its models without running the graph: health, metadata, lists of models."""

from __future__ import annotations

from typing import Any

from graphkit.core.errors import GraphkitError, ModelNotFound
from graphkit.server.catalog import Catalog
from graphkit.server.graph_server import GraphServer
from graphkit.server.http.wire import Answer, as_json, refusal

EXTENSIONS = ["binary_tensor_data", "streaming_answers"]
_LIVE, _READY = "/v2/health/live", "/v2/health/ready"
#: Questions that need no key.
HEALTH = frozenset({_LIVE, _READY})
_ONLY_GET = ((b"allow", b"GET, HEAD"),)
_ONLY_POST = ((b"allow", b"POST"),)


class Questions:
    """Answers questions under ``/v2``, as the Open Inference Protocol's REST API asks them.

    Parameters
    ----------
    server
        Whose models.
    version
        Of the program.
    """

    def __init__(self, server: GraphServer, version: str) -> None:
        self._server = server
        self._version = version
        #: Set when the server is about to end: it reports itself as not ready, and still answers.
        self.draining = False

    def catalog(self) -> Catalog:
        """Return the models; raises GraphkitError if the graph cannot be bound."""
        return self._server._catalog_of(self._server._ready(check_names=False))

    def answer(self, method: str, path: str) -> Answer | None:
        """Return the answer to a question, or ``None`` where the graph must be asked."""
        parts = path.strip("/").split("/")
        if parts[0] != "v2":
            return None
        try:
            return self._answer(method, parts)
        except ModelNotFound as exc:
            return refusal(404, exc.message)
        except GraphkitError as exc:
            error = self._server._presentable(exc, None)
            return refusal(503, f"the graph cannot be used: {error.message}")

    def _answer(self, method: str, parts: list[str]) -> Answer | None:
        reading = method in ("GET", "HEAD")
        match parts[1:]:
            case []:
                return self._about() if reading else refusal(405, "", _ONLY_GET)
            case ["health", "live"]:
                return as_json({"live": True}) if reading else refusal(405, "", _ONLY_GET)
            case ["health", "ready"]:
                return self._readiness() if reading else refusal(405, "", _ONLY_GET)
            case ["models"]:
                return self._models() if reading else None
            case ["models", name, *rest]:
                version, operation = "", rest
                if len(rest) > 1 and rest[0] == "versions":
                    version, operation = rest[1], rest[2:]
                return self._of_model(method, name, version, operation)
        return None

    def _of_model(self, method: str, name: str, version: str, operation: list[str]) -> Answer | None:
        reading = method in ("GET", "HEAD")
        if operation in ([], ["ready"]):
            if not reading:
                return refusal(405, "", _ONLY_GET) if operation else None
            served = self.catalog().get(name, version)
            if not operation:
                return as_json(served.metadata())
            known = {"name": name, "ready": served.ready}
            if not served.ready and served.why_not:
                known["error"] = self._server._secrets.redact(served.why_not)
            return as_json(known, 200 if served.ready else 408)
        if operation == ["infer"] and method != "POST":
            return refusal(405, "", _ONLY_POST)
        return None

    def _about(self) -> Answer:
        name = self._server.graph.name if self._server.graph is not None else ""
        return as_json({"name": name or "graphkit", "version": self._version, "extensions": EXTENSIONS})

    def _models(self) -> Answer | None:
        """Return the list of models of a flow; a router at the root answers for itself."""
        if getattr(self._server.graph, "kind", "") == "router":
            return None
        return as_json({"models": self.catalog().keys()})

    def _readiness(self) -> Answer:
        if self.draining:
            return as_json({"ready": False, "live": True, "reason": "the server is shutting down"}, 503)
        waiting = [served for served in self.catalog().all() if not served.ready]
        if not waiting:
            return as_json({"ready": True, "live": True})
        missing: dict[str, Any] = {
            f"{served.name}:{served.version}" if served.version else served.name: self._server._secrets.redact(
                served.why_not or "is not loaded yet"
            )
            for served in waiting
        }
        return as_json({"ready": False, "live": True, "models": missing}, 503)
