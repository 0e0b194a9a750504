"""Identities of events: nobody gets one twice, in whichever thread or process."""

from __future__ import annotations

import os
import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from graphkit.core.ids import identities


def test_identities_are_32_hexadecimal_digits_and_all_different():
    new_id = identities()
    found = [new_id() for _ in range(2000)]
    assert len(set(found)) == 2000
    assert all(re.fullmatch("[0-9a-f]{32}", each) for each in found)


def test_threads_do_not_get_the_same():
    new_id = identities()
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: new_id(), range(20_000)))
    assert len(set(found)) == 20_000


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system cannot fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_does_not_get_what_its_parent_gets():
    new_id = identities()
    new_id()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, new_id().encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        assert pipe.read() not in {new_id() for _ in range(600)}
