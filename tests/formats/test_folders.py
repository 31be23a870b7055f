"""A package folder as a list of names."""

import subprocess
import sys
from pathlib import Path

import pytest

from synthir import folders
from synthir.errors import UnknownName


def test_names_are_files_without_underscore() -> None:
    assert folders.names("synthir.formats") == ("coco", "folder", "voc", "yolo")


def test_listing_imports_nothing_of_it() -> None:
    code = "import sys; from synthir.folders import names; names('synthir.formats')"
    code += "; print([m for m in sys.modules if m.startswith('synthir.formats')])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2]
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(("name", "fix"), [("cocoo", "did you mean 'coco'?"), ("zzz", "choose one of coco")])
def test_an_unknown_name(name: str, fix: str) -> None:
    with pytest.raises(UnknownName) as caught:
        folders.load("synthir.formats", name)
    assert (caught.value.code, caught.value.exit_status) == ("SIR101", 2)
    assert "coco, folder, voc, yolo" in caught.value.why
    assert fix in caught.value.fix


@pytest.mark.parametrize("name", ["_shelf", "../cli", "coco.json", "", "__init__"])
def test_what_is_no_name_is_not_imported(name: str) -> None:
    with pytest.raises(UnknownName):
        folders.load("synthir.formats", name)


def test_no_such_package() -> None:
    with pytest.raises(UnknownName):
        folders.names("synthir.nothing")
