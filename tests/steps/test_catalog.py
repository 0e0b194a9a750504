import importlib
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import graphkit
from graphkit.steps.catalog import CATALOG, PREFIXES


@pytest.mark.parametrize("name", sorted(CATALOG))
def test_every_name_leads_to_a_class(name):
    module, _, attribute = CATALOG[name].partition(":")
    assert find_spec(module) is not None
    found = getattr(importlib.import_module(module), attribute)
    assert isinstance(found, type)
    assert name in (found.__name__, "$remote")


def test_it_cannot_be_changed():
    with pytest.raises(TypeError):
        CATALOG["Mine"] = "a:b"


@pytest.mark.parametrize("path", ["mlrun.serving.", "mlrun.serving.routers.", "mlrun.serving.remote.", "storey."])
def test_the_packages_that_users_come_from_may_stand_before_a_name(path):
    assert path in PREFIXES


def test_it_imports_none_of_what_it_names():
    code = """
import sys, graphkit.steps.catalog
print([m for m in sys.modules if m.startswith(("graphkit.steps.", "httpx")) and m != "graphkit.steps.catalog"])
"""
    env = {**os.environ, "PYTHONPATH": str(Path(graphkit.__path__[0]).parent)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=env)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")
