"""What a server offers for work on a graph beside single tests: runs that can be cancelled, replays, bursts."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from importlib.util import find_spec
from typing import Any

from graphkit.core.errors import GraphError
from graphkit.runtime.burst import Burst, BurstReport
from graphkit.runtime.records import RunRecord
from graphkit.runtime.stopping import StoppableRecorder
from graphkit.server.bursts import new_burst, watched
from graphkit.server.forms import ServerForms
from graphkit.server.pending import PendingRun
from graphkit.server.recorded import new_event, record_run, replay_of


class PlayMixin(ServerForms):
    """Adds replays, runs in the background and bursts to a server."""

    def submit(
        self,
        path: str = "/",
        body: Any = None,
        method: str = "",
        content_type: str | None = None,
        silent: bool = False,
        get_body: bool = True,
        headers: Mapping[str, Any] | None = None,
        event_id: str | None = None,
        trigger: Any = None,
        offset: Any = None,
        time: Any = None,
    ) -> PendingRun:
        """Send one event as :meth:`test` does, in a thread of its own, so that the caller goes on.

        Parameters
        ----------
        path, body, method, content_type, silent, get_body, headers, event_id, trigger, offset, time
            As in :meth:`test`.

        Returns
        -------
        PendingRun
            The run: ``result()`` waits for its answer, ``cancel()`` ends it, also where a step hangs.

        Raises
        ------
        TypeError
            If ``path`` is no text: the body is the second argument.
        """
        event = new_event(path, body, method, content_type, headers, event_id, trigger, offset, time)
        self._remember_caller()
        recorder = StoppableRecorder(event, self._secrets, self)
        return PendingRun(self, recorder, partial(record_run, self, event, recorder, get_body), silent).start()

    def submit_replay(self, run: Any = None, start: str | None = None) -> PendingRun:
        """Replay a run as :meth:`replay` does, in a thread of its own.

        Parameters
        ----------
        run, start
            As in :meth:`replay`.

        Returns
        -------
        PendingRun
            The run; its ``record`` is the replay's once it has ended. ``result()`` raises what the run raised.

        Raises
        ------
        GraphError
            If it cannot be replayed, as in :meth:`replay`.
        """
        self._remember_caller()
        wanted = replay_of(self, run, start, StoppableRecorder)
        job = partial(record_run, self, wanted.event, wanted.recorder, again=wanted.again)
        return PendingRun(self, wanted.recorder, job).start()

    def replay(self, run: Any = None, start: str | None = None) -> RunRecord:
        """Send a recorded event again through the graph as it is now, and return the record of that.

        Parameters
        ----------
        run
            A record, the id of a kept run, or its place in ``runs``; left out, the last run.
        start
            Path of the step to start from, with the input that it had; left out, the whole run is repeated. What the
            step leads to runs again, also where that was never reached; the records of all other steps are taken over
            and marked as ``replayed``. For a route its router is taken; a join gets the other branches' events again.

        Returns
        -------
        RunRecord
            The new record, kept in ``runs`` as well; ``replay_of`` is the id of the old one. A run that fails is
            recorded, and not raised. The event gets an id of its own, unless the caller had given one.

        Raises
        ------
        GraphError
            If there is no such run or step, the step did not run, or its input was not kept whole: too large, of a
            type that is not copied, or with a secret in it.

        Examples
        --------
        >>> from graphkit import new_flow
        >>> graph = new_flow()
        >>> first = graph.to(name="double", handler="(event * 2)")
        >>> second = first.to(name="text", handler="('it is ' + str(event))")
        >>> server = graph.to_mock_server()
        >>> server.test(body=21)
        'it is 42'
        >>> second.handler = "('it was ' + str(event))"
        >>> server.replay(start="text").answer
        'it was 42'
        """
        wanted = replay_of(self, run, start)
        return record_run(self, wanted.event, wanted.recorder, again=wanted.again).record

    def burst(
        self,
        path: str = "/",
        body: Any = None,
        n: int = 100,
        concurrency: int = 4,
        progress: bool = True,
        method: str = "",
        content_type: str | None = None,
        headers: Mapping[str, Any] | None = None,
    ) -> BurstReport:
        """Send one event many times, several at once, and measure; nothing is recorded.

        Parameters
        ----------
        path, body, method, content_type, headers
            The event, as in :meth:`test`; each time it is sent with a copy of the body.
        n
            How many times.
        concurrency
            How many are under way at once, each in a thread of its own.
        progress
            Show a progress bar, where tqdm is installed.

        Returns
        -------
        BurstReport
            Latencies, percentiles, throughput, and errors by message. An interrupt (the kernel's stop button, Ctrl-C)
            ends the burst early: the report is that of the events that were answered, and is marked as cancelled.

        Raises
        ------
        GraphError
            If ``n`` or ``concurrency`` is no whole number from 1 on, or the graph cannot be bound.
        TypeError
            If ``path`` is no text, or the body cannot be copied.

        Examples
        --------
        >>> from graphkit import new_flow
        >>> graph = new_flow()
        >>> _ = graph.to(name="double", handler="(event * 2)")
        >>> report = graph.to_mock_server().burst(body=21, n=50, progress=False)
        >>> report.sent, report.errors, len(report.latencies_us)
        (50, {}, 50)
        """
        self._remember_caller()
        return watched(new_burst(self, path, body, n, concurrency, method, content_type, headers), progress)

    def _new_burst(
        self, path: str, body: Any, n: int, concurrency: int, method: str, content_type: str | None
    ) -> Burst:
        return new_burst(self, path, body, n, concurrency, method, content_type)

    def playground(self) -> Any:
        """Return controls around the live picture of the graph, to show in a notebook.

        There one sends events and cancels them, looks at the last runs, walks through them step by step, replays them
        from a step on, compares two of them, and sends bursts. The kernel stays usable meanwhile.

        Returns
        -------
        Playground
            A widget. Without ipywidgets and anywidget: the picture and the last run, and a line that says what to
            install.

        Raises
        ------
        GraphError
            If the server has no graph yet.

        Examples
        --------
        >>> from graphkit import new_flow
        >>> graph = new_flow()
        >>> _ = graph.to(name="double", handler="(event * 2)")
        >>> playground = graph.to_mock_server().playground()
        """
        if self._graph is None:
            raise GraphError("the server has no graph yet: set_topology('flow') or set_topology('router') starts one")
        self._remember_caller()
        if any(find_spec(package) is None for package in ("ipywidgets", "anywidget")):
            from graphkit.notebook.playground_parts import StaticPlayground

            return StaticPlayground(self)
        from graphkit.notebook.playground import Playground

        return Playground(self)
