"""Where a conversion goes when nobody says."""

from pathlib import Path

from .dataset import Dataset
from .files import inside


def default_target(source: Path, dataset: Dataset, here: Path) -> Path:
    """`NAME-ir` in the folder `here`, or beside the source where `here` lies in it: sources are never written to.

    NAME is the source's name without ending; a data.yaml, whose name says nothing, takes that of its folder.
    """
    named = source.resolve()
    if named.is_file() and named.suffix.lower() in (".yaml", ".yml"):
        named = named.parent
    name = f"{named.stem if named.is_file() else named.name}-ir"
    return dataset.root.resolve().parent / name if inside(here, dataset.root) else here / name
