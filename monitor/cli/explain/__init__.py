"""`tocsin explain INCIDENT`: why it was opened, from what the ledger holds."""
