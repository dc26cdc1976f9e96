"""Tocsin: a streaming drift and silent-failure monitor for ML and LLM services."""

__version__ = "0.1.0"
