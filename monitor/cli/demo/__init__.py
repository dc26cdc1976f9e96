"""`tocsin demo`: a chat model's day in 90 seconds, on real servers."""

from monitor.cli.demo.command import demo

__all__ = ["demo"]
