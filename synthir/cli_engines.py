"""The commands about engines: compile one, compare it, measure this machine. See synthir.cli."""

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import console

if TYPE_CHECKING:
    from .profiles import BuildProfile

PATH = click.Path(path_type=Path)
AT_LEAST_ONE = click.IntRange(1)
DEFAULT_ENGINE = "cascade-lwir-s"
NOT_FINISHED = 5
UNFINISHED = """It cannot be opened here, for want of a GPU or its driver; an engine that was not compared is not used.
Take {0}.* to a machine that has one, and finish it: synthir compile {1} --compare --out {2}"""
JSON = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")


SIZE = click.option("--size", default="640x512", show_default=True, metavar="WxH", help="Of the pictures, in pixels.")
PICTURES = click.option(
    "--batch", type=click.IntRange(0), default=0, metavar="N", help="Pictures a call; 0 is what suits the engine."
)
CALLS = click.option("--calls", type=AT_LEAST_ONE, default=30, show_default=True, metavar="N", help="Of each engine.")
PRICE = click.option("--price", type=float, default=float("nan"), metavar="N", help="Of an hour here, for the costs.")
WRITTEN = click.option("--out", type=PATH, help="Folder for bench.json and bench.png.")


def measured_how(command: Any) -> Any:
    """The options of measuring engines."""
    for option in (JSON, WRITTEN, PRICE, CALLS, PICTURES, SIZE):
        command = option(command)
    return command


@click.command("compile")
@click.argument("name")
@click.option("--backend", default="openvino", show_default=True, help="The runtime to compile for.")
@click.option(
    "--profile", help="A shipped profile, or a TOML file, in place of the backend's own; it names the backend."
)
@click.option("--via", type=click.Choice(["onnx", "torch-tensorrt"]), help="How TensorRT gets the network.")
@click.option(
    "--precision", type=click.Choice(["float32", "bfloat16", "float16"]), help="The fastest that agrees if not given."
)
@click.option("--out", type=PATH, help="File to write, e.g. cascade.xml; its papers go beside it.")
@click.option(
    "--timing-cache",
    type=PATH,
    envvar="SYNTHIR_CACHE",
    metavar="DIR",
    help="Folder where TensorRT keeps its timings for the next build; SYNTHIR_CACHE names one, too.",
)
@click.option("--compare", is_flag=True, help="Compile nothing: compare the engine --out with the model, here.")
@click.option("--explain", is_flag=True, help="Compile nothing: each operation in float16 beside float32.")
@JSON
def compile_(name: str, out: Path | None, compare: bool, explain: bool, as_json: bool, **how: Any) -> int:
    """Compile a model into an engine, with its papers.

    NAME is a shipped model, or the folder of a trained one.
    """
    from .compile import compare_engine, compile_engine
    from .shipped import model_place
    from .specs import Precision

    if explain:
        return _explained(model_place(name), as_json)
    if out is None:
        raise click.UsageError("--out is missing")
    profile, precision = _profile(how), how["precision"]
    if compare:
        if precision or how["via"]:
            raise click.UsageError("--compare takes the engine as it was built: leave --precision and --via out")
        return _compiled(compare_engine(model_place(name), out, profile if how["profile"] else None), as_json)
    if how["via"] == "torch-tensorrt" and (profile.backend != "tensorrt" or precision == "float32"):
        raise click.UsageError("--via torch-tensorrt is for float16 plans: --backend tensorrt")
    console.say(as_json, f"compiling {name} for {profile.backend}: half a minute, or two where it goes through ONNX")
    made = compile_engine(model_place(name), out, profile.backend, Precision(precision) if precision else None, profile)
    return _compiled(made, as_json)


def _profile(how: dict[str, Any]) -> "BuildProfile":
    """The profile of the options."""
    from .profiles import profile_of, read_profile

    chosen = read_profile(how["profile"]) if how["profile"] else profile_of(how["backend"] or "openvino")
    return dataclasses.replace(chosen, **{name: how[name] for name in ("via", "timing_cache") if how[name]})


