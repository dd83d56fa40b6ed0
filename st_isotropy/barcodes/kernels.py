"""Where the compiled loops come from."""

import functools
from types import ModuleType


@functools.cache
def compiled_kernels() -> ModuleType | None:
    """Give the module of compiled loops where numba works (the extra `fast`), None elsewhere."""
    try:
        from st_isotropy.barcodes import compiled
    except (ImportError, RuntimeError):  # the latter where numba may write to no folder for its cache
        return None
    return compiled
