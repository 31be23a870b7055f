"""Where a conversion goes when nobody says."""

from pathlib import Path

from .dataset import Dataset
from .errors import TargetInsideSource
from .plan import check_apart


def default_target(source: Path, dataset: Dataset, here: Path) -> Path:
    """`NAME-ir` in the folder `here`, or beside the dataset where writing there could change it.

    NAME is the source's name without ending; a data.yaml, whose name says nothing, takes that of its folder.
    """
    named = source.resolve()
    if named.is_file() and named.suffix.lower() in (".yaml", ".yml"):
        named = named.parent
    name = f"{named.stem if named.is_file() else named.name}-ir"
    try:
        check_apart(dataset, here / name)
    except TargetInsideSource:
        return dataset.root.resolve().parent / name
    return here / name
