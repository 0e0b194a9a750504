"""The OpenAPI document of a server: what is served under ``/v2``, with the models that there are."""

from __future__ import annotations

from typing import Any

from graphkit.server.catalog import Catalog
from graphkit.server.oip.tensors import BYTES, DTYPES

_ANY: dict[str, Any] = {}
_OBJECT = {"type": "object"}
_STRING = {"type": "string"}
_CHUNKS = ("text/event-stream", "application/x-ndjson")
_ERROR = {"$ref": "#/components/schemas/Error"}


_FORMS = (
    "A failure is told in one sentence. What the server itself refuses (401, 405, 408, 413, 415, 429, 431, 504), and "
    'what is asked about it and its models, is JSON: `{"error": "..."}`. What a model or a step could not answer is '
    "JSON, too, where the request brings tensors of the Open Inference Protocol, has the header "
    "`Accept: application/json`, or is answered in chunks; else it is the sentence itself, as `text/plain`. Answers "
    "that a graph's own code makes have the form that it gives them."
)


def document(catalog: Catalog, version: str, needs_key: bool) -> dict[str, Any]:
    """Return the document.

    Parameters
    ----------
    catalog
        The models.
    version
        Of the program.
    needs_key
        Whether requests must bring a key.

    Examples
    --------
    >>> import graphkit
    >>> server = graphkit.GraphServer(graphkit.new_flow("calc"))
    >>> _ = server.graph.to(name="double", handler="(event * 2)").respond()
    >>> server.init()
    >>> sorted(document(Catalog(server._bound, "calc"), "1", False)["paths"])[-2:]
    ['/v2/models/calc/infer', '/v2/models/calc/ready']
    """
    paths: dict[str, Any] = {
        "/v2": _read("About the server", "ServerMetadata"),
        "/v2/health/live": _read("Whether the process answers", "Live"),
        "/v2/health/ready": _read("Whether every model is loaded", "Ready", {"503": _json("Ready")}),
        "/v2/models": _read("The models", "Models"),
    }
    for served in catalog.all():
        base = f"/v2/models/{served.name}" + (f"/versions/{served.version}" if served.version else "")
        tag = served.name
        paths[base] = _read(f"About {tag}", "ModelMetadata", tag=tag)
        paths[f"{base}/ready"] = _read(f"Whether {tag} is loaded", "ModelReady", {"408": _json("ModelReady")}, tag)
        paths[f"{base}/infer"] = {"post": _infer(tag, strict=getattr(served.object, "protocol", "v2") == "oip")}
    if not catalog.routers:
        paths["/"] = {"post": _flow(catalog.names()[0])}
    found: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": "graphkit", "version": version, "description": _FORMS},
        "paths": paths,
        "components": {"schemas": _schemas()},
    }
    if needs_key:
        found["components"]["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer"}}
        found["security"] = [{"bearer": []}]
    return found


def _json(schema: str) -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
    return {"description": schema, "content": content}


def _failure(description: str) -> dict[str, Any]:
    """Return a failure's two forms; :data:`_FORMS` says which one it has."""
    content = {"application/json": {"schema": _ERROR}, "text/plain": {"schema": _STRING}}
    return {"description": description, "content": content}


_FAILURES = {
    "400": _failure("The request cannot be used"),
    "401": _failure("A key is missing"),
    "404": _failure("There is no such model"),
    "408": _failure("The body came too slowly"),
    "413": _failure("The body is too large"),
    "415": _failure("The body is packed in a way that is not known"),
    "429": _failure("Too many requests at a time"),
    "500": _failure("A step failed"),
    "503": _failure("The model is not ready"),
    "504": _failure("The answer took too long"),
}


def _read(summary: str, schema: str, more: dict[str, Any] | None = None, tag: str = "server") -> dict[str, Any]:
    failures = {status: _FAILURES[status] for status in ("401", "404", "429")}
    return {"get": {"summary": summary, "tags": [tag], "responses": {"200": _json(schema), **failures, **(more or {})}}}


def _infer(model: str, strict: bool) -> dict[str, Any]:
    tensors = {"$ref": "#/components/schemas/InferenceRequest"}
    plain = {"$ref": "#/components/schemas/PlainRequest"}
    schema = tensors if strict else {"anyOf": [tensors, plain]}
    answers = {
        "anyOf": [
            {"$ref": "#/components/schemas/InferenceResponse"},
            {"$ref": "#/components/schemas/PlainResponse"},
        ]
    }
    return {
        "summary": f"Ask {model}",
        "tags": [model],
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}},
        "responses": {
            "200": {
                "description": "What the model answers, in the dialect of the request; where it yields, and the client "
                "accepts chunks, an answer for each",
                "content": {
                    "application/json": {"schema": answers},
                    "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
                    **{kind: {"schema": _STRING} for kind in _CHUNKS},
                },
            },
            **_FAILURES,
        },
    }


def _flow(name: str) -> dict[str, Any]:
    content = {"application/json": {"schema": _ANY}}
    answers = {kind: {"schema": _ANY} for kind in ("application/json", "text/plain", *_CHUNKS)}
    return {
        "summary": f"Send an event through {name}",
        "tags": [name],
        "requestBody": {"content": content},
        "responses": {"200": {"description": "What the graph answers", "content": answers}, **_FAILURES},
    }


def _record(required: dict[str, Any], optional: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"type": "object", "required": [*required], "properties": {**required, **(optional or {})}}


def _list_of(schema: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "array", "items": schema, **more}


def _schemas() -> dict[str, Any]:
    shape = _list_of({"type": "integer", "minimum": 0})
    tensor = {"name": _STRING, "shape": shape, "datatype": {"enum": [*DTYPES, BYTES]}}
    told = "Nested or flat. JSON has neither NaN nor infinities: null stands for them, and binary tensors hold them."
    data = {"data": _list_of(_ANY, description=told), "parameters": _OBJECT}
    field = _record({"name": _STRING, "datatype": _STRING, "shape": _list_of({"type": "integer"})})
    about = {"name": _STRING, "version": _STRING, "versions": _list_of(_STRING), "platform": _STRING}
    wanted = _list_of(_record({"name": _STRING}, {"parameters": _OBJECT}))
    ready = {"type": "boolean"}
    return {
        "Error": _record({"error": _STRING}),
        "ServerMetadata": _record({"name": _STRING, "version": _STRING, "extensions": _list_of(_STRING)}),
        "Live": _record({"live": ready}),
        "Ready": _record({"ready": ready, "live": ready}, {"models": _OBJECT, "reason": _STRING}),
        "Models": _record({"models": _list_of(_STRING)}),
        "ModelMetadata": _record({**about, "inputs": _list_of(field), "outputs": _list_of(field)}),
        "ModelReady": _record({"name": _STRING, "ready": ready}, {"error": _STRING}),
        "InferenceRequest": _record(
            {"inputs": _list_of(_record({**tensor, "data": data["data"]}, {"parameters": _OBJECT}), minItems=1)},
            {"id": _STRING, "parameters": _OBJECT, "outputs": wanted},
        ),
        "InferenceResponse": _record(
            {"model_name": _STRING, "outputs": _list_of(_record(tensor, data))},
            {"id": _STRING, "model_version": _STRING, "parameters": _OBJECT},
        ),
        "PlainRequest": _record({"inputs": _list_of(_ANY)}, {"id": _ANY}),
        "PlainResponse": _record({"model_name": _STRING, "outputs": _ANY}, {"id": _ANY, "timestamp": _STRING}),
    }
