"""Rules of the house that a machine can check: layers, the public surface, the error family, size and style of code."""

import ast
import graphlib
import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from synthir import errors

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "synthir"
SOURCES = sorted(PACKAGE.rglob("*.py"))
EVERYTHING = [
    path for top in ("synthir", "tests", "examples", "recipes") for path in sorted((ROOT / top).rglob("*.py"))
]
LAYERS = (
    ("errors",),
    ("device",),
    ("extras", "torchvision_cpu", "files", "folders", "shipped", "specs", "config", "weights", "stopwatch", "profiles"),
    ("engine", "dataset", "frames", "images", "journal", "manifest", "options", "comparison", "gpu_codec", "twins"),
    ("objectives", "adversarial", "perceptual", "balance", "discriminators", "spectrum", "distributed"),
    ("metrics", "object_metrics", "distribution", "lpips", "features", "intervals", "detection", "coco_results"),
    ("gain", "verdict"),
    ("borders",),
    ("lowering",),
    ("onnx_export",),
    ("formats", "generators", "backends", "levels", "pairs", "plan", "verify", "target", "detector"),
    ("layouts", "headers", "sampling", "audit", "registration", "labelled", "warming"),
    ("convert", "picture_io", "attempts", "pipeline", "checkpoint", "summary", "validation", "train_config", "seen"),
    ("train_log", "train_state", "loss_terms", "systems", "train_start", "sheet", "likeness"),
    ("train_checks", "train_data"),
    ("measurement", "totals"),
    ("roofline", "bench_chart"),
    ("compile", "training", "report", "evaluate", "evaluate_report", "benchmarks", "engine_bench", "checks", "further"),
    ("charts", "gain_sheet", "gain_tables", "gain_page"),
    ("recipes", "arms", "leakage", "picture_sets", "watched_yolo"),
    ("gain_data", "gain_run"),
    ("gain_compare",),
    ("model", "console", "reid"),
    ("cli_training", "cli_convert", "cli_engines"),
    ("cli_recipes",),
    ("cli",),
)
LAYER = {name: number for number, names in enumerate(LAYERS) for name in names}


def part(path: Path) -> str:
    """The name of the layer's member that a source file belongs to: `formats/coco.py` -> `formats`."""
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imported(path: Path) -> Iterator[str]:
    """Every module a file imports, anywhere in it, as an absolute dotted name."""
    package = ("synthir", *path.relative_to(PACKAGE).parts[:-1])
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = [*package[: len(package) + 1 - node.level]] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{module}.{alias.name}" for alias in node.names)


def inner_imports(path: Path) -> set[str]:
    """The members of layers that a file imports."""
    return {name.split(".")[1] for name in imported(path) if name.startswith("synthir.")} - {part(path), "__version__"}


@pytest.mark.parametrize("path", [p for p in SOURCES if part(p) != "__init__"], ids=str)
def test_imports_point_down(path: Path) -> None:
    assert part(path) in LAYER, f"{path.name} has no layer; give it one in DESIGN and here"
    above = {name for name in inner_imports(path) if LAYER[name] > LAYER[part(path)]}
    assert not above, f"{path.name} imports from above: {above}"


def test_imports_make_no_circle() -> None:
    graph: dict[str, set[str]] = {}
    for path in SOURCES:
        if part(path) != "__init__":
            graph.setdefault(part(path), set()).update(inner_imports(path))
    graphlib.TopologicalSorter(graph).prepare()  # raises CycleError and names the circle


def test_copyleft_packages_stay_in_recipes() -> None:
    barred = {"ultralytics", "pycocotools", "faster_coco_eval"}
    assert not {(path.name, name) for path in SOURCES for name in imported(path) if name.split(".")[0] in barred}


def test_public_names_are_sorted_and_there() -> None:
    import synthir

    assert synthir.__all__ == sorted(synthir.__all__)
    assert {name for name in synthir.__all__ if not hasattr(synthir, name)} == set()
    assert set(synthir.__all__) <= set(dir(synthir))
    with pytest.raises(AttributeError, match="convrt"):
        _ = synthir.convrt


HEAVY = ("torch", "cv2", "openvino", "PIL", "numpy")


def loaded_after(code: str) -> set[str]:
    """Which heavy packages are in memory after some code ran in a fresh interpreter."""
    tail = f"\nimport sys; print('\\n' + ' '.join(m for m in {HEAVY!r} if m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code + tail], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(done.stdout.splitlines()[-1].split())


def test_importing_synthir_is_light() -> None:
    assert loaded_after("import synthir; synthir.__all__; synthir.__version__") == set()


def test_help_is_light() -> None:
    code = "from synthir.cli import main\ntry: main(['convert', '--help'])\nexcept SystemExit: pass"
    assert loaded_after(code) == set()


@pytest.mark.parametrize("names", ["convert journal images frames formats engine", "backends.openvino shipped"])
def test_converting_needs_no_torch(names: str) -> None:
    code = "\n".join(f"import synthir.{name}" for name in names.split())
    assert "torch" not in loaded_after(code)


