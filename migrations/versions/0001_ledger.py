"""The first tables and views.

The SQL is frozen here: what the models say today is another matter, held to it by a test.
"""

from pathlib import Path

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_SQL = Path(__file__).parents[1] / "sql"


def upgrade() -> None:
    connection = op.get_bind()
    for name in ("tables", "views", "quantiles", "references", "calibration", "coverage", "users"):
        connection.exec_driver_sql(
            (_SQL / f"0001_{name}.sql").read_text(encoding="utf-8"), execution_options={"no_parameters": True}
        ).close()


def downgrade() -> None:
    raise NotImplementedError(
        "there is nothing before 0001: drop the schemas tocsin and tocsin_ledger by hand"
    )
