"""`synthir evaluate --pairs`: what the model has seen is refused, files are named by --config, no engine is needed."""

import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from synthir import metrics
from synthir.checkpoint import load_model, save_model
from synthir.cli import main
from synthir.errors import ConfigError, EngineUntrusted
from synthir.evaluate import EvaluateConfig, Protocol, evaluate, evaluate_from, evaluate_pairs
from synthir.frames import from_network, to_network
from synthir.layouts import find_pairs
from synthir.measurement import known_pictures
from synthir.pairs import PairSource, read_pair
from synthir.seen import Seen, of_sources, pair_hashes, to_bytes
from synthir.specs import Band
from tests import test_lpips, tiny
from tests.fake_engine import FakeEngine, red
from tests.test_evaluate import cells

ROOT = Path(__file__).parents[1]
PAIRS = PairSource("folders", "visible", "infrared")


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    """Three drawn pairs."""
    return tiny.draw_pairs(tmp_path / "pairs", 3)


def uncompiled(folder: Path, seen: bytes = b"") -> Path:
    """A tiny model without an engine."""
    save_model(tiny.network(), folder, "cascade", tiny.SETTINGS, Band.LWIR, seen)
    return folder


def run(*words: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    return int(ended.value.code or 0)


def test_a_model_that_is_trained_is_not_measured_on_its_pictures(
    pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trained = ("train", ROOT / "recipes/train_analytic.toml", "--data", pairs, "--out", tmp_path / "run", "--quiet")
    assert run(*trained) == 0
    words = ("evaluate", tmp_path / "run/model", "--pairs", pairs, "--out", tmp_path / "report")
    assert run(*words) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("SIR102 pairs: the model has seen what is to be measured (3 of 3 look like pictures")
    assert "0 of 256 bits apart; 3 of them are such a picture itself" in said and "--allow-shared-scenes" in said
    assert not (tmp_path / "report").exists()
    assert run(*words, "--allow-shared-scenes") == 0
    table = capsys.readouterr().out
    assert "- pairs: scenes that were trained on are allowed." in table and "- pairs: 3 of 3 look like" in table
    held = json.loads((tmp_path / "report/rows.json").read_bytes())
    assert held["config"]["protocols"][0]["allow_shared_scenes"] is True
    assert any(note.startswith("pairs: 3 of 3 look like") for note in held["notes"])


@pytest.mark.parametrize(("modality", "most"), [("visible", 68), ("infrared", 72)])
def test_a_scene_is_known_within_the_threshold_of_its_band(pairs: Path, modality: str, most: int) -> None:
    found = find_pairs(pairs, PAIRS)[:1]
    nothing = np.zeros((0, 256), np.bool_)
    for bits in (most, most + 1):
        hashed = pair_hashes(found, modality)  # type: ignore[arg-type]
        hashed[0, :bits] ^= True
        known = Seen(hashed, nothing) if modality == "visible" else Seen(nothing, hashed)
        why = known_pictures(found, known)
        assert why == "" if bits > most else f"e.g. 000.png, {most} of 256 bits apart; 0 of them" in why


def test_a_protocol_refuses_what_the_model_has_seen_unless_it_says_so(pairs: Path, tmp_path: Path) -> None:
    seen = of_sources([PAIRS], pairs)
    with pytest.raises(ConfigError, match=r"P: the model has seen .*allow_shared_scenes = true"):
        evaluate(EvaluateConfig((Protocol("P", PAIRS),)), FakeEngine(red), pairs, tmp_path / "out", seen=seen)
    config = EvaluateConfig((Protocol("P", PAIRS, allow_shared_scenes=True),))
    known = evaluate(config, FakeEngine(red), pairs, tmp_path / "out", seen=seen).notes
    unknown = evaluate(config, FakeEngine(red), pairs, tmp_path / "out").notes
    assert "P: 3 of 3 look like" in "".join(known) and "It is not known what" not in "".join(known)
    assert "It is not known what the model has seen: it has no record of its training." in unknown


def test_a_model_without_an_engine_is_measured_as_a_network(pairs: Path, tmp_path: Path) -> None:
    folder = uncompiled(tmp_path / "model")
    table = evaluate_pairs(str(folder), pairs, tmp_path / "out")
    module, spec = load_model(folder)
    expected = []
    for pair in find_pairs(pairs, PAIRS):
        visible, real = read_pair(pair)
        with torch.inference_mode():
            frame = torch.from_numpy(to_network(visible, spec.stride)[None])
            made = np.asarray(from_network(module(frame)[0].numpy(), *real.shape), np.uint8)
        expected.append(metrics.score(made, real).psnr)
    assert cells(table, str(folder))[0][3].startswith(f"{np.mean(expected):.2f} (")
    assert "- Measured is the network itself, float32 on the CPU: the model has no engine yet." in table
    with pytest.raises(EngineUntrusted, match="no engine there"):
        evaluate_pairs(str(folder / "engine.xml"), pairs, tmp_path / "out")


def test_progress_and_the_missing_engine_are_told_on_stderr(
    pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = uncompiled(tmp_path / "model")
    words = ("evaluate", folder, "--pairs", pairs, "--out", tmp_path / "out")
    assert run(*words) == 0
    said = capsys.readouterr()
    first, last = said.err.splitlines()
    assert f"synthir compile {folder} --out {folder / 'engine.xml'}" in first and last == "3 of 3 pictures"
    assert run(*words, "--quiet") == 0
    quiet = capsys.readouterr()
    assert quiet.err == "" and quiet.out == said.out


def test_progress_counts_the_pictures_of_all_protocols(pairs: Path, tmp_path: Path) -> None:
    told: list[tuple[int, int, int]] = []
    config = EvaluateConfig((Protocol("P", PAIRS), Protocol("Q", PAIRS)), every=2)
    evaluate(config, FakeEngine(red), pairs, tmp_path / "out", progress=lambda *numbers: told.append(numbers))
    assert told == [(1, 0, 4), (2, 0, 4), (3, 0, 4), (4, 0, 4)]


def test_files_for_pairs_are_named_in_a_configuration(pairs: Path, small_engine: Path, tmp_path: Path) -> None:
    linear, backbone = test_lpips.draw("alexnet")
    files = test_lpips.write(tmp_path, linear, backbone)
    named = f'lpips = "{files[0].as_posix()}"\nlpips_backbone = "{files[1].as_posix()}"\nevery = 2\n'
    (tmp_path / "files.toml").write_text(named, encoding="utf-8")
    table = evaluate_pairs(str(small_engine), pairs, tmp_path / "out", config=tmp_path / "files.toml")
    expected = [
        test_lpips.written_out(np.asarray(visible.mean(axis=2).round(), np.uint8), real, linear, backbone)
        for visible, real in (read_pair(pair) for pair in find_pairs(pairs, PAIRS)[::2])
    ]
    shown = re.match(r"([\d.]+) \(", cells(table, str(small_engine))[1][-1])
    assert shown and float(shown[1]) == pytest.approx(np.mean(expected), abs=2e-3)
    assert "Not measured, no file given: FID, KID, deletion, insertion." in table
    assert "- test mean: the mean level of the very infrared" in table


def test_training_pairs_in_the_configuration_give_the_constant(pairs: Path, small_engine: Path, tmp_path: Path) -> None:
    folder = tiny.draw_pairs(tmp_path / "train", 2)
    sources = f'[[training]]\nlayout = "folders"\nvisible = "{folder}/visible"\ninfrared = "{folder}/infrared"\n'
    (tmp_path / "train.toml").write_text(sources, encoding="utf-8")
    how = {"config": tmp_path / "train.toml", "allow_shared_scenes": True}
    table = evaluate_pairs(str(small_engine), pairs, tmp_path / "out", **how)  # type: ignore[arg-type]
    assert len(cells(table, "constant")) == 3 and cells(table, "test mean") == []


def test_the_record_of_a_model_gives_the_constant(pairs: Path, tmp_path: Path) -> None:
    """The training infrared is darker than the measured one: its mean is the constant, not that of the measured."""
    trained = tmp_path / "train"
    for folder, shape in (("visible", (96, 96, 3)), ("infrared", (96, 96))):
        (trained / folder).mkdir(parents=True)
        for shade in (10, 30):
            cv2.imwrite(str(trained / folder / f"{shade}.png"), np.full(shape, shade, np.uint8))
    model = uncompiled(tmp_path / "model", to_bytes(of_sources([PAIRS], trained)))
    table = evaluate_pairs(str(model), pairs, tmp_path / "out", allow_shared_scenes=True)
    expected = [
        metrics.score(np.full((96, 96), 20, np.uint8), read_pair(pair)[1]).psnr for pair in find_pairs(pairs, PAIRS)
    ]
    assert cells(table, "constant")[0][3].startswith(f"{np.mean(expected):.2f} (")
    assert cells(table, "test mean") == []


def test_a_file_for_the_other_way_is_refused_with_the_way_it_is_for(pairs: Path, tmp_path: Path) -> None:
    toml = tmp_path / "it.toml"
    toml.write_text("every = 2\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"nothing to measure .*as --config beside --pairs"):
        evaluate_from("x", toml, pairs, tmp_path / "out")
    toml.write_text('[[protocols]]\nname = "P"\n[protocols.pairs]\nlayout = "folders"\nvisible = "v"\n')
    with pytest.raises(ConfigError, match=r"protocols beside --pairs .*as --protocol with --data"):
        evaluate_pairs("x", pairs, tmp_path / "out", config=toml)


def test_a_protocol_needs_no_training_pairs(pairs: Path, small_engine: Path, tmp_path: Path) -> None:
    toml = tmp_path / "protocol.toml"
    named = 'layout = "folders"\nvisible = "visible"\ninfrared = "infrared"\n'
    toml.write_text(f'[[protocols]]\nname = "P"\n[protocols.pairs]\n{named}', encoding="utf-8")
    table = evaluate_from(str(small_engine), toml, pairs, tmp_path / "out")
    assert len(cells(table, "test mean")) == 3 and cells(table, "constant") == []
