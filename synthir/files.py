"""Files that appear whole or not at all: atomic and durable writes, sha256, containment of paths."""

import errno
import hashlib
import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from .errors import EscapingPath, NoSpace, TargetError

PART = ".synthir-part"
"""Ending of a file that is being written; one found later is left over from a kill and may be deleted."""

HARMLESS = re.compile(r"(?!\.)[^/\\:\0]+(?:/(?!\.)[^/\\:\0]+)*")
"""Relative names that need no second look: no part begins with a dot, no drive, no backslash, no NUL."""
DRIVE = re.compile(r"[A-Za-z]:")
"""How a Windows path with a drive begins."""


def sha256_bytes(data: bytes) -> str:
    """The sha256 of bytes, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: Path) -> str:
    """The sha256 of a file, in hexadecimal, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fsync_folder(folder: Path) -> None:
    """Make the names in a folder durable. Windows does so by itself and lets nobody open a folder."""
    if sys.platform == "win32":
        return
    handle = os.open(folder, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_atomic(path: Path, data: bytes | bytearray, *, durable: bool = True, named: bool = True) -> None:
    """Write a file so that it is there whole or not at all, and, if durable, also after a power cut.

    Not `named`, its name is lost in one unless fsync_folder follows, which serves many files at once. Missing parent
    folders are made. Raises NoSpace where the disk is full; nothing is left behind then.
    """
    # A name of its own length: the longest file name has no room for an ending more.
    part = path.with_name(f".{sha256_bytes(path.name.encode(errors='surrogateescape'))[:24]}{PART}")
    try:
        make_folder(path.parent, durable=durable)
        with part.open("wb") as file:
            file.write(data)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        part.replace(path)
        if durable and named:
            fsync_folder(path.parent)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise no_space(error, path) or error from None


def make_folder(folder: Path, *, durable: bool = True) -> None:
    """Make a folder and those above it that are missing; each name is durable before anything is put inside."""
    if folder.is_dir():
        return
    make_folder(folder.parent, durable=durable)
    folder.mkdir(exist_ok=True)
    if durable:
        fsync_folder(folder.parent)


def no_space(error: OSError, path: Path) -> NoSpace | None:
    """NoSpace if that is what the operating system said, else None."""
    if error.errno not in (errno.ENOSPC, errno.EDQUOT):
        return None
    fix = "free some space and run the same command again; finished pictures are kept"
    return NoSpace("no space left", where=str(path), why=error.strerror or "disk full", fix=fix)


def free_bytes(folder: Path) -> int:
    """Free bytes on the disk that holds, or will hold, the folder."""
    return shutil.disk_usage(nearest(folder)).free


def nearest(folder: Path) -> Path:
    """The folder, or else the first one above it that is there and may be looked at."""
    while not there(folder):
        folder = folder.parent
    return folder


def check_writable(target: Path) -> None:
    """Raises TargetError where a folder cannot be written or made; nothing is written to see it."""
    folder = nearest(target)
    if not folder.is_dir():
        if folder == target:  # it is refused for what it is
            return
        why = f"{folder} is a file"
    elif not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        why = f"{folder} cannot be written by this user"
    elif not shutil.disk_usage(folder).total:  # /proc and the like let root in, but hold no files
        why = f"{folder} cannot be written"
    else:
        return
    raise TargetError("nothing can be written there", where=str(target), why=why, fix="choose another --out")


def contained(name: str, where: str) -> str:
    """A relative POSIX name that stays inside its folder, with `.` parts removed; else EscapingPath.

    `a/./b.jpg` becomes `a/b.jpg`; `../b.jpg`, `/b.jpg`, `C:\\b.jpg`, names with a NUL and those of nothing are refused.
    """
    if HARMLESS.fullmatch(name):  # nearly all names: asked for each of a hundred thousand pictures
        return name
    parts = [part for part in PurePosixPath(name.replace("\\", "/")).parts if part != "."]
    if not parts or "\0" in name:
        why = "it holds a NUL, which no disk takes" if parts else "it is empty, or means the folder itself"
        raise EscapingPath(f"file name {name!r} names no file", where=where, why=why, fix="correct the name")
    if not DRIVE.match(name) and parts[0][0] != "/" and ".." not in parts:
        return "/".join(parts)
    why = "an absolute path, a drive or `..` could be written outside the target"
    fix = "give the folder that all names are inside with --images, and make the names relative to it"
    raise EscapingPath(f"file name {name!r} leaves the images folder", where=where, why=why, fix=fix)


def names_in(folder: Path) -> frozenset[str]:
    """The names of the files directly in a folder; none where no such folder is or can be. Raises PermissionError."""
    try:
        with os.scandir(folder) as entries:
            return frozenset(entry.name for entry in entries if entry.is_file())
    except PermissionError:
        raise
    except (OSError, ValueError):
        return frozenset()


def there(path: Path) -> bool:
    """True where a file or folder is; also answers for names that no disk can hold."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def within(path: str, folder: str) -> bool:
    """True where a path is the folder or lies below it; both are absolute and without links."""
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)


def walk_files(folder: Path) -> Iterator[Path]:
    """Every file below a folder, links not followed, sorted by name."""
    for base, folders, names in os.walk(folder):
        folders.sort()
        yield from (Path(base) / name for name in sorted(names))


def sha256_tree(folder: Path) -> str:
    """One sha256 over the relative names and bytes of every file below a folder."""
    digest = hashlib.sha256()
    for path in walk_files(folder):
        digest.update(
            f"{path.relative_to(folder).as_posix()}\0{sha256_file(path)}\n".encode("utf-8", "surrogateescape")
        )
    return digest.hexdigest()
