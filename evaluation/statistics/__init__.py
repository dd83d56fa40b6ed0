"""Paired differences, intervals, tests and verdicts: numbers in, a `Comparison` out."""
