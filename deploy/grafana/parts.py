"""What the dashboards are made of: queries against Postgres and Prometheus, and panels of one look."""

from dataclasses import dataclass
from typing import Final

from grafana_foundation_sdk.builders import prometheus, stat, table, timeseries
from grafana_foundation_sdk.builders.common import ReduceDataOptions, VizLegendOptions, VizTooltipOptions
from grafana_foundation_sdk.builders.dashboard import (
    AnnotationQuery,
    Dashboard,
    QueryVariable,
    ThresholdsConfig,
)
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models.common import LegendDisplayMode, TooltipDisplayMode, VisibilityMode
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DataSourceRef,
    Threshold,
    ThresholdsMode,
    VariableRefresh,
    VariableSort,
)

LEDGER: Final = DataSourceRef(type_val="grafana-postgresql-datasource", uid="tocsin-ledger")
METRICS: Final = DataSourceRef(type_val="prometheus", uid="tocsin-metrics")
WIDTH: Final = 24
HALF: Final = WIDTH // 2
GREEN, AMBER, RED = "green", "orange", "red"


@dataclass
class Sql(Dataquery):
    """A query of the ledger; Grafana's types have none for Postgres."""

    sql: str
    form: str = "time_series"
    ref_id: str = "A"

    def build(self) -> "Sql":
        return self

    def to_json(self) -> dict[str, object]:
        return {
            "datasource": LEDGER,
            "editorMode": "code",
            "format": self.form,
            "rawQuery": True,
            "rawSql": self.sql,
            "refId": self.ref_id,
        }


def board(uid: str, title: str, description: str, since: str) -> Dashboard:
    """An empty dashboard that begins `since` ago."""
    return (
        Dashboard(title)
        .uid(uid)
        .description(description)
        .tags(["tocsin"])
        .timezone("utc")
        .time(f"now-{since}", "now")
        .refresh("30s")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .readonly()
    )


def variable(name: str, label: str, sql: str) -> QueryVariable:
    """Something to choose, asked of the ledger."""
    return (
        QueryVariable(name)
        .label(label)
        .datasource(LEDGER)
        .query(sql)
        .refresh(VariableRefresh.ON_DASHBOARD_LOAD)
        .sort(VariableSort.ALPHABETICAL_ASC)
    )


def annotation(name: str, colour: str, sql: str) -> AnnotationQuery:
    """Moments across all panels; `sql` gives time, text and tags."""
    query = AnnotationQuery().name(name).datasource(LEDGER).enable(True).icon_color(colour)
    return query.target(Sql(sql, "table"))  # type: ignore[arg-type]


def metric(expr: str, legend: str = "", ref_id: str = "A") -> prometheus.Dataquery:
    """A query of Prometheus."""
    return prometheus.Dataquery().expr(expr).legend_format(legend or "__auto").ref_id(ref_id)


def lines(title: str, says: str, unit: str, *queries: Dataquery, span: int = HALF) -> timeseries.Panel:
    """A panel of lines over time; `says` is its description."""
    panel = (
        timeseries.Panel()
        .title(title)
        .description(says)
        .unit(unit)
        .span(span)
        .height(8)
        .line_width(1.5)
        .fill_opacity(6)
        .show_points(VisibilityMode.AUTO)
        .legend(VizLegendOptions().display_mode(LegendDisplayMode.LIST).show_legend(True))
        .tooltip(VizTooltipOptions().mode(TooltipDisplayMode.MULTI))
        .datasource(LEDGER if isinstance(queries[0], Sql) else METRICS)
    )
    for query in queries:
        panel = panel.with_target(query)
    return panel


def rows(title: str, says: str, sql: str, span: int = WIDTH) -> table.Panel:
    """A table of what the ledger answers."""
    return (
        table.Panel()
        .title(title)
        .description(says)
        .span(span)
        .height(8)
        .datasource(LEDGER)
        .with_target(Sql(sql, "table"))
    )


def number(title: str, says: str, unit: str, query: Dataquery, *limits: tuple[float, str]) -> stat.Panel:
    """One figure, coloured from each limit up; green below them."""
    steps = [
        Threshold(value=None, color=GREEN),
        *(Threshold(value=at, color=colour) for at, colour in limits),
    ]
    return (
        stat.Panel()
        .title(title)
        .description(says)
        .unit(unit)
        .span(4)
        .height(4)
        .thresholds(ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps))
        .reduce_options(ReduceDataOptions().calcs(["lastNotNull"]))
        .datasource(LEDGER if isinstance(query, Sql) else METRICS)
        .with_target(query)
    )
