"""The schema of the ledger's tables, `tocsin_ledger`; the views that users query are in schema `tocsin`."""

from typing import Final

from sqlalchemy import DateTime, MetaData

SCHEMA: Final = "tocsin_ledger"
STATE_VERSION: Final = 1

metadata = MetaData(
    schema=SCHEMA,
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    },
)

Time = DateTime(timezone=True)
