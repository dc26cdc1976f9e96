"""The dashboard on Tocsin's own metrics: does it read, judge and deliver?"""

from typing import Final

from grafana_foundation_sdk.builders.dashboard import Dashboard, Row
from parts import AMBER, RED, board, lines, metric, number

LAG: Final = "max by (topic, partition) (tocsin_consumer_lag)"
FIRING: Final = 'max(sum by (instance) (tocsin_incidents{state="firing"}))'
READ: Final = "sum by (topic, result) (rate(tocsin_records_total[$__rate_interval]))"
TOLD: Final = "sum by (receiver, result) (rate(tocsin_deliveries_total[$__rate_interval])) * 60"
DROPPED: Final = "sum by (field) (rate(tocsin_fields_dropped_total[$__rate_interval]))"
LABELS: Final = "sum by (result) (rate(tocsin_labels_total[$__rate_interval]))"
BUDGETS: Final = "min by (rule, stream) (tocsin_error_budget_left_ratio)"

# What each shows, its description, its unit, its query, and from where on it is amber or red.
NUMBERS: Final = (
    ("Leaders", "Replicas that judge.", "none", "sum(tocsin_judge_leader)", (2, RED)),
    (
        "Watermark age", "Everything older is judged.", "s", "min(tocsin_watermark_age_seconds)", (30, AMBER),
        (120, RED),
    ),
    ("Lag", "Records not read yet.", "short", f"sum({LAG})", (10_000, AMBER)),
    (
        "Outbox", "Age of the oldest message that waits.", "s", "max(tocsin_outbox_oldest_seconds)", (60, AMBER),
        (600, RED),
    ),
    ("Firing", "Incidents.", "none", FIRING, (1, RED)),
    ("Tripped", "Kill switches.", "none", "sum(max by (switch) (tocsin_kill_switch_tripped))", (1, RED)),
)  # fmt: skip
LINES: Final = (
    ("Records a second", "Counted, ignored, or why one was skipped.", "short", READ, "{{topic}} {{result}}"),
    ("Lag by partition", "Records not read yet.", "short", LAG, "{{topic}}[{{partition}}]"),
    (
        "Watermark age",
        "How far behind the clock judging is.",
        "s",
        "tocsin_watermark_age_seconds",
        "{{instance}}",
    ),
    ("Deliveries a minute", "By receiver and result.", "short", TOLD, "{{receiver}} {{result}}"),
    ("Outbox", "Age of the oldest message that waits.", "s", "max(tocsin_outbox_oldest_seconds)", "oldest"),
    ("Error budgets", "What is left, 1 at the start.", "percentunit", BUDGETS, "{{rule}} {{stream}}"),
    ("Fields dropped a second", "Of a wrong type or range.", "short", DROPPED, "{{field}}"),
    ("Labels a second", "That came later: judged or unmatched.", "short", LABELS, "{{result}}"),
)


def dashboard() -> Dashboard:
    """Tocsin itself, from `/metrics`."""
    made = board(
        "tocsin-itself", "Tocsin: itself", "Does it read, judge and deliver? From its own metrics.", "3h"
    )
    made = made.with_row(Row("Now"))
    for title, says, unit, expr, *limits in NUMBERS:
        made = made.with_panel(number(title, says, unit, metric(expr), *limits))
    made = made.with_row(Row("Over time"))
    for title, says, unit, expr, legend in LINES:
        made = made.with_panel(lines(title, says, unit, metric(expr, legend)))
    return made
