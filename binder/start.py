"""Open the tutorial in JupyterLab: ``python binder/start.py``.

Makes a virtual environment in the user's cache folder on the first run, and uses it again afterwards.
"""

from __future__ import annotations

import argparse
import os
import sys
from urllib.parse import quote

import environment

TUTORIAL = "notebooks/01_quickstart.ipynb"


def main() -> int:
    """Install graphkit with what the tutorials need, and start JupyterLab on one of them."""
    parser = argparse.ArgumentParser(
        description="Open the graphkit tutorial in JupyterLab.", epilog="Other options are handed to JupyterLab."
    )
    parser.add_argument("notebook", nargs="?", default=TUTORIAL, help=f"what to open (default: {TUTORIAL})")
    parser.add_argument("--no-browser", action="store_true", help="print the address instead of opening a browser")
    parser.add_argument("--port", type=int, help="port of JupyterLab (default: 8888, or the next free one)")
    parser.add_argument("--setup-only", action="store_true", help="install, and stop there")
    options, for_lab = parser.parse_known_args()
    if not (environment.CHECKOUT / options.notebook).exists():
        parser.error(f"{options.notebook} is not in {environment.CHECKOUT}")

    python = environment.ready("notebook,examples")
    if options.setup_only:
        return 0
    return environment.run(python, *lab_arguments(options, for_lab))


def lab_arguments(options: argparse.Namespace, for_lab: list[str]) -> list[str]:
    """Return the arguments that start JupyterLab.

    The notebook is its default address and not a file to open: a file is opened in a browser, but the address that
    is printed would lead to the launcher.
    """
    arguments = ["-m", "jupyterlab", f"--LabApp.default_url=/lab/tree/{quote(options.notebook)}", *for_lab]
    if options.no_browser:
        arguments.append("--no-browser")
    if options.port:
        arguments.append(f"--port={options.port}")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        # In a container the user is root as a rule, and JupyterLab would refuse. It listens on this machine only.
        arguments.append("--allow-root")
    return arguments


if __name__ == "__main__":
    sys.exit(main())
