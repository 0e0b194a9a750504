"""Settings for the whole suite."""

from __future__ import annotations

# The benchmark's peers live in an environment of their own and cannot be imported here.
collect_ignore_glob = ["bench/peers/*"]
