"""How a model is loaded, and what is said of one that is not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from graphkit.core.awaiting import is_awaitable
from graphkit.core.errors import FAILURES, GraphError, GraphkitError, ModelNotReady, told


class Loaded:
    """A model that is loaded from files, by a method that its class overrides.

    Attributes
    ----------
    ready, error
        Whether it is loaded, and the exception that ended its last load.
    """

    name: str
    context: Any
    model: Any
    model_path: str | None
    model_spec: Any
    ready: bool
    error: BaseException | None
    _params: dict[str, Any]
    _files: Any

    if TYPE_CHECKING:

        def _debug(self, message: str) -> None: ...

    def _load(self) -> None:
        self.error = None
        self._files = self._files_now()
        try:
            waiting: Any = self.load()  # type: ignore[func-returns-value]  # an override may be async by mistake
            if is_awaitable(waiting):
                waiting.close()
                raise GraphError(
                    f"model {self.name!r}: load must be a plain method; load_mode='async' runs it in the background"
                )
        except FAILURES as exc:  # kept: every request is answered with it
            self._not_loaded(exc)
            return
        self.ready = True
        self._debug(f"model {self.name!r} was loaded")

    def _not_loaded(self, exc: BaseException) -> None:
        self.error = exc
        if self.context is not None:
            self.error = self.context.conceal(exc)
            # graphkit's own errors say all there is; their traceback would be of its own lines
            trace = None if isinstance(exc, GraphkitError) else exc
            self.context.logger.error(f"model {self.name!r} could not be loaded: {told(exc)}", exc_info=trace)

    def is_outdated(self) -> bool:
        """Return whether the load failed, or the files below ``model_path`` have changed since.

        A graph asks when the model is added to it again, and makes and loads it again if so.
        """
        if self.error is not None:
            return True
        return self.ready and self._files is not None and bool(self._files_now() != self._files)

    def is_mended(self) -> bool:
        """Return whether the load failed and the files below ``model_path`` have changed since: it may succeed now."""
        return self.error is not None and self._files is not None and self._files_now() != self._files

    def _files_now(self) -> Any:
        from graphkit.models.store import fingerprint

        return None if self.model_path is None else fingerprint(self.model_path)

    def load(self) -> None:
        """Load the model into ``self.model``; override it, unless the model is given or needs no loading."""
        if self.model is None and self.model_path is not None:
            raise GraphError(
                f"model {self.name!r} has a model_path, but class {type(self).__name__} has no load method: "
                f"override load(self) and read the file that self.get_model() returns"
            )

    def get_model(self, suffix: str = "") -> tuple[str, dict[str, Any]]:
        """Return the model's local file and its extra data, and fill :attr:`model_spec`.

        Parameters that are stored with the model are there for :meth:`get_param` afterwards; those given to the
        model in the graph take precedence.

        Parameters
        ----------
        suffix
            Which file of a folder is the model, such as ``".pkl"``.

        Raises
        ------
        GraphError
            If the model has no ``model_path``.
        """
        if self.model_path is None:
            raise GraphError(f"model {self.name!r} has no model_path, so there is nothing to get")
        from graphkit.models.store import get_model

        trust = None if self.context is None else getattr(self.context, "trust", None)
        file, spec, extra = get_model(self.model_path, suffix, trust)
        if spec is not None:
            self.model_spec = spec
            self._params = {**spec.parameters, **self._params}
        return file, extra

    def get_param(self, key: str, default: Any = None) -> Any:
        """Return a parameter of the model, else of the server, else ``default``."""
        if key in self._params:
            return self._params[key]
        return default if self.context is None else self.context.get_param(key, default)

    def _why_not_ready(self) -> str:
        if self.error is not None:
            return f"model {self.name!r} could not be loaded: {told(self.error)}"
        return f"model {self.name!r} is not ready: it is not loaded yet"

    def _not_ready(self) -> ModelNotReady:
        refusal = ModelNotReady(self._why_not_ready())
        refusal.__cause__ = self.error
        return refusal
