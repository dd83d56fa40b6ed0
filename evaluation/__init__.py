"""The evaluation, run from a clone: `python -m evaluation`."""
