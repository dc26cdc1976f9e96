"""Run by `monitor.ledger.migrate`, inside its transaction: a migration and its record commit together."""

from alembic import context

from monitor.ledger import counted, decided  # noqa: F401 - the tables put themselves into the metadata
from monitor.ledger.schema import SCHEMA, metadata

context.configure(
    connection=context.config.attributes["connection"], target_metadata=metadata, version_table_schema=SCHEMA
)
with context.begin_transaction():
    context.run_migrations()
