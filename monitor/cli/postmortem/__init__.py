"""`tocsin postmortem INCIDENT`: what the day after asks of one incident, as SQL and as a page."""
