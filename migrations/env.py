"""Run by `monitor.ledger.migrate`, inside its transaction: a migration and its record commit together."""

from alembic import context

from monitor.ledger.models import SCHEMA, metadata

context.configure(
    connection=context.config.attributes["connection"], target_metadata=metadata, version_table_schema=SCHEMA
)
with context.begin_transaction():
    context.run_migrations()
