"""The models that a bound graph serves: by name and version, with what is known of each and whether it is ready."""

from __future__ import annotations

from typing import Any

from graphkit.core.errors import BadRequest, ModelNotFound, choices, nearest
from graphkit.core.event import Event
from graphkit.models.addresses import BY_ROW, Address, parse
from graphkit.models.router import BaseModelRouter
from graphkit.runtime.graph import BoundGraph
from graphkit.server.last_models import last_models
from graphkit.server.oip.dialect import half_formed, is_oip
from graphkit.server.oip.exchange import Exchange
from graphkit.server.oip.tensors import datatype_of

PREFIX, HEALTH = "v2/models", "v2/health"
PLATFORM = "graphkit"
# The operations whose requests may bring tensors; where there is none, it is for predictions, or the body says.
_WITH_TENSORS = frozenset({*BY_ROW, "explain", ""})


class Served:
    """One model, or one version of it.

    Parameters
    ----------
    name, version
        As in its URL.
    object
        What answers: a model, an ensemble; ``None`` for a plain function and for a flow.
    versions
        All versions that there are of the name.
    """

    def __init__(self, name: str, version: str, object: Any, versions: tuple[str, ...]) -> None:
        self.name = name
        self.version = version
        self.object = object
        self.versions = versions

    @property
    def ready(self) -> bool:
        """Whether it can answer now."""
        members = getattr(self.object, "_models", None)
        models = members().values() if callable(members) else [self.object]
        return all(getattr(model, "ready", True) for model in models)

    @property
    def why_not(self) -> str | None:
        """Why its load failed, if it did."""
        error = getattr(self.object, "error", None)
        return None if error is None else f"{type(error).__name__}: {error}"

    def metadata(self) -> dict[str, Any]:
        """Return what is known of it: the V2 dialect's fields, and those of the Open Inference Protocol."""
        # an ensemble's get_metadata speaks of it as a router
        method = "_about" if isinstance(self.object, BaseModelRouter) else "get_metadata"
        about = getattr(self.object, method, None)
        known = dict(about()) if callable(about) else {}
        return {
            **known,
            "name": self.name,
            "version": self.version,
            "versions": list(self.versions),
            "platform": PLATFORM,
            "inputs": [_tensor(feature) for feature in known.get("inputs") or ()],
            "outputs": [_tensor(feature) for feature in known.get("outputs") or ()],
        }


def _operation(address: Address, body: Any) -> str:
    """Return what is asked for: the URL says so, also the one that asks an ensemble itself, or else the body."""
    if address.operation or (address.model and address.model in _WITH_TENSORS):
        return address.operation or address.model
    given = body.get("operation") if type(body) is dict else None
    return given.strip("/") if isinstance(given, str) else ""


def _tensor(feature: Any) -> dict[str, Any]:
    """Return one input or output of a schema with the fields that the Open Inference Protocol asks for."""
    field = dict(feature) if isinstance(feature, dict) else {"name": str(feature)}
    dims = field.get("dims")
    shape = [-1 if size is None else int(size) for size in dims] if isinstance(dims, list) else [-1]
    return {**field, "datatype": datatype_of(field.get("value_type")), "shape": field.get("shape") or shape}


