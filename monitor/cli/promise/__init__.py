"""`tocsin check --false-alarms`: how the promise is shared, what limits mean, how soon a change would be seen."""
