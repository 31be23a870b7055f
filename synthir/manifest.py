"""What a conversion is and what it made: the job, a line for each picture, label and refusal, and the manifest of all.

<target>/synthir.json is the manifest. It is written last; a folder without one is unfinished.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from .errors import SynthIRError, VerificationFailed
from .files import sha256_bytes
from .specs import EngineSpec, to_json

MANIFEST = "synthir.json"
VERSION = 1
"""Of manifest and journal; another version is another layout."""
CAUTION = "Grey levels imitate an infrared camera. They are not temperatures and nothing can be measured in them."
CAUTION_COLOURS = "Colours are a guess from infrared. They are not the scene's, and nothing can be told from them."


class Job(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a conversion is. Two jobs that differ in one of these may not share a target."""

    engine: str
    """sha256 of the papers."""
    options: dict[str, Any]
    """Those that shape bytes."""
    format: str
    labels: str
    """sha256 over names and bytes of the label files as read."""
    version: int = VERSION

    def differences(self, other: "Job") -> list[str]:
        """What differs, in words: `engine`, `option ext: keep, now png`."""
        fields = ("engine", "format", "labels", "version")
        said = {"labels": "label files changed since it began"}
        found = [said.get(name, name) for name in fields if getattr(self, name) != getattr(other, name)]
        names = sorted({*self.options, *other.options})
        pairs = [(name, self.options.get(name), other.options.get(name)) for name in names]
        return found + [f"option {name}: {old}, now {new}" for name, old, new in pairs if old != new]


def label_hashes(labels: Mapping[str, bytes]) -> dict[str, str]:
    """Place -> sha256 of every label file, each read once."""
    return {place: sha256_bytes(labels[place]) for place in sorted(labels)}


def job_of(spec: EngineSpec, options: dict[str, Any], form: str, labels: Mapping[str, str]) -> Job:
    """The job of an engine, options and the hashes of the label files as read."""
    lines = [f"{place}\0{labels[place]}\n" for place in sorted(labels)]
    return Job(sha256_bytes(to_json(spec)), options, form, sha256_bytes("".join(lines).encode()))


class Converted(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """One converted picture."""

    place: str
    """Below the target."""
    sha256: str
    source_sha256: str
    source: str = ""
    """Place below the source where that is another: of other extensions, and of twins (`--mix both`, `warmed`)."""
    redone: bool = False
    """Computed again in float32, since the engine's own result was no infrared."""
    grayscale: bool = False
    """The picture's own luma, not infrared: `mix` asked for it."""
    warmed: bool = False
    """The picture's own luma with its labelled objects made warm: `--mix warmed`."""


class Label(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """One label file; the two hashes are equal unless names inside had to change."""

    place: str
    sha256: str
    source_sha256: str
    outside: bool = False
    """True where it is not at this place below the source root: read from outside, or a twin's (`--mix both`)."""


class Refusal(msgspec.Struct, frozen=True, gc=False):
    """One picture that was not converted, and why."""

    name: str
    code: str
    message: str


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What lies in a target and what it was made of. Holds no times, so equal jobs give equal bytes."""

    version: int
    synthetic: bool
    digital_source_type: str
    caution: str
    job: Job
    engine: EngineSpec
    counts: dict[str, int]
    notes: tuple[str, ...]
    refused: tuple[Refusal, ...]
    labels: tuple[Label, ...]
    pictures: tuple[Converted, ...]


def refusal(name: str, error: SynthIRError) -> Refusal:
    """The ledger's line about an error; names that are not UTF-8 are shown with escapes."""
    return Refusal(name.encode("utf-8", "backslashreplace").decode(), error.code, str(error))


def manifest_bytes(manifest: Manifest) -> bytearray:
    """The manifest as JSON with one picture, label or refusal a line."""
    out = bytearray(b"{")
    for name in manifest.__struct_fields__:
        value = getattr(manifest, name)
        out += b',\n"%s": ' % name.encode() if len(out) > 1 else b'\n"%s": ' % name.encode()
        if isinstance(value, tuple):
            out += b"["
            for number, row in enumerate(value):
                out += (b",\n" if number else b"\n") + msgspec.json.encode(row)
            out += b"\n]" if value else b"]"
        else:
            out += msgspec.json.format(msgspec.json.encode(value, order="sorted"), indent=2)
    out += b"\n}\n"
    return out


def read_manifest(target: Path) -> Manifest:
    """The manifest of a finished target. Raises VerificationFailed where there is none or it cannot be read."""
    path = target / MANIFEST
    try:
        return msgspec.json.decode(path.read_bytes(), type=Manifest)
    except FileNotFoundError:
        why = "the manifest is written last, so this conversion is not finished, or it is none"
        raise VerificationFailed("no manifest", where=str(path), why=why, fix="run synthir convert again") from None
    except (msgspec.DecodeError, OSError) as error:
        fix = "convert into another folder"
        raise VerificationFailed("the manifest cannot be read", where=str(path), why=str(error), fix=fix) from error
