"""The generated parts of the documentation: every number and figure from a committed result or from executed code."""