def test_every_error_is_in_the_drawn_tree() -> None:
    found: dict[str, tuple[str, str, int]] = {}
    above: list[str] = []
    for indent, name, code, status in re.findall(
        r"^    ((?:[│ ]   )*(?:[├└]── )?)(\w+) +(SIR\d{3})(?:  exit (\d))?", errors.__doc__ or "", re.MULTILINE
    ):
        above = [*above[: len(indent) // 4], name]
        parent = above[-2] if len(above) > 1 else "Exception"
        inherited = found[parent][2] if parent in found else 1
        found[name] = (parent, code, int(status) if status else inherited)
    real = {c.__name__: (c.__mro__[1].__name__, c.code, c.exit_status) for c in family(errors.SynthIRError)}
    assert found == real
    codes = [code for _, code, _ in found.values()]
    assert codes == sorted(set(codes))


def family(cls: type[errors.SynthIRError]) -> list[type[errors.SynthIRError]]:
    """An error class and all below it, those of errors.py only."""
    below = [kind for child in cls.__subclasses__() for kind in family(child)]
    return [kind for kind in (cls, *below) if kind.__module__ == errors.__name__]


@pytest.mark.parametrize("kind", family(errors.SynthIRError), ids=lambda kind: kind.code)
def test_every_error_is_documented(kind: type[errors.SynthIRError]) -> None:
    text = (ROOT / "docs/reference/errors.md").read_text(encoding="utf-8")
    row = re.search(rf"^\| `{kind.code}` \| `{kind.__name__}` \| {kind.exit_status} \| (.+) \| (.+) \|$", text, re.M)
    assert row, f"docs/reference/errors.md needs a row for {kind.code} {kind.__name__} {kind.exit_status}"


def test_no_error_is_defined_elsewhere() -> None:
    for path in SOURCES:
        importlib.import_module(".".join(("synthir", *path.relative_to(PACKAGE).with_suffix("").parts)))
    stray = [
        k
        for k in every(errors.SynthIRError)
        if k.__module__.startswith("synthir.") and k not in family(errors.SynthIRError)
    ]
    assert stray == []


def every(cls: type[errors.SynthIRError]) -> list[type[errors.SynthIRError]]:
    """An error class and all below it, wherever they are."""
    return [cls, *(kind for child in cls.__subclasses__() for kind in every(child))]


@pytest.mark.parametrize("path", EVERYTHING, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_functions_stay_small(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 400
    functions = [n for n in ast.walk(ast.parse(text)) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
    too_long = {f.name for f in functions if (f.end_lineno or 0) - f.body[0].lineno + 1 > 60}
    # the arguments of a command are its options, those of a test its fixtures: nobody passes them by position
    wide = {
        f.name for f in functions if count_arguments(f) > 7 and not is_command(f) and not f.name.startswith("test_")
    }
    assert not too_long and not wide, f"too long: {too_long}, too many arguments: {wide}"


def count_arguments(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """How many arguments a function takes, self and cls left out."""
    named = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    return sum(argument.arg not in ("self", "cls") for argument in named)


def is_command(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """True for a click command."""
    return any(".command(" in ast.unparse(decorator) for decorator in function.decorator_list)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_public_functions_and_methods_explain_themselves(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree), "the module has no docstring"
    classes = [n for n in tree.body if isinstance(n, ast.ClassDef) and not n.name.startswith("_")]
    silent = [f.name for f in public_functions(tree) if not ast.get_docstring(f)]
    for owner in classes:
        silent += [f"{owner.name}.{f.name}" for f in public_functions(owner) if not explained(f, owner, path)]
    assert silent == []


def public_functions(owner: ast.Module | ast.ClassDef) -> list[ast.FunctionDef]:
    """Functions of a module, or methods of a class, whose names begin with no underscore."""
    return [n for n in owner.body if isinstance(n, ast.FunctionDef) and not n.name.startswith("_")]


def explained(method: ast.FunctionDef, owner: ast.ClassDef, path: Path) -> bool:
    """True with a docstring; for the `forward` of a layer of a generator that of its class is enough."""
    layer = part(path) == "generators" and method.name == "forward"
    return bool(ast.get_docstring(method) or (layer and ast.get_docstring(owner)))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_is_swept_under_the_carpet(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    # torch's own annotations are incomplete; an exception for them names its code
    allowed = r"(?!\[)" if "torch" in {name.split(".")[0] for name in imported(path)} else ""
    assert not re.findall(rf"type: ignore{allowed}|TODO|FIXME|XXX", text)
    handlers = [n for n in ast.walk(ast.parse(text)) if isinstance(n, ast.ExceptHandler)]
    broad = {"Exception", "BaseException"}
    caught = [{n.id for n in ast.walk(h.type) if isinstance(n, ast.Name)} if h.type else broad for h in handlers]
    assert [names for names in caught if names & broad] == []


@pytest.mark.parametrize(
    "folder", sorted(p.parent for p in (ROOT / "engines").glob("*/model.json")), ids=lambda p: p.name
)
def test_every_shipped_model_has_its_papers(folder: Path) -> None:
    from synthir.engine import check_papers
    from synthir.files import sha256_file

    spec = check_papers(folder / "engine.xml")
    assert spec.generator == folder.name
    assert spec.agreement is not None and spec.agreement.psnr_db > 40
    assert spec.weights_sha256 == sha256_file(folder / "model.safetensors")
    card = (folder / "README.md").read_text(encoding="utf-8").lower()
    assert [word for word in ("data", "licence", "non-commercial", "limits", "psnr") if word not in card] == []


def test_every_public_name_is_documented() -> None:
    import synthir

    rows = re.findall(r"^\| (`.+?) \|", (ROOT / "docs/reference/python.md").read_text(encoding="utf-8"), re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert named == set(synthir.__all__)
