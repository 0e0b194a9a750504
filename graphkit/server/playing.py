"""What a server offers for work on a graph beside single tests: runs that can be cancelled, replays, bursts."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from graphkit.runtime.records import RunRecord
from graphkit.runtime.stopping import StoppableRecorder
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
