"""The command line as people type it: what goes to stdout and stderr, the exit status, and the way on."""

import dataclasses
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import click
import cv2
import numpy as np
import pytest

from synthir import checks, cli, cli_convert, console, errors, shipped
from synthir.cli import main, program
from synthir.files import PART, sha256_tree
from synthir.options import Options

ROOT = Path(__file__).parents[1]


@dataclasses.dataclass(frozen=True)
class Run:
    """What a command left behind."""

    status: int
    out: str
    err: str


class Shell:
    """Runs `synthir` with the words of a command line, in this process."""

    def __init__(self, capture: pytest.CaptureFixture[str]) -> None:
        self.capture = capture

    def __call__(self, *words: str | Path) -> Run:
        with pytest.raises(SystemExit) as left:
            main([str(word) for word in words])
        captured = self.capture.readouterr()
        return Run(int(left.value.code or 0), captured.out, captured.err)


@pytest.fixture
def synthir(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    monkeypatch.chdir(tmp_path)
    return Shell(capsys)


@pytest.fixture
def source(tmp_path: Path, sample: Path) -> Path:
    """A copy of the sample that a test may damage."""
    shutil.copytree(sample, tmp_path / "source")
    return tmp_path / "source"


def test_converts_the_sample_and_carries_its_labels(synthir: Shell, sample: Path, small_engine: Path) -> None:
    before = sha256_tree(sample)
    run = synthir("convert", sample / "coco.json", "--engine", small_engine, "--out", "ir", "--ext", "png")
    assert (run.status, sha256_tree(sample)) == (0, before)
    assert run.out.startswith("ir: 6 infrared pictures, 1 label file\n")
    assert (sample / "coco.json").read_bytes().replace(b".jpg", b".png") == Path("ir/coco.json").read_bytes()
    rgb = cv2.imread(str(sample / "images/day-1.jpg"))
    infrared = cv2.imread("ir/images/day-1.png", cv2.IMREAD_UNCHANGED)
    assert rgb is not None and infrared is not None
    # the engine's answer is known: the mean of the three channels
    assert np.abs(rgb.astype(float).mean(axis=2) - infrared).max() <= 1.0


def test_without_out_it_says_where_it_writes(synthir: Shell, sample: Path, small_engine: Path) -> None:
    run = synthir("convert", sample / "data.yaml", "--engine", small_engine)
    assert run.status == 0 and "sample-ir" in run.err
    assert Path("sample-ir/labels/day-1.txt").read_bytes() == (sample / "labels/day-1.txt").read_bytes()


@pytest.mark.parametrize(
    ("here", "what", "target"),
    [
        (".", "coco.json", "coco-ir"),
        (".", "data.yaml", "source-ir"),
        ("images", "../coco.json", "../coco-ir"),  # a picture folder is no place for a target
        ("images", ".", "images-ir"),
    ],
)
def test_standing_in_the_source_it_writes_where_nothing_is_read(
    synthir: Shell, source: Path, small_engine: Path, monkeypatch: pytest.MonkeyPatch, here: str, what: str, target: str
) -> None:
    before = {path: path.read_bytes() for path in source.rglob("*") if path.is_file()}
    monkeypatch.chdir(source / here)
    assert synthir("convert", what, "--engine", small_engine).status == 0
    written = (source / target).resolve()
    assert (written / "synthir.json").is_file()
    after = {path: path.read_bytes() for path in source.rglob("*") if path.is_file() and written not in path.parents}
    assert after == before


def test_json_is_one_object_on_stdout(synthir: Shell, sample: Path, small_engine: Path) -> None:
    words = ("convert", sample / "coco.json", "--engine", small_engine, "--out", "ir", "--json", "--quiet")
    run = synthir(*words)
    told = json.loads(run.out)
    assert (run.err, told["target"], told["format"], told["refused"]) == ("", "ir", "coco", [])
    planned = json.loads(synthir(*words, "--dry-run").out)
    assert (planned["to_convert"], planned["done"]) == (0, 6)


def test_dry_run_writes_nothing(synthir: Shell, sample: Path, small_engine: Path, tmp_path: Path) -> None:
    run = synthir("convert", sample / "coco.json", "--engine", small_engine, "--out", "ir", "--dry-run")
    assert run.status == 0 and "would convert 6 pictures" in run.out
    assert list(tmp_path.iterdir()) == []


def test_a_bad_picture_costs_one_picture(synthir: Shell, source: Path, small_engine: Path) -> None:
    (source / "images/day-1.jpg").write_bytes(b"")
    (source / "images/day-2.jpg").unlink()
    words = ("convert", source / "coco.json", "--engine", small_engine, "--out", "ir")
    run = synthir(*words)
    coded = [line for line in run.err.splitlines() if line.startswith("SIR")]
    assert run.status == 3 and "4 infrared pictures" in run.out and "2 refused" in run.out
    assert sorted(line[:6] for line in coded) == ["SIR204", "SIR301"]
    assert all("Next: " in line for line in coded)
    assert synthir(*words[:-1], "ir2", "--strict").status == 1
    assert synthir(*words[:-1], "ir3", "--max-failures", "2").status == 3


def test_only_the_first_refusals_are_printed(synthir: Shell, source: Path, small_engine: Path) -> None:
    labels = json.loads((source / "coco.json").read_bytes())
    labels["images"] += [{**labels["images"][0], "id": 100 + n, "file_name": f"images/no-{n}.jpg"} for n in range(25)]
    (source / "coco.json").write_text(json.dumps(labels))
    run = synthir("convert", source / "coco.json", "--engine", small_engine, "--out", "ir", "--quiet")
    lines = run.err.splitlines()
    assert (run.status, len(lines), lines[-1]) == (3, 21, "and 5 more in ir/synthir.json")


def test_verify_finds_a_changed_byte(synthir: Shell, sample: Path, small_engine: Path) -> None:
    synthir("convert", sample / "coco.json", "--engine", small_engine, "--out", "ir")
    good = synthir("verify", "ir", "--source", sample)
    assert (good.status, good.out) == (
        0,
        "ir: 6 pictures, 1 label file, 6 source pictures, 1 source label file, all as written\n",
    )
    with Path("ir/images/day-1.jpg").open("ab") as file:
        file.write(b"x")
    bad = synthir("verify", "ir")
    assert bad.status == 4 and bad.err.startswith("SIR700 ir/images/day-1.jpg: changed")
    assert len(json.loads(synthir("verify", "ir", "--json").out)["problems"]) == 1
    assert synthir("verify", "nowhere").status == 4


def test_what_verify_says_next_repairs_what_it_found(synthir: Shell, sample: Path, small_engine: Path) -> None:
    words = ("convert", sample / "data.yaml", "--engine", small_engine, "--out", "ir")
    synthir(*words)
    before = sha256_tree(Path("ir"))
    Path("ir/images/day-1.jpg").write_bytes(b"x")
    Path("ir/images/day-2.jpg").unlink()
    Path("ir/labels/day-1.txt").write_bytes(b"0 0 0 0 0")
    run = synthir("verify", "ir")
    assert run.status == 4 and run.err.count("Next: run the same synthir convert again") == 3
    assert json.loads(synthir(*words, "--dry-run", "--json").out)["to_convert"] == 2
    assert synthir(*words).status == 0
    assert synthir("verify", "ir", "--source", sample).status == 0 and sha256_tree(Path("ir")) == before


@pytest.mark.parametrize("broken", ["missing", "unreadable"])
def test_what_stopped_a_strict_conversion_is_told(
    synthir: Shell, source: Path, small_engine: Path, broken: str
) -> None:
    for name in ("day-1", "day-2"):
        path = source / f"images/{name}.jpg"
        path.unlink() if broken == "missing" else path.write_bytes(b"")
    words = ("convert", source / "coco.json", "--engine", small_engine, "--max-failures", "1", "--quiet", "--out")
    run = synthir(*words, "ir")
    assert run.status == 1
    assert [line[:6] for line in run.err.splitlines()] == [{"missing": "SIR204"}.get(broken, "SIR301")] * 2 + ["SIR600"]
    assert all(f"coco.json images[{number}]" in run.err for number in (0, 1))
    told = json.loads(synthir(*words, "ir2", "--json").err)
    assert told["code"] == "SIR600" and len(told["refused"]) == 2


def test_an_engine_without_its_papers_is_not_opened(
    synthir: Shell, sample: Path, small_engine: Path, tmp_path: Path
) -> None:
    shutil.copytree(small_engine.parent, tmp_path / "engine")
    with (tmp_path / "engine/mean.bin").open("ab") as file:
        file.write(b"x")
    words = ("convert", sample / "coco.json", "--out", "ir", "--engine")
    run = synthir(*words, "engine/mean.xml")
    assert run.status == 5 and run.err.startswith("SIR501 engine/mean.bin")
    assert synthir(*words, "no-such-model").status == 2
    assert synthir(*words, "no/such.xml").status == 5
    assert not Path("ir").exists()


def test_errors_are_one_line_or_one_object(synthir: Shell) -> None:
    run = synthir("inspect", "nowhere.json")
    assert run.status == 1 and run.out == "" and re.fullmatch(r"SIR201 .*nowhere\.json: .* Next: .*\n", run.err)
    told = json.loads(synthir("inspect", "nowhere.json", "--json").err)
    assert set(told) == {"code", "what", "where", "why", "fix"} and told["code"] == "SIR201"


def test_misuse_ends_with_two(synthir: Shell, sample: Path, small_engine: Path) -> None:
    assert synthir("convrt").status == 2
    assert synthir("convert").status == 2
    assert synthir("convert", sample / "coco.json", "--channels", "2").status == 2
    told = json.loads(synthir("convert", "--json").err)
    assert (told["code"], told["fix"]) == ("SIR100", "synthir convert --help")
    wrong = synthir("convert", sample / "coco.json", "--engine", small_engine, "--bit-depth", "16", "--ext", "jpg")
    assert wrong.status == 2 and wrong.err.startswith("SIR100")


def test_what_the_system_refuses_is_one_line(synthir: Shell, sample: Path, small_engine: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    run = synthir("convert", sample / "coco.json", "--engine", small_engine, "--out", "file/ir")
    line = run.err.splitlines()[-1]
    assert run.status == 1 and line.startswith("SIR400") and "choose another --out" in line
    run = synthir("convert", sample / "coco.json", "--engine", small_engine, "--out", "x" * 300)
    assert run.status == 1 and run.err.splitlines()[-1].startswith("SIR400") and "shorter --out" in run.err


def test_nothing_can_be_measured_no_times(synthir: Shell) -> None:
    for option in ("--repeats", "--pictures", "--many"):
        run = synthir("bench", "convert", option, "0")
        assert run.status == 2 and option in run.err and not Path("synthir-bench").exists()


def test_inspect_counts_what_is_there(synthir: Shell, sample: Path) -> None:
    told = json.loads(synthir("inspect", sample / "coco.json", "--json").out)
    labels = json.loads((sample / "coco.json").read_bytes())
    assert (told["format"], told["pictures"], told["boxes"]) == ("coco", 6, len(labels["annotations"]))
    assert told["sizes"] == [["320x256", 4], ["256x320", 1], ["333x250", 1]]
    assert told["label_files"] == [["coco.json", (sample / "coco.json").stat().st_size]]
    text = synthir("inspect", sample / "data.yaml").out
    assert "yolo" in text and re.search(r"^boxes +22$", text, re.M)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no names that are not text")
def test_names_that_are_no_text_are_printed(synthir: Shell, sample: Path, small_engine: Path) -> None:
    folder = Path(os.fsdecode(b"odd-\xff"))
    shutil.copytree(sample / "images", folder)
    (folder / "day-1.jpg").rename(folder / os.fsdecode(b"\xff.jpg"))
    run = synthir("convert", folder, "--engine", small_engine)
    assert run.status == 3 and run.out.startswith("odd-\\udcff-ir: 5 infrared pictures")
    assert run.err.splitlines()[-1].startswith("SIR302 \\udcff.jpg")
    assert json.loads(synthir("inspect", folder, "--json").out)["refused"][0]["code"] == "SIR302"


def test_models_and_their_cards(synthir: Shell, default_model: Path) -> None:
    assert default_model.name in synthir("models", "ls").out
    listed = json.loads(synthir("models", "ls", "--json").out)
    assert default_model.name in [row["name"] for row in listed]
    card = synthir("models", "show", default_model.name).out
    assert card.strip() == (default_model / "README.md").read_text(encoding="utf-8").strip()
    assert synthir("models", "show", "cascade").status == 2


def test_a_model_with_broken_papers_is_a_row(
    synthir: Shell, tmp_path: Path, small_engine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("broken", "whole"):
        shutil.copytree(small_engine.parent, tmp_path / "engines" / name)
        for path in (tmp_path / "engines" / name).glob("mean.*"):
            path.rename(path.with_name(path.name.replace("mean", "engine")))
        (tmp_path / "engines" / name / "model.json").write_text("{}")
    (tmp_path / "engines/broken/engine.xml.json").write_text("no papers")
    monkeypatch.setattr(shipped, "engines_folder", lambda: tmp_path / "engines")
    rows = {row["name"]: row for row in json.loads(synthir("models", "ls", "--json").out)}
    assert rows["whole"]["backend"] == "openvino"
    assert rows["broken"]["backend"] == "?" and rows["broken"]["agreement with float32"].startswith("SIR501")


@pytest.mark.parametrize("fault", [RuntimeError("no plugin"), errors.BackendMissing("openvino is not installed")])
def test_a_broken_backend_is_a_row(synthir: Shell, monkeypatch: pytest.MonkeyPatch, fault: Exception) -> None:
    def broken() -> str:
        raise fault

    monkeypatch.setattr(checks, "openvino_devices", broken)
    run = synthir("checks", "--json")
    told = {(check["kind"], check["name"]): check for check in json.loads(run.out)}
    assert run.status == 1 and not told["backend", "openvino"]["good"]
    assert str(fault) in told["backend", "openvino"]["detail"] and "pip install" in told["backend", "openvino"]["fix"]


def test_checks_say_how_to_get_what_is_missing(synthir: Shell) -> None:
    run = synthir("checks", "--json")
    told = {(check["kind"], check["name"]): check for check in json.loads(run.out)}
    assert run.status == 0 and told["backend", "openvino"]["good"]
    assert all(check["good"] or "pip install" in check["fix"] for check in told.values())
    assert "openvino" in synthir("checks").out


def test_checks_know_the_packages_of_pyproject() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    groups = {"": project["dependencies"], **project["optional-dependencies"]}
    wanted = {
        (re.split(r"[^\w-]", line)[0], extra)
        for extra in ("", "train", "onnx", "rtx", "tensorrt", "gpu-codec", "recipes")
        for line in groups[extra]
        if not line.startswith("synthir")
    }
    assert {(package, extra) for package, extra in checks.PACKAGES.items()} == wanted


def test_convert_offers_every_option_with_its_default() -> None:
    offered = program.commands["convert"].make_context("convert", ["source"]).params
    defaults = {field.name: field.default for field in dataclasses.fields(Options)}
    assert {name: offered[name] for name in defaults} == defaults


def commands(group: click.Group, prefix: str = "synthir") -> list[tuple[str, click.Command]]:
    """Every command with its full name."""
    found = []
    for name, command in group.commands.items():
        inner = isinstance(command, click.Group)
        found += commands(command, f"{prefix} {name}") if isinstance(command, click.Group) else []
        found += [] if inner else [(f"{prefix} {name}", command)]
    return found


@pytest.mark.parametrize(
    ("name", "command"), commands(program), ids=lambda value: value if isinstance(value, str) else ""
)
def test_every_command_and_option_is_documented(name: str, command: click.Command) -> None:
    text = (ROOT / "docs/reference/cli.md").read_text(encoding="utf-8")
    section = re.search(rf"^## {name}\b.*?(?=^## |\Z)", text, re.M | re.S)
    assert section, f"docs/reference/cli.md has no section `## {name}`"
    options = [max(p.opts, key=len) for p in command.params if isinstance(p, click.Option)]
    assert [option for option in options if f"`{option}" not in section.group()] == []
    assert command.help and all(p.help for p in command.params if isinstance(p, click.Option))


def test_exit_statuses_agree_with_the_errors() -> None:
    assert errors.VerificationFailed.exit_status == cli_convert.NOT_VERIFIED
    kinds: list[type[errors.SynthIRError]] = [*errors.SynthIRError.__subclasses__(), errors.NoSpace]
    assert not {cli_convert.SOME_REFUSED, cli.INTERRUPTED, console.TERMINATED} & {kind.exit_status for kind in kinds}


def shell(*words: str | Path) -> list[str]:
    """A command line that runs `synthir` of this checkout in another process."""
    return [sys.executable, "-c", "from synthir.cli import main; main()", *map(str, words)]


@pytest.mark.slow
@pytest.mark.parametrize(("sent", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupted_it_prints_the_command_that_resumes(
    tmp_path: Path, sample: Path, small_engine: Path, sent: signal.Signals, status: int
) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    shutil.copy(sample / "images/day-1.jpg", pictures / "0.jpg")
    for number in range(1, 800):
        (pictures / f"{number}.jpg").hardlink_to(pictures / "0.jpg")
    words = ("convert", pictures, "--engine", small_engine, "--out", tmp_path / "my ir", "--overwrite")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    # What runs the tests may ignore Ctrl-C, as what nohup starts does, and a child inherits that.
    heard = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    process = subprocess.Popen(shell(*words), stderr=subprocess.PIPE, text=True, env=environment, preexec_fn=heard)
    while process.poll() is None and len(list((tmp_path / "my ir").glob("*.jpg"))) < 20:
        time.sleep(0.01)
    process.send_signal(sent)
    error = process.communicate()[1]
    assert process.returncode == status
    assert not list((tmp_path / "my ir").rglob(f"*{PART}")), "what was begun is finished, as after Ctrl-C"
    again = error.splitlines()[-1].partition("Next: ")[2]
    assert again == f"synthir convert {pictures} --engine {small_engine} --out '{tmp_path}/my ir'"
    done = subprocess.run(shell(*words[:-1]), env=environment, capture_output=True, text=True)
    assert done.returncode == 0 and "resuming: " in done.stderr, done.stderr
    assert len({hashlib.sha256(p.read_bytes()).digest() for p in (tmp_path / "my ir").glob("*.jpg")}) == 1


GUARD = """
import sys
BARRED = ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.bind", "socket.sendto",
          "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "pickle.find_class")
def guard(event, arguments):
    if event in BARRED:
        sys.stderr.write(f"BARRED {event} {arguments}\\n")
        raise RuntimeError(event)
sys.addaudithook(guard)
from synthir.cli import main
main()
"""


def test_converting_calls_nobody_and_runs_nothing(tmp_path: Path, sample: Path, small_engine: Path) -> None:
    words = ["convert", str(sample / "data.yaml"), "--engine", str(small_engine), "--out", str(tmp_path / "ir")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", GUARD, *words], capture_output=True, text=True, env=environment)
    assert done.returncode == 0 and "BARRED" not in done.stderr, done.stderr
