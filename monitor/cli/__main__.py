"""`python -m monitor.cli` is `tocsin`."""

from monitor.cli import main

main()
