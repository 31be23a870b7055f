"""What TensorRT timed in one build, kept for the next: a file for each release and GPU, in a folder the user names.

A file is the sha256 of what follows, and what TensorRT serialised, which may hold kernels: the folder is trusted like
the package itself. One that does not fit is ignored with a warning, and replaced when the build is done.
"""

import contextlib
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import NoSpace
from ..files import sha256_bytes, write_atomic

DIGITS = 64
"""Of a sha256, with which a file begins."""


def place_of(folder: Path, package: str, release: str, gpu: str) -> Path:
    """The file for a package, its release and a GPU, e.g. `tensorrt-10.15.1-nvidia-h200.timing`."""
    return folder.expanduser() / f"{package}-{release}-{gpu}.timing"


@contextlib.contextmanager
def timed(settings: Any, place: Path | None) -> Iterator[None]:
    """Give the build in the block what earlier ones timed, and keep what it timed; nothing without a place.

    settings: the builder's configuration. Whatever is wrong with the file is a warning, never an error.
    """
    if place is None:
        yield
        return
    cache = attached(settings, place)
    yield
    data = bytes(cache.serialize())
    try:
        write_atomic(place, sha256_bytes(data).encode() + data)
    except (OSError, NoSpace) as error:
        warnings.warn(f"{place}: the timing cache is not kept ({error})", stacklevel=2)


def attached(settings: Any, place: Path) -> Any:
    """The cache that the build will use: the one at that place, or an empty one."""
    cache = settings.create_timing_cache(kept(place))
    if settings.set_timing_cache(cache, False):  # no mismatch is overlooked: release and GPU are TensorRT's to judge
        return cache
    ignored(place, "TensorRT says that it is of another release or GPU")
    cache = settings.create_timing_cache(b"")
    settings.set_timing_cache(cache, False)
    return cache


def kept(place: Path) -> bytes:
    """What TensorRT serialised there; nothing where there is no such file, or not as it was written."""
    try:
        data = place.read_bytes()
    except FileNotFoundError:
        return b""
    except OSError as error:
        ignored(place, str(error))
        return b""
    if data[:DIGITS] == sha256_bytes(data[DIGITS:]).encode():
        return data[DIGITS:]
    ignored(place, "it is not as it was written")
    return b""


def ignored(place: Path, why: str) -> None:
    """Warn of a file that is of no use; the build goes on without it."""
    warnings.warn(f"{place}: the timing cache is ignored ({why}) and written anew", stacklevel=2)
