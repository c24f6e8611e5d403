"""The runner of experiments: sweeps, records and verdicts."""
