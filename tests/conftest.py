"""Settings for the whole suite."""

from __future__ import annotations

# Scripts that run in environments of their own; tests/test_bench.py tries graphkit's half of them.
collect_ignore = ["bench"]
