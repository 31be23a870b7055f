"""The commands about datasets: convert one, verify what was converted, look into one. See synthir.cli."""

import dataclasses
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import console
from .cli_engines import DEFAULT_ENGINE, JSON, PATH

if TYPE_CHECKING:
    from .convert import Plan
    from .manifest import Manifest

SOME_REFUSED, NOT_VERIFIED = 3, 4

QUIET = click.option(
    "--quiet", "-q", is_flag=True, help="No progress and no remarks on stderr; refusals and errors stay."
)
IMAGES = click.option("--images", type=PATH, help="Folder that the file names in the labels are relative to.")
FORMAT = click.option("--format", "form", help="coco, yolo, voc or folder; detected from the source if not given.")


def _mixture(context: click.Context, option: click.Parameter, said: str) -> float | str:
    """`both`, `warmed`, or a share. Raises BadParameter."""
    try:
        return said if said in ("both", "warmed") else float(said)
    except ValueError:
        why = f"{said!r} is not known: it is both or warmed (every picture twice), or a share from 0 to 1"
        raise click.BadParameter(why, context, option) from None


@click.command()
@click.argument("source", type=PATH)
@IMAGES
@click.option("--out", type=PATH, help="Folder to write; NAME-ir here if not given.")
@click.option("--engine", default=DEFAULT_ENGINE, show_default=True, help="A shipped model, or the file of an engine.")
@FORMAT
@click.option("--dry-run", is_flag=True, help="Plan, say what would be done and refused, and write nothing.")
@click.option(
    "--resume", is_flag=True, help="Insist that there is an unfinished job; it is resumed anyway where there is one."
)
@click.option("--overwrite", is_flag=True, help="Take away what an earlier conversion wrote there, and begin anew.")
@click.option("--strict", is_flag=True, help="Stop at the first refused picture.")
@click.option(
    "--max-failures", default=-1, metavar="N", help="Stop when more than N pictures are refused; -1 is never."
)
@click.option("--limit", default=0, metavar="N", help="Convert the first N pictures only; 0 is all.")
@click.option("--batch", default=0, metavar="N", help="Pictures a call of the engine; 0 is what suits the engine.")
@click.option(
    "--decode",
    type=click.Choice(["auto", "cpu", "gpu"]),
    default="cpu",
    show_default=True,
    help="Where JPEGs are decoded; last bits differ.",
)
@click.option("--workers", default=3, show_default=True, metavar="N", help="Threads that decode and encode.")
@click.option("--channels", type=click.Choice([1, 3]), default=1, show_default=True, help="3 repeats the one.")
@click.option(
    "--ext",
    type=click.Choice(["keep", "png", "jpg", "tif"]),
    default="keep",
    show_default=True,
    help="Extension of the pictures.",
)
@click.option("--bit-depth", type=click.Choice([8, 16]), default=8, show_default=True, help="16 needs png or tif.")
@click.option(
    "--polarity",
    type=click.Choice(["white-hot", "black-hot"]),
    default="white-hot",
    show_default=True,
    help="Which end is hot.",
)
@click.option(
    "--mix",
    default="0",
    callback=_mixture,
    metavar="both|warmed|SHARE",
    help="both: every picture twice, infrared and grayscale; warmed: grayscale with its labelled objects made warm. "
    "Or the share of the pictures, 0 to 1, in grayscale.",
)
@click.option(
    "--max-side", default=0, metavar="PIXELS", help="Longest side the network sees; the result keeps its size."
)
@JSON
@QUIET
def convert(
    source: Path,
    images: Path | None,
    out: Path | None,
    engine: str,
    form: str | None,
    as_json: bool,
    quiet: bool,
    **chosen: Any,
) -> int:
    """Convert a labelled dataset, a folder of pictures or one picture.

    SOURCE is a COCO file, a data.yaml, a YOLO or VOC folder, a folder of pictures, or one picture.
    """
    from . import formats
    from .convert import Options, intact, plan, run
    from .engine import open_engine, papers_of
    from .shipped import engine_payload
    from .specs import Polarity, read_engine_spec
    from .target import default_target

    dry_run = chosen.pop("dry_run")
    options = Options(**{**chosen, "polarity": Polarity(chosen["polarity"])})
    payload = engine_payload(engine)
    with open_engine(payload) as opened:
        dataset = formats.read(source, images, form)
        target = out or default_target(source, dataset, Path(), "ir" if opened.spec.planes == 1 else "rgb")
        planned = plan(dataset, target, opened.spec, options)
        built, runs = read_engine_spec(papers_of(payload)).precision, opened.spec.precision
        console.say(
            quiet,
            *planned.dataset.notes,
            *([f"This machine has no {built}: the engine runs in {runs}, slower."] if runs != built else []),
            *([f"Plain JPEGs are decoded by {planned.options.decode}."] if planned.options.decode != "cpu" else []),
            f"{dataset.format}: {console.many(len(planned.images), 'picture')} from {source} to {target}",
        )
        console.say(
            quiet or not planned.done,
            f"{'resuming' if len(planned.done) < len(planned.images) else 'nothing left to do'}: "
            f"{len(planned.done)} are done; they are read to see that they are as written",
        )
        if dry_run:
            return _dry(intact(planned), as_json)
        with console.progress(quiet) as moved:
            manifest = run(planned, opened, moved)
    return _converted(manifest, target, as_json)


