"""Text on disk: own data sets, training pairs and docstrings, as rows."""
