"""alerts.yaml: read it with `load`, ask what is wrong with it with `problems`."""

from monitor.config.loading import CHECK, LEDGER, REPLAY, RUN, find, load, problems
from monitor.config.problem import Problem

__all__ = ["CHECK", "LEDGER", "REPLAY", "RUN", "Problem", "find", "load", "problems"]
