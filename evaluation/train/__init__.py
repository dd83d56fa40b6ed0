"""One training: objective, pairs, regularizer and schedule."""
