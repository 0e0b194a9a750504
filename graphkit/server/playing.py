"""What a server offers for work on a graph beside single tests: runs that can be cancelled, replays, bursts."""

from __future__ import annotations

from typing import Any

from graphkit.runtime.records import RunRecord
from graphkit.server.forms import ServerForms
from graphkit.server.recorded import record_run, replay_of


class PlayMixin(ServerForms):
    """Adds replays, runs in the background and bursts to a server."""

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
