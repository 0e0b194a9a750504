"""A step that is a call of another service: ``$remote``."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

from graphkit.core.paths import getter, setter
from graphkit.steps.base import LibraryStep, checked_count, full_event_of
from graphkit.steps.http import HttpCaller


class RemoteStep(LibraryStep):
    """Sends the body to another service over HTTP, and goes on with what it answers.

    A service that cannot be reached, or answers with a status of 500 and more, is asked again, with waits that
    double each time. Other failures are errors at once: the service may have acted on the request. The event's id
    and path travel as the headers ``X-Event-Id`` and ``X-Event-Path``. The call blocks the thread that it runs in.

    Parameters
    ----------
    url
        An ``http(s)://`` URL, or the name of a function that the server's parameter ``endpoints`` maps to one.
    subpath
        What follows the URL; ``"$path"`` is the event's path.
    method
        Left out, the event's method, else POST. With GET no body is sent.
    headers
        Headers of every request.
    url_expression, body_expression, headers_expression
        Expressions for the whole URL, the body and further headers, such as ``"event['url']"``. They know ``event``
        (the body; with ``full_event`` the Event), ``endpoint`` (the URL with the subpath), ``get_param(name)`` and
        ``get_secret(name)``.
    return_json
        Whether the answer is JSON. If not, it is JSON where its content type says so, else bytes.
    input_path, result_path
        Where in the body the part to send stands, and where the answer goes; left out, both are the body.
    max_in_flight
        How many requests may be under way at once; left out, any number.
    retries
        How often to ask again; 3 when left out.
    backoff_factor
        How long to wait, in seconds, before asking again for the first time; 0.5 when left out.
    timeout
        How long, in seconds, to wait for the connection and for each piece of the answer; ``None`` waits for ever.

    Raises
    ------
    MissingExtra
        If httpx is not installed.

    Examples
    --------
    >>> RemoteStep("https://models.example/iris", method="post", timeout=5)
    RemoteStep('RemoteStep')

    In a graph: ``graph.to("$remote", "iris", url="https://models.example/iris", result_path="iris")``.
    """

    def __init__(
        self,
        url: str | None = None,
        subpath: str | None = None,
        method: str | None = None,
        headers: Mapping[str, str] | None = None,
        url_expression: str | None = None,
        body_expression: str | None = None,
        return_json: bool = True,
        input_path: str | None = None,
        result_path: str | None = None,
        max_in_flight: int | None = None,
        retries: int | None = None,
        backoff_factor: float | None = None,
        timeout: float | None = 60.0,
        headers_expression: str | None = None,
        full_event: bool | None = None,
        name: str | None = None,
        context: Any = None,
        graph_step: Any = None,
    ) -> None:
        super().__init__(name, context)
        owner = type(self).__name__
        self._caller = HttpCaller(
            owner=owner,
            context=context,
            url=url,
            subpath=subpath,
            method=method,
            headers=headers,
            url_expression=url_expression,
            body_expression=body_expression,
            headers_expression=headers_expression,
            return_json=return_json,
            retries=retries,
            backoff_factor=backoff_factor,
            timeout=timeout,
        )
        self._full_event = full_event_of(full_event, graph_step)
        self._select = getter(input_path) if input_path else None
        self._put = setter(result_path) if result_path else None
        self._slots: Any = nullcontext()
        if max_in_flight is not None:
            self._slots = threading.BoundedSemaphore(checked_count("max_in_flight", max_in_flight, owner))

    def do_event(self, event: Any) -> Any:
        """Call the service; return the event with the answer in its body."""
        body = event.body if self._select is None else self._select(event.body)
        call = self._caller.call_for(event, body, event if self._full_event else body)
        with self._slots:
            answer = self._caller.send(call)
        event.body = answer if self._put is None else self._put(event.body, answer)
        return event

    def close(self) -> None:
        """Close the connections; the step can be used again."""
        self._caller.close()
