"""Every public function has an example, and every example is true."""

import doctest
import importlib
import inspect
import pkgutil

import pytest

import detectors

MODULES = [
    importlib.import_module(f"detectors.{module.name}") for module in pkgutil.iter_modules(detectors.__path__)
]
PUBLIC = [
    (module, name)
    for module in MODULES
    if module.__name__ not in ("detectors.checks", "detectors.errors")
    for name, found in inspect.getmembers(module, inspect.isfunction)
    if found.__module__ == module.__name__ and not name.startswith("_")
]


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_examples_of(module):
    assert doctest.testmod(module).failed == 0


@pytest.mark.parametrize(("module", "name"), PUBLIC, ids=lambda part: getattr(part, "__name__", part))
def test_has_an_example(module, name):
    assert ">>>" in (inspect.getdoc(getattr(module, name)) or "")
