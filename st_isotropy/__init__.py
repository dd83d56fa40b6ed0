"""Persistent-entropy regularization for sentence-transformers."""

__version__ = "0.1.0"
