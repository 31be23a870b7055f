"""Documents are tested: links lead somewhere, and blocks marked `sh run` or `python run` are run as they stand.

The blocks of one document run in order, in one folder that holds a copy of the examples, with `synthir` on the path.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted(
    [*ROOT.glob("*.md"), *(p for top in ("docs", "engines", "recipes") for p in (ROOT / top).rglob("*.md"))]
)
BLOCK = re.compile(r"^```(sh|python) run\n(.*?)^```$", re.MULTILINE | re.DOTALL)
RUNNABLE = [path for path in DOCUMENTS if BLOCK.search(path.read_text(encoding="utf-8"))]


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.fixture
def workplace(tmp_path: Path) -> Path:
    """A folder with the examples, and `bin/` with a `synthir` that runs this checkout and the `python` of the tests."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    (tmp_path / "bin").mkdir()
    for name, words in (("synthir", " -c 'from synthir.cli import main; main()'"), ("python", "")):
        command = tmp_path / "bin" / name
        command.write_text(f"#!/bin/sh\nexec '{sys.executable}'{words} \"$@\"\n")
        command.chmod(0o755)
    return tmp_path


@pytest.mark.slow
@pytest.mark.usefixtures("default_model")
@pytest.mark.parametrize("path", RUNNABLE, ids=name_of)
def test_what_a_document_shows_runs(path: Path, workplace: Path) -> None:
    inherited = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {
        **os.environ,
        "PATH": f"{workplace / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join(inherited),
    }
    for language, code in BLOCK.findall(path.read_text(encoding="utf-8")):
        shell = ["bash", "-euo", "pipefail", "-c"] if language == "sh" else [sys.executable, "-W", "error", "-c"]
        done = subprocess.run([*shell, code], cwd=workplace, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, f"{code}\n{done.stdout}\n{done.stderr}"


def anchors(path: Path) -> set[str]:
    """The anchors of a document's headings, as code hosts make them."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_links_lead_somewhere(path: Path) -> None:
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", path.read_text(encoding="utf-8")):
        place, _, anchor = link.partition("#")
        target = (path.parent / place).resolve() if place else path
        if "://" not in link and not (target.exists() and (not anchor or anchor in anchors(target))):
            broken.append(link)
    assert broken == []


def test_the_readme_opens_with_its_two_commands() -> None:
    first, second = re.findall(r"^```sh\n(.*?)^```$", (ROOT / "README.md").read_text("utf-8"), re.M | re.S)[:2]
    assert "pip install ." in first and "synthir convert examples/sample/coco.json" in first
    assert "pip install -c constraints-cpu.txt" in second and second.strip().endswith("pytest")
    assert (ROOT / "README.md").read_text("utf-8").index("```sh run") > (ROOT / "README.md").read_text("utf-8").index(
        second
    )