def _dry(planned: "Plan", as_json: bool) -> int:
    """Say what a plan would do."""
    console.refusals([str(error) for _, error in planned.refused], "the report of --json")
    left = len(planned.images) - len(planned.done)
    data = {
        "target": str(planned.target),
        "format": planned.dataset.format,
        "to_convert": left,
        "done": len(planned.done),
        "estimated_bytes": planned.estimated_bytes,
        "refused": [{"name": name, "code": error.code, "message": str(error)} for name, error in planned.refused],
    }
    text = f"would convert {console.many(left, 'picture')} to {planned.target} and refuse {len(planned.refused)}"
    text += "; pictures are not opened by a dry run, so broken ones are found later"
    console.result(as_json, data, text)
    return SOME_REFUSED if planned.refused else 0


def _converted(manifest: "Manifest", target: Path, as_json: bool) -> int:
    """Say what was converted and what was refused."""
    from .manifest import MANIFEST

    console.refusals([row.message for row in manifest.refused], str(target / MANIFEST))
    refused = [{"name": row.name, "code": row.code, "message": row.message} for row in manifest.refused]
    data = {"target": str(target), "format": manifest.job.format, "counts": manifest.counts, "refused": refused}
    kind = "infrared picture" if manifest.engine.planes == 1 else "colour picture"
    grey, warm = (manifest.counts.get(name, 0) for name in ("grayscale", "warmed"))
    text = f"{target}: {console.many(len(manifest.pictures) - grey - warm, kind)}, "
    text += f"{grey} in grayscale, " if grey else ""
    text += f"{warm} in grayscale with warm objects, " if warm else ""
    text += console.many(len(manifest.labels), "label file")
    text += f", {len(refused)} refused" if refused else ""
    again = sum(picture.redone for picture in manifest.pictures)
    text += f", {again} computed again in float32" if again else ""
    console.result(as_json, data, f"{text}\ncheck it any time: synthir verify {shlex.quote(str(target))}")
    return SOME_REFUSED if refused else 0


@click.command("verify")
@click.argument("out", type=PATH)
@click.option(
    "--source", type=PATH, help="Check too that pictures and labels there are still those that were converted."
)
@JSON
def verify_(out: Path, source: Path | None, as_json: bool) -> int:
    """Check that a converted folder is as it was written, to the byte."""
    from .convert import verify

    report = verify(out, source)
    faults = [str(fault) for fault in report.problems]
    console.refusals(faults, "the report of --json")
    seen = f"{console.many(report.pictures, 'picture')}, {console.many(report.labels, 'label file')}"
    seen += f", {console.many(report.inputs, 'source picture')}" if source else ""
    seen += f", {console.many(report.source_labels, 'source label file')}" if source else ""
    text = f"{out}: {console.many(len(faults), 'fault')} in {seen}" if faults else f"{out}: {seen}, all as written"
    text += f"; {report.refused} were refused when it was made, see synthir.json" if report.refused else ""
    data = {name: getattr(report, name) for name in ("pictures", "labels", "inputs", "source_labels", "refused")}
    console.result(as_json, {**data, "problems": faults}, text)
    return NOT_VERIFIED if faults else 0


@click.command()
@click.argument("source", type=PATH)
@IMAGES
@FORMAT
@JSON
def inspect(source: Path, images: Path | None, form: str | None, as_json: bool) -> int:
    """Say what a source holds and what would be refused."""
    from . import formats
    from .summary import summarise

    seen = summarise(formats.read(source, images, form))
    refused = [{"name": name, "code": error.code, "message": str(error)} for name, error in seen.refused]
    rows = [
        ("format", seen.format),
        ("folder", seen.root),
        ("pictures", str(seen.pictures)),
        *(("", f"{count} x {size}") for size, count in seen.sizes[:10]),
        ("boxes", str(seen.boxes)),
        ("label files", str(len(seen.label_files))),
        *(("", f"{place}  {console.size(count)}") for place, count in seen.label_files[:10]),
        ("refused", str(len(refused))),
        *(("", row["message"]) for row in refused[: console.SHOWN]),
        *(("note", note) for note in seen.notes),
    ]
    data = {**dataclasses.asdict(seen), "refused": refused}
    console.result(as_json, data, console.table(rows))
    return 0


COMMANDS = (convert, verify_, inspect)
"""What synthir.cli adds to the program."""
