"""What a server does beside answering single events: many rows at once, and runs that become cases."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from graphkit.core.errors import GraphkitError
from graphkit.runtime.offload import in_threads
from graphkit.server.forms import ServerForms

if TYPE_CHECKING:
    from graphkit.batch.job import Summary
    from graphkit.batch.options import Options
    from graphkit.cases.case import Case
    from graphkit.server.graph_server import GraphServer


class WorkMixin(ServerForms):
    """Adds batches and recorded cases to a server."""

    if TYPE_CHECKING:

        def run(self, event: Any, context: Any = None, get_body: bool = False) -> Any:
            """Answer an event; the server itself does."""

    def run_frame(
        self,
        table: Any,
        path: str = "/",
        *,
        shape: str | None = None,
        chunk: int = 10_000,
        columns: Iterable[str] | None = None,
        keep: Iterable[str] = (),
        column: str = "prediction",
        any_rows: bool = False,
        workers: int = 1,
        executor: str = "thread",
        errors: str = "raise",
        progress: bool | None = None,
    ) -> Any:
        """Send the rows of a table through the graph, and return the answers as a table with the same index.

        Nothing is recorded. A chunk that fails is halved until the rows are found that fail alone, so that steps may
        see a row more than once.

        Parameters
        ----------
        table
            A pandas DataFrame.
        path
            Path of the events, such as ``"tree/infer"``.
        shape
            How rows become events: ``"inputs"`` (``{"inputs": [[...], ...]}``, as models take them), ``"frame"`` (a
            DataFrame), ``"records"`` (a list of dicts), each one event per chunk, or ``"row"`` (a dict, one event per
            row). Left out, ``"inputs"`` for a graph with a router, else ``"frame"``.
        chunk
            Rows per chunk.
        columns
            Columns that the events hold; left out, all.
        keep
            Columns that the result has too.
        column
            Name of the result's column where the answers name none; rows of answers make ``prediction_0`` and so on.
        any_rows
            Whether an answer may have other rows than its chunk, as when the graph filters.
        workers
            How many chunks are answered side by side.
        executor
            ``"thread"``, or ``"process"``: each worker process gets a copy of the graph with its models.
        errors
            ``"raise"``, or ``"keep"``: rows that fail are empty, and ``result.attrs["errors"]`` lists them.
        progress
            Show a progress bar; left out, on terminals only.

        Raises
        ------
        GraphError
            If the graph cannot be bound, or an option is wrong.
        StepError
            If a row fails.

        Examples
        --------
        >>> import pandas
        >>> import graphkit
        >>> graph = graphkit.new_flow()
        >>> _ = graph.to(lambda table: table["x"] * 2, name="double").respond()
        >>> graph.to_mock_server().run_frame(pandas.DataFrame({"x": [1, 2]}), column="twice")["x"].tolist()
        [2, 4]
        """
        from graphkit.batch.frame import run_frame

        options = self._batch_options(
            path=path, shape=shape, chunk=chunk, columns=_names(columns), keep=_names(keep) or (), column=column,
            any_rows=any_rows, workers=workers, executor=executor,
        )  # fmt: skip
        self._remember_caller()  # here, where the caller can be seen: a context manager's frames hide it
        with self._side_by_side(options):
            return run_frame(self, table, options, errors, progress, self._opener(options, None))

    def run_file(
        self,
        source: str | Path,
        output: str | Path,
        path: str = "/",
        *,
        shape: str | None = None,
        chunk: int = 10_000,
        columns: Iterable[str] | None = None,
        keep: Iterable[str] = (),
        column: str = "prediction",
        any_rows: bool = False,
        workers: int = 1,
        executor: str = "thread",
        opener: Callable[[], Any] | None = None,
        input_format: str | None = None,
        output_format: str | None = None,
        overwrite: bool = False,
        restart: bool = False,
        max_errors: int | None = None,
        progress: bool | None = None,
    ) -> Summary:
        r"""Send the rows of a file through the graph, and write the answers to a file; memory stays bounded.

        The output has one row for each row of the input, in the same order. Rows that fail are empty in it; they stand
        in ``<output>.errors.jsonl`` with their position (from 0 on) and error. Lines that are no JSON, or have more
        fields than a CSV file has columns, fail so, too; with fewer fields, the last columns are empty. After a kill,
        the same call goes on where the run stopped: no row is lost and none is there twice, though steps may see one
        twice. It is refused where the graph, the code that its steps are made of, or the files of its models have
        changed since.

        Parameters
        ----------
        source, output
            ``.csv``, ``.parquet`` or ``.jsonl`` files.
        path, shape, chunk, columns, keep, column, any_rows, workers
            As in :meth:`run_frame`.
        executor
            ``"thread"``, or ``"process"``: each worker process gets a copy of the graph with its models.
        opener
            Makes the server in a worker process instead; must be picklable.
        input_format, output_format
            ``"csv"``, ``"parquet"`` or ``"jsonl"``, where the files' names do not say it.
        overwrite
            Replace an output that is there.
        restart
            Forget what an interrupted run has done.
        max_errors
            Stop when more rows failed than these; what was answered is kept.
        progress
            Show a progress bar; left out, on terminals only.

        Returns
        -------
        Summary
            Rows, failures and time.

        Raises
        ------
        GraphError
            If a file cannot be read or written, the graph cannot be bound, or an option is wrong; or if an interrupted
            run was asked for something else, or answered by other code or models.
        StepError
            If no row is to blame, such as for an unknown model, or if too many rows failed.

        Examples
        --------
        >>> import tempfile
        >>> import graphkit
        >>> graph = graphkit.new_flow()
        >>> _ = graph.to(name="double", handler="({'twice': event['x'] * 2})").respond()
        >>> folder = Path(tempfile.mkdtemp())
        >>> _ = (folder / "rows.jsonl").write_text('{"x": 1}\n{"x": 2}\n')
        >>> done = graph.to_mock_server().run_file(folder / "rows.jsonl", folder / "out.csv", shape="row")
        >>> done.rows, (folder / "out.csv").read_text()
        (2, 'twice\n2\n4\n')
        """
        from graphkit.batch.job import run_file

        options = self._batch_options(
            path=path, shape=shape, chunk=chunk, columns=_names(columns), keep=_names(keep) or (), column=column,
            any_rows=any_rows, workers=workers, executor=executor,
        )  # fmt: skip
        self._remember_caller()
        asked = self._marks()
        with self._side_by_side(options):
            return run_file(
                self, source, output, options, asked=asked, opener=self._opener(options, opener),
                input_format=input_format, output_format=output_format, overwrite=overwrite, restart=restart,
                max_errors=max_errors, progress=progress,
            )  # fmt: skip

    @contextmanager
    def _side_by_side(self, options: Options) -> Iterator[None]:
        """Keep a graph that awaits from running all plain steps on its one event loop, where chunks are to share it."""
        bound = None if options.workers == 1 or options.executor != "thread" else self._ready(check_names=True)
        if bound is None or not bound.awaits:
            yield
            return
        bound.offload = in_threads
        try:
            yield
        finally:
            bound.offload = None

    def flush(self) -> None:
        """Send on what batches and joins hold back, and write what is buffered; pools and connections stay open.

        :meth:`wait_for_completion` does the same and closes them.

        Raises
        ------
        GraphkitError
            If what is sent on fails.
        """
        bound = self._bound
        if bound is None:
            return
        try:
            bound.flush()
        except GraphkitError as exc:
            self._secrets.conceal(exc)
            raise
        finally:
            for step in bound.steps.values():
                log = getattr(step.object, "flush_tracking", None)
                if callable(log):
                    log()

    def record(
        self,
        name: str,
        run: Any = None,
        path: str | Path = "cases.yaml",
        rtol: float = 1e-6,
        atol: float = 1e-9,
        ignore: Iterable[str] | None = None,
    ) -> Case:
        """Write a recorded run into a file as a case: its event, and its answer as the one that is expected.

        ``graphkit test`` and pytest replay the file's cases without a notebook. What differs from run to run is not
        compared: the time stamps in models' answers, and the event's id unless the caller had given it.

        Parameters
        ----------
        name
            Name of the case; a case of the same name in the file is replaced.
        run
            A record, the id of a kept run, or its place in ``runs``; left out, the last run.
        path
            The file; made if it is not there. Its other cases and its comments stay.
        rtol, atol
            Tolerance of numbers: ``abs(found - expected) <= atol + rtol * abs(expected)``.
        ignore
            More places of the answer that are not compared: ``"outputs[*].seconds"``, ``"**.created"``.

        Raises
        ------
        GraphError
            If there is no such run.
        CaseError
            If event or answer were too large to be kept whole, hold what a file cannot hold, or hold a secret.

        Examples
        --------
        >>> import tempfile
        >>> import graphkit
        >>> graph = graphkit.new_flow()
        >>> _ = graph.to(name="double", handler="(event * 2)").respond()
        >>> server = graph.to_mock_server()
        >>> server.test(body=21)
        42
        >>> file = Path(tempfile.mkdtemp()) / "cases.yaml"
        >>> case = server.record("the answer", path=file)
        >>> print(file.read_text(), end="")
        cases:
        - name: the answer
          path: /
          body: 21
          answer: 42
        """
        from graphkit.cases.file import put_case
        from graphkit.cases.recording import case_of
        from graphkit.server.recorded import found_run

        if isinstance(ignore, str):
            ignore = (ignore,)
        case = case_of(found_run(self.runs, run), name, rtol, atol, ignore)
        put_case(path, case)
        return case

    def _batch_options(self, shape: str | None, **given: Any) -> Options:
        from graphkit.batch.options import Options, usual_shape

        return Options(shape=shape or usual_shape(self._graph), **given)

    def _opener(self, options: Options, given: Callable[[], Any] | None) -> Callable[[], Any] | None:
        if given is not None or options.executor != "process":
            return given
        from graphkit.server.portable import Portable

        return Portable(cast("GraphServer", self))

    def _marks(self) -> dict[str, Any]:
        """Return what decides the answers, as short texts that change with it."""
        from graphkit.server.marks import marks_of

        return marks_of(self)


def _names(given: Iterable[str] | None) -> tuple[str, ...] | None:
    if given is None:
        return None
    return (given,) if isinstance(given, str) else tuple(given)