class Catalog:
    """The models of one bound graph.

    Routers are looked through wherever they stand in a flow; a flow without any is served as one model of its own
    name.

    Parameters
    ----------
    bound
        The graph.
    name
        What a flow without routers is called.
    """

    def __init__(self, bound: BoundGraph, name: str = "") -> None:
        self.bound = bound
        self._flow = name or "graph"
        self.routers = [
            step.object for step in bound.steps.values() if isinstance(getattr(step, "object", None), BaseModelRouter)
        ]
        #: Whether a model waits for others' requests, so that it must be asked on an event loop.
        self.waits = any(getattr(step.object, "batcher", None) is not None for step in bound.steps.values())
        #: The ids of the models whose answers nothing changes: where a client takes chunks, they may come so.
        self.last_models = frozenset(map(id, last_models(bound)))
        # whether a model takes requests of the Open Inference Protocol only
        self._strict = any(getattr(step.object, "protocol", None) == "oip" for step in bound.steps.values())

    def names(self) -> list[str]:
        """Return the models' names, without versions, in order."""
        if not self.routers:
            return [self._flow]
        keys = (key for router in self.routers for key in router._names())
        return list(dict.fromkeys(key.partition(":")[0] for key in keys))

    def keys(self) -> list[str]:
        """Return what a router lists: names, with their versions."""
        if not self.routers:
            return [self._flow]
        return list(dict.fromkeys(key for router in self.routers for key in router._names()))

    def find(self, name: str, version: str = "") -> Served | None:
        """Return a model, or ``None``; without a version the unversioned one, else a model's only version."""
        if not self.routers:
            return Served(name, "", None, ()) if name == self._flow and not version else None
        versions = tuple(key.partition(":")[2] for key in self.keys() if key.startswith(f"{name}:"))
        key = f"{name}:{version}" if version else name
        for router in self.routers:
            route = router.routes.get(key)
            if route is not None:
                return Served(name, version, getattr(route, "async_object", None), versions)
            if key == router.name and key in router._names():
                return Served(name, "", router, ())
        return None

    def get(self, name: str, version: str = "") -> Served:
        """Return a model; raises ModelNotFound, which names the nearest."""
        found = self.find(name, version)
        if found is not None:
            return found
        names = self.names()
        if name not in names:
            raise ModelNotFound(f"there is no model {name!r}{nearest(name, names)}; there is {choices(names)}")
        versions = [key.partition(":")[2] for key in self.keys() if key.startswith(f"{name}:")]
        if version:
            raise ModelNotFound(f"model {name!r} has no version {version!r}; there is {choices(versions)}")
        raise ModelNotFound(f"model {name!r} is served by version only: add /versions/ and {choices(versions)}")

    def all(self) -> list[Served]:
        """Return every model, every version of it."""
        found = (self.find(*key.partition(":")[::2]) for key in self.keys())
        return [served for served in found if served is not None]

    def addressed(self, path: str) -> tuple[Address, Served | None]:
        """Return what a path asks for, and the model that it goes to where that is known."""
        address = parse(path, PREFIX, HEALTH)
        name, _, version = address.model.partition(":")
        return address, self.find(name, version)

    # ---- the Open Inference Protocol ------------------------------------------------------------------------

    def exchange(self, event: Event) -> Exchange | None:
        """Put a plain request into an event that brings tensors, and return what turns the answer back.

        That is for predictions and explanations; other operations get their request as it came. A model whose
        ``protocol`` is ``"oip"`` takes no other requests; one with another protocol of its own gets its request as it
        came.

        Raises
        ------
        BadRequest
            If the tensors cannot be used or are not whole, or the model takes nothing but tensors.
        """
        tensors = is_oip(event.body)
        problem = "" if tensors else half_formed(event.body)
        if not (tensors or problem or self._strict) or event.method == "GET":
            return None
        address, served = self.addressed(event.path)
        operation = _operation(address, event.body)
        if operation not in _WITH_TENSORS:
            return None
        protocol = "v2" if served is None else getattr(served.object, "protocol", "v2")
        if problem and protocol in ("v2", "oip") and self._asks_a_model(served):
            raise BadRequest(problem)
        if not tensors and protocol == "oip":
            raise BadRequest(f"model {address.model!r} takes requests of the Open Inference Protocol only")
        if not tensors or protocol not in ("v2", "oip"):
            return None
        name, _, version = address.model.partition(":")
        model = None if served is None else served.object
        exchange = Exchange(event.body, model, name or self._flow, version, of_schema=operation != "explain")
        event.body = exchange.plain
        return exchange

    def _asks_a_model(self, served: Served | None) -> bool:
        """Return whether a request goes to a model, as far as is known: functions may take dicts of any keys."""
        if served is not None:
            return served.object is not None
        root = self.bound.steps.get("")
        return root is not None and root.kind == "router"
