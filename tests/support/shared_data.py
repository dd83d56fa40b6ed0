"""Real data, beside the clone or where ST_ISOTROPY_SHARED says; tests skip where they are absent."""

import os
from pathlib import Path

import pytest

SHARED = Path(os.environ.get("ST_ISOTROPY_SHARED", Path(__file__).parents[3] / "shared"))
MIRROR = SHARED / "mirror"

needs_mirror = pytest.mark.skipif(not MIRROR.is_dir(), reason="no local mirror of MTEB data sets (ST_ISOTROPY_SHARED)")
