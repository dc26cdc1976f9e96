"""Sequential drift detection with a false-alarm budget: mathematics only, no I/O, no clock."""
