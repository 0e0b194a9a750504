"""``graphkit serve``: a graph over HTTP."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from graphkit.cli import common
from graphkit.server.settings import CHOICES, Settings, file_beside, read_settings

# In the order of their listing. What is secret is no flag: every user of the machine sees the flags of a process.
_HELP = {
    "host": "Address to listen at; 0.0.0.0 for all of the machine's.",
    "port": "Port to listen at.",
    "uds": "Path of a Unix socket to listen at instead.",
    "workers": "How many processes answer.",
    "reload": "Start again when a file changes; for development.",
    "tls_cert": "File of the certificate, for https.",
    "tls_key": "File of its key.",
    "threads": "Threads of a worker that run such graphs.",
    "timeout_s": "Seconds that an answer may take (504); 0 is no limit.",
    "max_in_flight": "Requests at a time, per worker (429).",
    "max_body_bytes": "Size of a body (413).",
    "max_header_bytes": "Size of the headers (431).",
    "header_timeout_s": "Seconds that a client may take to send headers.",
    "body_timeout_s": "Seconds that a client may take to send a body (408).",
    "keep_alive_s": "Seconds that an idle connection stays open.",
    "drain_s": "Seconds after SIGTERM in which requests are still taken.",
    "graceful_s": "Seconds after that in which answers may end.",
    "api_keys_file": "File of keys, one on each line; a request must bring one.",
    "cors_origins": "Origins whose pages may send requests: A,B or *.",
    "allowed_data_urls": "Prefixes below which a data_url may be read: A,B.",
    "gzip_min_bytes": "Size from which on answers are compressed; 0 is never.",
    "docs": "Serve /docs and /openapi.json.",
    "metrics": "What /metrics tells.",
    "traces": "Make OpenTelemetry spans.",
    "access_log": "Log every request.",
    "log_steps": "Name the step in lines that steps log.",
    "log_format": "Form of the log; text on a terminal, else json.",
    "log_level": "Least level that is logged.",
}


def _options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add an option for each setting."""
    defaults = dict(zip(Settings.__struct_fields__, Settings.__struct_defaults__, strict=True))
    for name, text in reversed(_HELP.items()):
        flag, default = "--" + name.replace("_", "-"), defaults[name]
        if isinstance(default, bool):
            option = click.option(f"{flag}/--no-{flag[2:]}", name, default=None, help=text)
        elif name in CHOICES:
            option = click.option(flag, name, type=click.Choice(CHOICES[name]), help=f"{text} [default: {default}]")
        elif isinstance(default, tuple):
            option = click.option(flag, name, metavar="A,B", help=text)
        else:
            shown = f"{text} [default: {default}]" if default not in ("", 0) else text
            option = click.option(flag, name, type=type(default), help=shown)
        function = option(function)
    return function


@click.command(
    epilog="""\b
Examples
  graphkit serve app/
  graphkit serve graph.py --reload
  graphkit serve package.module:graph --port 80 --host 0.0.0.0 --workers 4
  GRAPHKIT_API_KEYS=s3cret graphkit serve app/
  curl -d '{"inputs": [[1, 2]]}' localhost:8080/v2/models/MODEL/infer

\b
Settings come from the part "server" of the settings.yaml beside the graph (or the file of --settings), then from the
environment (GRAPHKIT_PORT=80), then from the flags; the last one counts. "graphkit describe" prints them. Keys stand in
a file, or in GRAPHKIT_API_KEYS. An empty variable counts as not set, but never opens a server to everybody.
Relative names of files count from the folder of the settings.yaml that they stand in, else from the working directory.

\b
Each answer tells the id of its request in X-Request-Id: the one that the client sent, or a new one. The log, its access
log and spans know the request by that id.

\b
SIGTERM and Ctrl-C end it after every request that was taken is answered.

\b
Exit status: 0 it was ended, 1 it could not start, 2 the command was not understood."""
)
@common.target
@common.module
@common.settings
@_options
def command(target: str, module: str | None, file: Path | None, **flags: Any) -> None:
    """Serve a graph over HTTP: the V2 dialect and the Open Inference Protocol.

    TARGET is a folder, a saved graph, module:attribute or a notebook (see graphkit --help).
    """
    from graphkit.server.http.serve import serve

    if flags["log_format"] is None and sys.stderr.isatty():
        flags["log_format"] = "text"
    settings = read_settings(file or file_beside(target), flags=flags)
    if settings.workers == 1 and not settings.reload:
        serve(common.opened(target, module).server, settings)
    else:
        serve(target, settings, module)  # each worker opens it for itself
