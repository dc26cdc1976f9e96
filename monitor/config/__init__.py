"""alerts.yaml: read it with `load`, ask what is wrong with it with `problems`."""

from monitor.config.loading import CHECK, LEDGER, REPLAY, RUN, find, load, load_part, problems, warnings
from monitor.config.model import Config
from monitor.config.problem import Problem

__all__ = [
    "CHECK",
    "LEDGER",
    "REPLAY",
    "RUN",
    "Config",
    "Problem",
    "find",
    "load",
    "load_part",
    "problems",
    "warnings",
]
