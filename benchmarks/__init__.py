"""Measurements that print their results; run each from the repository root with `python -m benchmarks.NAME`."""
