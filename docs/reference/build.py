"""Write the pages that are made of code, and views.md from a migrated ledger: `make docs`."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from alerts_page import alerts_yaml
from http_page import http
from record_page import record
from sqlalchemy import Engine, create_engine, text

from monitor.ledger.migrate import upgrade
from monitor.local.postgres import local_postgres
from monitor.web.metrics import METRICS

FOLDER: Final = Path(__file__).parent
_COLUMNS: Final = text("""
    SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod)
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE c.relnamespace = 'tocsin'::regnamespace AND c.relkind = 'v' AND a.attnum > 0
    ORDER BY c.relname, a.attnum
""")
_FUNCTIONS: Final = text("""
    SELECT p.proname, pg_get_function_arguments(p.oid), pg_get_function_result(p.oid)
    FROM pg_proc p WHERE p.pronamespace = 'tocsin'::regnamespace ORDER BY p.proname
""")
_METRICS: Final = """# Metrics

At `/metrics`, in Prometheus's text format. Alert rules on them are in `deploy/prometheus/tocsin.rules.yml`. This page
is made of the registry.

| metric | type | labels | meaning |
|---|---|---|---|
"""
_VIEWS: Final = """# Views and functions

The schema `tocsin` is the public interface to the ledger; the tables behind it are not. Times named `onset_at`,
`detected_at` and `pane_start` are event time, all others wall time. Questions to ask of them are in
[the day after](../postmortem.md). This page is made of a migrated database.
"""
_TYPES: Final = {"timestamp with time zone": "timestamptz", "double precision": "float8"}


def metrics() -> str:
    """The page of metrics."""
    rows = [
        f"| `{m.name}` | {m.type} | {', '.join(f'`{name}`' for name in m.labels)} | {m.help} |\n"
        for m in METRICS
    ]
    return _METRICS + "".join(rows)


def views(engine: Engine) -> str:
    """The page of views and functions, as the database describes them."""
    with engine.connect() as conn:
        columns = defaultdict(list)
        for view, column, kind in conn.execute(_COLUMNS):
            columns[view].append(f"`{column}` {_TYPES.get(kind, kind)}")
        functions = conn.execute(_FUNCTIONS).all()
    parts = [f"\n## {view}\n{', '.join(shown)}\n" for view, shown in columns.items()]
    parts += [
        f"\n## {name}()\n`tocsin.{name}({arguments})` gives `{result}`\n"
        for name, arguments, result in functions
    ]
    return _VIEWS + "".join(parts)


PAGES: Final[Mapping[str, Callable[[], str]]] = {
    "alerts-yaml.md": alerts_yaml,
    "http.md": http,
    "metrics.md": metrics,
    "record.md": record,
}
"""By file, all pages that need no database."""

if __name__ == "__main__":
    with local_postgres() as server:
        url = server.create_database("reference")
        upgrade(url)
        (FOLDER / "views.md").write_text(views(create_engine(url)), "utf-8")
    for name, made in PAGES.items():
        (FOLDER / name).write_text(made(), "utf-8")
