"""Run all checks and tests: ``python binder/test.py``.

Style, types and the import contract first, then the unit tests, the examples in docstrings and the notebooks, with
coverage. Every check runs even if an earlier one failed; the exit status is 0 only if all passed. Arguments are handed
to pytest, and then only pytest runs: ``python binder/test.py tests/core -k paths``.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import environment

CHECKS = {
    "ruff check": ["-m", "ruff", "check", "."],
    "ruff format": ["-m", "ruff", "format", "--check", "."],
    "mypy": ["-m", "mypy"],
    "import contract": ["-c", "from importlinter.cli import lint_imports_command; lint_imports_command()", "--no-logo"],
}
NBVAL = [
    "--nbval",
    "--nbval-current-env",
    "--nbval-sanitize-with=tests/nbval_sanitize.cfg",
    "--nbval-cell-timeout=120",
]


def main() -> int:
    """Run the checks and tests; return 0 if all passed."""
    parser = argparse.ArgumentParser(description="Run graphkit's checks and tests.", epilog="Others go to pytest.")
    parser.add_argument("--checks-only", action="store_true", help="style, types and the import contract, no tests")
    options, for_pytest = parser.parse_known_args()
    python = environment.ready("all,dev")
    if for_pytest:
        return environment.run(python, "-m", "pytest", *NBVAL, *for_pytest)

    failed = [name for name, command in CHECKS.items() if not _passes(python, name, command)]
    if not options.checks_only and not _passes(python, "pytest", ["-m", "pytest", *_everything()]):
        failed.append("pytest")
    if failed:
        print(f"\nFailed: {', '.join(failed)}", flush=True)
    return 1 if failed else 0


def _everything() -> list[str]:
    notebooks = ["notebooks"] if (environment.CHECKOUT / "notebooks").is_dir() else []
    # A bare --cov would reach the notebooks' kernels as a source named True, and hang them.
    side_by_side = ["-n", "2", "--dist", "loadfile"]  # a file's tests may share a server, a browser or a kernel
    return [
        *NBVAL,
        *side_by_side,
        "--cov=graphkit",
        "--cov-report=term",
        "--durations=10",
        "tests",
        "graphkit",
        *notebooks,
    ]


def _passes(python: Path, name: str, command: list[str]) -> bool:
    print(f"\n== {name}", flush=True)
    start = time.monotonic()
    status = environment.run(python, *command)
    print(f"== {name}: {'passed' if status == 0 else 'FAILED'} in {time.monotonic() - start:.0f} s", flush=True)
    return status == 0


if __name__ == "__main__":
    sys.exit(main())
