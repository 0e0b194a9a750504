"""Settings for the whole suite."""

from __future__ import annotations

import hypothesis

# Scripts that run in environments of their own; tests/test_bench.py tries graphkit's half of them.
collect_ignore = ["bench"]

# A machine that does many things at a time is slow now and then; no test is about that.
hypothesis.settings.register_profile("graphkit", deadline=None)
hypothesis.settings.load_profile("graphkit")
