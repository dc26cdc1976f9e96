"""The examples in docstrings are true."""

import doctest
import importlib
import pkgutil

import pytest

from monitor import records

MODULES = [f"monitor.records.{module.name}" for module in pkgutil.iter_modules(records.__path__)]


@pytest.mark.parametrize("module", MODULES)
def test_examples_of(module: str) -> None:
    assert doctest.testmod(importlib.import_module(module)).failed == 0
