"""Where data sets are looked for on this machine; a study names them only."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Sources:
    """Places to look for data.

    Attributes:
        mirror: Folder with MTEB data sets laid out as on the hub; None for the hub itself.
        folders: Folders with your own data sets, for tasks.
        pairs: Folders with files of training pairs.
    """

    mirror: Path | None = None
    folders: tuple[Path, ...] = ()
    pairs: tuple[Path, ...] = ()
