"""Where a conversion goes when nobody says."""

from collections.abc import Callable
from pathlib import Path

from .dataset import Dataset
from .errors import TargetError
from .files import check_writable, there
from .plan import check_apart


def default_target(source: Path, dataset: Dataset, here: Path, kind: str = "ir") -> Path:
    """`NAME-kind` in the folder `here`, else beside the dataset, else beside the source.

    The first where writing cannot change what is read, and where this user may write or a target lies already: so the
    same command finds its target again. Where there is none, the first that is apart, and planning says what is wrong.
    NAME is the source's name without ending; a data.yaml, whose name says nothing, takes that of its folder.
    """
    named = source.resolve()
    if named.is_file() and named.suffix.lower() in (".yaml", ".yml"):
        named = named.parent
    name = f"{named.stem if named.is_file() else named.name}-{kind}"
    tops = (here, dataset.root.resolve().parent, source.resolve().parent)
    apart = [top / name for top in tops if passes(check_apart, dataset, top / name)]
    usable = (target for target in apart if there(target) or passes(check_writable, target))
    return next(usable, apart[0] if apart else here / name)


def passes(check: Callable[..., None], *args: object) -> bool:
    """True where a check raises no TargetError."""
    try:
        check(*args)
    except TargetError:
        return False
    return True
