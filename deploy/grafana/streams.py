"""The dashboard on the ledger's views: one stream, its signals, its incidents."""

from typing import Final

from grafana_foundation_sdk.builders.dashboard import Dashboard, Row
from parts import AMBER, RED, Sql, annotation, board, lines, number, rows, variable

STREAMS: Final = "SELECT stream FROM tocsin.streams WHERE state <> 'retired' ORDER BY stream"
_KNOWN: Final = """SELECT DISTINCT signal FROM tocsin.{view}
WHERE stream = ${{stream:sqlstring}} AND pane_start > now() - interval '1 hour' ORDER BY signal"""

REQUESTS: Final = """
SELECT $__timeGroupAlias(pane_start, $__interval), sum(n) / ($__interval_ms / 60000.0) AS requests
FROM tocsin.panes WHERE stream = ${stream:sqlstring} AND $__timeFilter(pane_start) GROUP BY 1 ORDER BY 1"""

RATES: Final = """
SELECT $__timeGroupAlias(pane_start, $__interval), signal AS metric, sum(k)::float8 / nullif(sum(n), 0) AS share
FROM tocsin.rates
WHERE stream = ${stream:sqlstring} AND $__timeFilter(pane_start) AND signal IN (${rate:sqlstring})
GROUP BY 1, 2 ORDER BY 1"""

PERCENTILES: Final = """
SELECT t AS time, q.p50, q.p95, q.p99
FROM generate_series($__timeFrom()::timestamptz, $__timeTo()::timestamptz, '$__interval') AS t
CROSS JOIN LATERAL (
    SELECT tocsin.quantile(stream, signal, 0.5, t, t + interval '$__interval') AS p50,
           tocsin.quantile(stream, signal, 0.95, t, t + interval '$__interval') AS p95,
           tocsin.quantile(stream, signal, 0.99, t, t + interval '$__interval') AS p99
    FROM (SELECT ${stream:sqlstring} AS stream, ${distribution:sqlstring} AS signal) AS chosen
) AS q"""

USUAL: Final = """
SELECT $__timeTo()::timestamptz AS time, p50 AS "usual p50", p95 AS "usual p95", p99 AS "usual p99"
FROM tocsin.reference_quantiles
WHERE stream = ${stream:sqlstring} AND signal = ${distribution:sqlstring} AND retired_at IS NULL
UNION ALL
SELECT $__timeFrom()::timestamptz, p50, p95, p99
FROM tocsin.reference_quantiles
WHERE stream = ${stream:sqlstring} AND signal = ${distribution:sqlstring} AND retired_at IS NULL
ORDER BY 1"""

SHARES: Final = """
SELECT $__timeGroupAlias(pane_start, $__interval), category AS metric,
       sum(n)::float8 / sum(sum(n)) OVER (PARTITION BY $__timeGroup(pane_start, $__interval)) AS share
FROM tocsin.categories
WHERE stream = ${stream:sqlstring} AND $__timeFilter(pane_start) AND signal = ${category:sqlstring}
GROUP BY 1, 2 ORDER BY 1"""

INCIDENTS: Final = """
SELECT onset_at AS began, severity, state, rule, summary, resolved_at AS ended, incident_id
FROM tocsin.incidents
WHERE stream = ${stream:sqlstring} AND onset_at < $__timeTo() AND coalesce(resolved_at, now()) > $__timeFrom()
ORDER BY onset_at DESC"""

VERSIONS: Final = """
SELECT version, first_seen, last_seen, n FROM tocsin.versions
WHERE stream = ${stream:sqlstring} ORDER BY first_seen DESC"""

TOLD: Final = """
SELECT d.created_at AS at, d.receiver, d.event, d.state, d.attempts, d.response, d.last_error, d.incident_id
FROM tocsin.deliveries d LEFT JOIN tocsin.incidents i USING (incident_id)
WHERE $__timeFilter(d.created_at) AND i.stream = ${stream:sqlstring} ORDER BY d.created_at DESC"""

FIRING: Final = """
SELECT count(*) FROM tocsin.incidents WHERE stream = ${stream:sqlstring} AND state = 'firing' AND NOT dry_run"""

TRIPPED: Final = "SELECT count(*) FROM tocsin.kill_switches WHERE state = 'tripped'"

LEARNED: Final = """
SELECT least(learned::float8 / nullif(needed, 0), 1) FROM tocsin.streams WHERE stream = ${stream:sqlstring}"""

ONSETS: Final = """
SELECT onset_at AS time, resolved_at AS timeend, summary AS text, rule || ',' || severity AS tags
FROM tocsin.incidents
WHERE stream = ${stream:sqlstring} AND $__timeFilter(onset_at)"""

KILLS: Final = """
SELECT e.at AS time, e.switch || ' ' || e.action || ': ' || e.reason AS text, e.action AS tags
FROM tocsin.kill_events e WHERE $__timeFilter(e.at)"""


def dashboard() -> Dashboard:
    """One stream: how it does, what fired, who was told."""
    made = board(
        "tocsin-streams", "Tocsin: streams", "What Tocsin counted, from the views of its ledger.", "6h"
    )
    made = made.with_variable(variable("stream", "Stream", STREAMS))
    for name, view in (("rate", "rates"), ("distribution", "quantiles"), ("category", "categories")):
        made = made.with_variable(
            variable(name, name.capitalize(), _KNOWN.format(view=view)).multi(name == "rate")
        )
    made = made.annotation(annotation("Incidents", RED, ONSETS)).annotation(annotation("Kills", AMBER, KILLS))
    return (
        _numbers(_signals(made))
        .with_row(Row("The day after"))
        .with_panel(rows("Incidents", "All that fired within this time or still fires.", INCIDENTS))
        .with_panel(rows("Who was told", "Each message, and the receiver's own words.", TOLD))
        .with_panel(rows("Versions", "When each version of the model was seen.", VERSIONS))
    )


def _numbers(made: Dashboard) -> Dashboard:
    return (
        made.with_row(Row("Now"))
        .with_panel(number("Firing", "Incidents of this stream.", "none", Sql(FIRING, "table"), (1, RED)))
        .with_panel(
            number("Tripped", "Kill switches, of all streams.", "none", Sql(TRIPPED, "table"), (1, RED))
        )
        .with_panel(
            number(
                "Learned", "Of the reference; below 1 limits are wider.", "percentunit", Sql(LEARNED, "table")
            )
        )
    )


def _signals(made: Dashboard) -> Dashboard:
    return (
        made.with_row(Row("Signals"))
        .with_panel(lines("Requests a minute", "By the time that records carry.", "none", Sql(REQUESTS)))
        .with_panel(lines("Rates", "The share of records with each event.", "percentunit", Sql(RATES)))
        .with_panel(
            lines(
                "Percentiles of $distribution",
                "Within 1%; the usual ones are those of the reference in force.",
                "none",
                Sql(PERCENTILES),
                Sql(USUAL, ref_id="B"),
            )
        )
        .with_panel(lines("Shares of $category", "Of all records that have one.", "percentunit", Sql(SHARES)))
    )
