"""Measure Jackfield beside what else a Python programmer would take.

Run it with `python -m benchmarks`; see `benchmarks.__main__` for the options, and
`benchmarks.scenarios` for how to add a measurement.
"""
