"""mteb tasks, from mteb itself or from the data on disk."""
