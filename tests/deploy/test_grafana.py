"""The dashboards are what their program writes, and every query in them is answered by a real ledger."""

import json
import re
import runpy
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import pytest
from ruamel.yaml import YAML
from sqlalchemy import create_engine, text
from sqlalchemy.exc import ProgrammingError

from monitor.ledger.migrate import upgrade
from monitor.web.metrics import METRICS

CHOSEN = {
    "stream": 'chat\'s "own"',
    "rate": "error",
    "distribution": "latency_ms",
    "category": "finish_reason",
}
SINCE = datetime(2026, 11, 1, 12, tzinfo=UTC)
UNTIL = SINCE + timedelta(hours=1)


def boards(deploy):
    return {
        path.name: json.loads(path.read_text()) for path in (deploy / "grafana/dashboards").glob("*.json")
    }


def panels(board):
    for panel in board["panels"]:
        yield from panel.get("panels", []) if panel["type"] == "row" else [panel]


def queries(board, key):
    found = [
        (panel["title"], target[key])
        for panel in panels(board)
        for target in panel["targets"]
        if key in target
    ]
    if key == "rawSql":
        found += [
            (a["name"], a["target"]["rawSql"])
            for a in board["annotations"]["list"]
            if "rawSql" in a["target"]
        ]
        found += [(v["name"], v["query"]) for v in board["templating"]["list"]]
    return found


def expanded(sql):
    """What Grafana's Postgres data source makes of its macros and variables."""
    quoted = {name: "'" + value.replace("'", "''") + "'" for name, value in CHOSEN.items()}
    sql = re.sub(r"\$\{(\w+):sqlstring\}", lambda m: quoted[m[1]], sql)
    since, until = (f"'{moment:%Y-%m-%dT%H:%M:%SZ}'" for moment in (SINCE, UNTIL))
    group = r"to_timestamp(floor(extract(epoch from \1) / 60) * 60)"
    sql = re.sub(r"\$__timeGroupAlias\(([\w.]+), \$__interval\)", group + ' AS "time"', sql)
    sql = re.sub(r"\$__timeGroup\(([\w.]+), \$__interval\)", group, sql)
    sql = re.sub(r"\$__timeFilter\(([\w.]+)\)", rf"\1 BETWEEN {since} AND {until}", sql)
    sql = sql.replace("$__timeFrom()", since).replace("$__timeTo()", until)
    return sql.replace("$__interval_ms", "60000").replace("$__interval", "1m")


def test_the_files_are_what_the_program_writes(deploy):
    written = runpy.run_path(str(deploy / "grafana/build.py"))["written"]()
    assert written == {path.name: path.read_text() for path in (deploy / "grafana/dashboards").iterdir()}


def test_every_query_of_the_ledger_is_answered_to_a_role_that_may_only_read_views(
    deploy, database_url, postgres
):
    role = "as_" + urlsplit(database_url).path.strip("/")
    script = (deploy / "postgres/grafana.sql").read_text()
    script = re.sub(r"^\\getenv.*$", "", script, flags=re.MULTILINE).replace(":'password'", "'pass'")
    owner = create_engine(database_url)
    with owner.begin() as conn:
        conn.execute(text(script.replace("tocsin_read", role)))
    upgrade(database_url)
    reader = create_engine(owner.url.set(username=role, password="pass"))
    with reader.connect() as conn:
        asked = queries(boards(deploy)["streams.json"], "rawSql")
        for _, sql in asked:
            conn.exec_driver_sql(expanded(sql).replace("%", "%%"))
        assert len(asked) > 12
        with pytest.raises(ProgrammingError, match="permission denied for schema tocsin_ledger"):
            conn.execute(text("SELECT * FROM tocsin_ledger.stream"))
    reader.dispose()
    with owner.begin() as conn:
        conn.execute(text(f"DROP OWNED BY {role} CASCADE"))
        conn.execute(text(f"DROP ROLE {role}"))
    owner.dispose()


def test_every_metric_asked_for_is_one_of_ours(deploy):
    asked = queries(boards(deploy)["tocsin.json"], "expr")
    named = {name for _, expr in asked for name in re.findall(r"\btocsin_\w+", expr)}
    assert named <= {row.name for row in METRICS}
    assert len(named) > 8


def test_every_panel_has_a_description_and_a_source_that_is_provisioned(deploy):
    sources = YAML(typ="safe").load(deploy / "grafana/provisioning/datasources/tocsin.yaml")["datasources"]
    known = {(source["type"], source["uid"]) for source in sources}
    for board in boards(deploy).values():
        for panel in panels(board):
            assert panel["description"]
            assert (panel["datasource"]["type"], panel["datasource"]["uid"]) in known


def test_nothing_is_laid_over_anything_else(deploy):
    for board in boards(deploy).values():
        taken = set()
        for panel in board["panels"]:
            at = panel["gridPos"]
            cells = {
                (x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])
            }
            assert not cells & taken
            assert at["x"] + at["w"] <= 24
            taken |= cells