def _compiled(made: Path, as_json: bool) -> int:
    """Say what an engine is; exit status 5 where it is not finished."""
    from .engine import papers_of
    from .specs import read_engine_spec

    spec = read_engine_spec(papers_of(made))
    agreed = spec.agreement
    how = "not compared"
    if agreed:
        how = f"{agreed.worst_psnr_db:.1f} dB or more from float32, {agreed.psnr_db:.1f} dB on the mean of"
        how += f" {agreed.pictures} pictures"
    data = {"engine": str(made), "papers": str(papers_of(made)), "precision": spec.precision, "agreement": how}
    text = f"{made}: {spec.backend} {spec.precision}, {how}"
    if not agreed:
        text += f"\n{UNFINISHED.format(made.stem, spec.generator, made.name)}"
    console.result(as_json, data, text)
    return 0 if agreed else NOT_FINISHED


def _explained(folder: Path, as_json: bool) -> int:
    """The comparison operation by operation, the furthest first."""
    from .compile import explain

    layers = sorted(explain(folder), key=lambda one: one.max_difference / max(one.largest, 1e-9), reverse=True)
    head = ("layer", "largest value", "max difference", "mean difference", "computed in")
    rows = [
        (one.layer, f"{one.largest:.3g}", f"{one.max_difference:.2g}", f"{one.mean_difference:.2g}", _type(one.kept))
        for one in layers
    ]
    kept = sum(one.kept for one in layers)
    text = f"{console.table([head, *rows])}\n{len(layers)} operations, {kept} of them kept in float32"
    console.result(as_json, [{**dataclasses.asdict(one), "kept": one.kept} for one in layers], text)
    return 0


def _type(kept: bool) -> str:
    return "float32" if kept else "float16"


@click.group()
def bench() -> None:
    """Measure this machine."""


@bench.command("convert")
@click.option("--engine", default=DEFAULT_ENGINE, show_default=True, help="A shipped model, or the file of an engine.")
@click.option(
    "--scratch", type=PATH, default=Path("synthir-bench"), help="Folder that is made and removed, about 2 GB."
)
@click.option(
    "--pictures",
    type=AT_LEAST_ONE,
    default=100,
    show_default=True,
    metavar="N",
    help="Pictures of a run with the engine.",
)
@click.option(
    "--many",
    type=AT_LEAST_ONE,
    default=10_000,
    show_default=True,
    metavar="N",
    help="Pictures of the run that watches memory.",
)
@click.option(
    "--repeats", type=AT_LEAST_ONE, default=3, show_default=True, metavar="N", help="Runs of each measurement."
)
@WRITTEN
@JSON
def bench_convert_(engine: str, scratch: Path, out: Path | None, as_json: bool, **counts: int) -> int:
    """Measure rate, memory and waiting times. Takes minutes.

    Says which part limits the speed of a conversion on this machine.
    """
    from .benchmarks import bench_convert
    from .files import write_atomic
    from .shipped import engine_payload

    measured = bench_convert(engine_payload(engine), scratch, **counts)
    if out:
        write_atomic(out / "bench.json", json.dumps(dataclasses.asdict(measured), indent=2).encode())
        measured.chart(out / "bench.png")
    console.result(as_json, dataclasses.asdict(measured), measured.markdown())
    return 0


@bench.command("engine")
@click.argument("engine", default=DEFAULT_ENGINE)
@measured_how
def bench_engine_(engine: str, **how: Any) -> int:
    """Measure one engine on one batch: latency, rate, bytes moved, share of the roofline.

    ENGINE is a shipped model, or the file of an engine.
    """
    return _benched((engine,), **how)


@bench.command("compare")
@click.argument("engines", nargs=-1, required=True)
@measured_how
def bench_compare_(engines: tuple[str, ...], **how: Any) -> int:
    """Measure engines in turn, in one process; the first is what the others are compared with.

    ENGINES are shipped models and files of engines.
    """
    return _benched(engines, **how)


def _benched(engines: tuple[str, ...], size: str, out: Path | None, as_json: bool, **how: Any) -> int:
    """Measure, write JSON and a chart where that is asked for, and print."""
    from .engine_bench import bench_engines, chart
    from .files import write_atomic
    from .shipped import engine_payload

    width, _, height = size.partition("x")
    if not (width.isdigit() and height.isdigit()):
        raise click.UsageError(f"--size {size!r} is not WIDTHxHEIGHT, e.g. 640x512")
    measured = bench_engines([engine_payload(name) for name in engines], size=(int(height), int(width)), **how)
    if out:
        write_atomic(out / "bench.json", measured.json())
        chart(measured, out / "bench.png")
    click.echo(measured.json().decode() if as_json else measured.markdown(), nl=not as_json)
    return 0


COMMANDS = (compile_, bench)
"""What synthir.cli adds to the program."""
