"""How a generator is trained, one file each: `paired.py` is the system `paired` of a training's TOML.

Each file has `paired`, `fresh` and `losses`, as train_state.System says.
"""

from typing import cast

from ..folders import load
from ..train_state import System


def system_of(name: str) -> System:
    """The file of a system. Raises UnknownName with the known ones."""
    return cast(System, load(__name__, name))
