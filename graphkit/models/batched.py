"""A model's side of micro-batching: what it costs nothing to have where it is off."""

from __future__ import annotations

from collections.abc import Mapping
from inspect import isasyncgenfunction, isgeneratorfunction
from typing import Any

from graphkit.core.errors import GraphError

#: The arguments of a model that turn it on.
ARGUMENTS = ("max_batch_size", "max_delay_ms", "max_waiting")


def yields(who: str) -> str:
    """Return why a model's requests cannot be batched: nobody could tell whose a chunk is."""
    return f"{who}: predict yields, so that requests cannot share a call: leave out max_batch_size, or return a list"


class Batched:
    """A model that may collect concurrent requests.

    Attributes
    ----------
    batcher
        What collects them, a :class:`~graphkit.models.batching.Batcher`; ``None`` where micro-batching is off.
    """

    batcher: Any = None
    name: str
    context: Any

    def predict(self, request: Any) -> Any:
        """Return the predictions for ``request["inputs"]``."""
        raise NotImplementedError

    def _collect(self, arguments: Mapping[str, Any]) -> None:
        """Collect requests from now on, if the arguments say so; raises GraphError with all that is wrong with them."""
        from graphkit.models.batching import batcher_of  # its asyncio loads where it is wanted

        # looked up anew each time, since a method may be replaced
        who = f"model {self.name!r}"
        self.batcher = batcher_of(arguments, who, lambda request: self.predict(request), self._warn)
        if self.batcher is not None and (isgeneratorfunction(self.predict) or isasyncgenfunction(self.predict)):
            raise GraphError(yields(who))

    @property
    def awaits(self) -> bool:
        """Whether requests wait for others."""
        return self.batcher is not None

    def finish_batches(self, wait: bool = True) -> None:
        """Send on the requests that wait for others, and return when they are answered."""
        if self.batcher is not None:
            self.batcher.drain(wait)

    def _warn(self, message: str) -> None:
        if self.context is not None:
            self.context.logger.warning(message)
