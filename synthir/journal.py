"""What is done, durably: the journal of a running job, the lock on a target, and what lies in one before a run.

    <target>/.synthir/journal.jsonl     line 1 the job, then `[place]` begun, `[place, sha256, source sha256]` done

What is begun is durable before a file is written, a file and its name before its `done` line is: what the journal says
is done is done after any kill, and after a power cut no file of ours is taken for somebody else's.
"""

import errno
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from .errors import TargetBusy, TargetNotEmpty
from .files import fsync_folder, no_space, sha256_file, write_atomic
from .manifest import MANIFEST, Converted, Job, Manifest, read_manifest

if sys.platform != "win32":
    import fcntl

FOLDER = ".synthir"
JOURNAL = f"{FOLDER}/journal.jsonl"
REDONE = "float32"
"""Ends the line of a picture that was computed again."""
GROUP = 64
"""Pictures whose journal lines are made durable together."""


@dataclass(frozen=True)
class Records:
    """What a journal says: the job, what was begun, what is done."""

    job: Job
    begun: frozenset[str] = frozenset()
    done: dict[str, Converted] = field(default_factory=dict)
    size: int = 0
    """Bytes of whole lines; what lies behind them was torn by a kill."""


def refuse_links(journal: Path) -> None:
    """Raises TargetNotEmpty where the journal or its folder is a link: it would be written where that leads."""
    for path in (journal, *([journal.parent] if journal.parent.name == FOLDER else [])):
        if path.is_symlink():
            why = "the journal would be written where it leads"
            raise TargetNotEmpty("a link lies in the target", where=str(path), why=why, fix="remove it")


def unchanged(path: Path, sha256: str) -> bool:
    """True where a file is there and has that sha256."""
    try:
        return sha256_file(path) == sha256
    except OSError:
        return False


def read_journal(path: Path) -> Records | None:
    """The journal of an unfinished job; None where there is none. Reads up to the first torn line."""
    refuse_links(path)
    if not path.is_file():
        return None
    line, row = msgspec.json.Decoder(Job), msgspec.json.Decoder(list[str])
    begun, done, size, job = set(), {}, 0, None
    with path.open("rb") as file:
        for text in file:
            if not text.endswith(b"\n"):
                break
            try:
                if job is None:
                    job = line.decode(text)
                else:
                    place, *told = row.decode(text)
                    begun.add(place)
                    done.update(
                        {place: Converted(place, told[0], told[1], redone=told[2:] == [REDONE])} if told else {}
                    )
            except (msgspec.DecodeError, ValueError, TypeError):
                break
            size += len(text)
    return Records(job, frozenset(begun), done, size) if job else None


class Journal:
    """The open journal of a running job. Lines reach the system at once and the disk in groups, with the names of the
    pictures they tell of: after a power cut a picture whose name is lost is converted again."""

    def __init__(self, target: Path, job: Job, *, anew: bool = False) -> None:
        """Go on with the journal of this job, or begin one. Raises NoSpace, TargetNotEmpty for a link."""
        self.target, self.path, self.lines = target, target / JOURNAL, 0
        self.folders: set[str] = set()
        path = self.path
        refuse_links(path)
        records = None if anew else read_journal(path)
        if records is None or records.job != job:
            write_atomic(path, msgspec.json.encode(job) + b"\n")
        self.handle = os.open(path, os.O_WRONLY | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0))
        if records is not None and records.job == job:
            os.truncate(self.handle, records.size)

    def begin(self, places: Iterable[str]) -> None:
        """Files are about to be written, so that they can be told from those that are not ours; durable at once,
        because a file may outlive a power cut that a line written before it does not."""
        self._append(*([place] for place in places))
        self._sync()

    def done(self, picture: Converted) -> None:
        """A picture is written; its name in its folder need not be durable yet."""
        self.folders.add(picture.place.rpartition("/")[0])
        self._append([picture.place, picture.sha256, picture.source_sha256, *([REDONE] if picture.redone else [])])
        self.lines += 1
        if self.lines % GROUP == 0:
            self._sync()

    def close(self) -> None:
        """Make all lines durable and let go of the file. Raises NoSpace."""
        try:
            self._sync()
        finally:
            os.close(self.handle)

    def _append(self, *rows: list[str]) -> None:
        lines = b"".join(msgspec.json.encode(row) + b"\n" for row in rows)
        try:
            if os.write(self.handle, lines) < len(lines):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            raise no_space(error, self.path) or error from None

    def _sync(self) -> None:
        try:
            while self.folders:
                fsync_folder(self.target / self.folders.pop())
            os.fsync(self.handle)
        except OSError as error:
            raise no_space(error, self.path) or error from None


def remove_journal(target: Path) -> None:
    """Take the journal away, and its folder unless somebody else put a file there: the job is finished."""
    (target / JOURNAL).unlink()
    with suppress(OSError):
        (target / FOLDER).rmdir()
    fsync_folder(target)


@contextmanager
def locked(target: Path) -> Iterator[None]:
    """Hold the target, which is made, for this process alone; a kill lets go. Raises TargetBusy.

    File systems without locks are used without.
    """
    target.mkdir(parents=True, exist_ok=True)
    if sys.platform == "win32":
        yield
        return
    handle = os.open(target, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        fix = "wait until it is done, or choose another --out"
        raise TargetBusy("another process is writing here", where=str(target), fix=fix) from None
    except OSError:
        pass
    try:
        yield
    finally:
        os.close(handle)


@dataclass(frozen=True)
class Standing:
    """What lies in a target before a run."""

    present: frozenset[str]
    """Every file, by place, the journal left out."""
    records: Records | None
    """Of the job that wrote there, from its journal and its manifest; None where none did."""
    listed: frozenset[str]
    """Files that job may have written: --overwrite takes these away and no others."""
    manifest: Manifest | None


def standing(target: Path) -> Standing:
    """Look at a target. Raises VerificationFailed for a manifest that cannot be read, TargetNotEmpty for a link."""
    present = frozenset(files_below(target))
    manifest = read_manifest(target) if MANIFEST in present else None
    journal = read_journal(target / JOURNAL)
    if manifest is None:
        return Standing(present, journal, journal.begun if journal else frozenset(), None)
    done = {picture.place: picture for picture in manifest.pictures}
    listed = {MANIFEST, *done, *(label.place for label in manifest.labels)}
    if journal is None or journal.job != manifest.job:
        return Standing(present, Records(manifest.job, done=done), frozenset(listed), manifest)
    records = Records(journal.job, journal.begun, done | journal.done, journal.size)
    return Standing(present, records, frozenset(listed | journal.begun), manifest)


def files_below(folder: Path, prefix: str = "") -> Iterator[str]:
    """Places of the files below a target, the journal's folder left out. Raises TargetNotEmpty for a linked folder."""
    if not folder.is_dir():
        return
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_symlink() and entry.is_dir():
                why = "writing through it could change files elsewhere"
                raise TargetNotEmpty("a linked folder lies in the target", where=entry.path, why=why, fix="remove it")
            if not entry.is_dir():
                yield prefix + entry.name
            elif prefix + entry.name != FOLDER:
                yield from files_below(Path(entry.path), f"{prefix}{entry.name}/")
