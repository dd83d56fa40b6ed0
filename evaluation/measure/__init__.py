"""One model on all tasks: one record."""
