"""A step that calls another service once for each item of a list, several at a time."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from graphkit.core.errors import BadRequest, StepError
from graphkit.core.paths import getter, setter
from graphkit.steps.base import LibraryStep, checked_count
from graphkit.steps.http import Call, HttpCaller


class BatchHttpRequests(LibraryStep):
    """Sends each item of a list to another service, and goes on with the list of answers, in the order of the items.

    The first request that fails fails the step; requests that have not begun are not sent then.

    Parameters
    ----------
    url, subpath, method, headers, url_expression, body_expression, headers_expression, return_json
        As in :class:`graphkit.steps.remote.RemoteStep`; expressions know the item as ``event``.
    input_path, result_path
        Where in the body the list stands, and where the answers go; left out, both are the body.
    retries, backoff_factor, timeout
        As in :class:`graphkit.steps.remote.RemoteStep`.
    max_in_flight
        How many requests may be under way at once, over all events; 8 when left out.

    Raises
    ------
    MissingExtra
        If httpx is not installed.

    Examples
    --------
    >>> BatchHttpRequests(url_expression="event['url']", method="get", max_in_flight=4)
    BatchHttpRequests('BatchHttpRequests')
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
        retries: int | None = None,
        backoff_factor: float | None = None,
        timeout: float | None = 60.0,
        max_in_flight: int | None = None,
        headers_expression: str | None = None,
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
        self._max_in_flight = checked_count("max_in_flight", 8 if max_in_flight is None else max_in_flight, owner)
        self._select = getter(input_path) if input_path else None
        self._put = setter(result_path) if result_path else None
        self._lock = threading.Lock()
        self._pool: Any = None

    def do_event(self, event: Any) -> Any:
        """Call the service for each item; return the event with the answers in its body."""
        items = event.body if self._select is None else self._select(event.body)
        if not isinstance(items, (list, tuple)):
            raise BadRequest(f"BatchHttpRequests needs a list of items, not a value of type {type(items).__name__}")
        calls = [self._caller.call_for(event, item, item) for item in items]
        # map() cancels what has not begun when an earlier call raises.
        answers = list(self._opened().map(self._send, range(len(calls)), calls)) if calls else []
        event.body = answers if self._put is None else self._put(event.body, answers)
        return event

    def close(self) -> None:
        """Wait for requests that are under way and close the connections; the step can be used again."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown()
        self._caller.close()

    def _send(self, index: int, call: Call) -> Any:
        try:
            return self._caller.send(call)
        except StepError as exc:
            raise StepError(f"{exc} (item {index})", status=exc.status) from exc

    def _opened(self) -> Any:
        with self._lock:
            if self._pool is None:
                from concurrent.futures import ThreadPoolExecutor

                self._pool = ThreadPoolExecutor(self._max_in_flight, thread_name_prefix=f"http-{self.name}")
            return self._pool
