"""Every system of training and every shipped configuration: it learns, and what it keeps is whole and exact."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from synthir import config as configuration
from synthir import generators, objectives
from synthir.checkpoint import load_model, load_state
from synthir.errors import ConfigError, TrainingError
from synthir.folders import load, names
from synthir.generators import _layers, analytic, cascade, cgan_unet, cyclegan, guided, pix2pix
from synthir.loss_terms import COMPARING, comparisons
from synthir.pairs import PairSource
from synthir.perceptual import vgg
from synthir.sampling import Augmentation
from synthir.specs import Band
from synthir.systems import system_of
from synthir.train_config import TrainConfig, Weights
from synthir.train_data import prepare
from synthir.train_start import fresh_state
from synthir.train_state import Batch, State, gradients, out_of_memory, take_step
from synthir.training import train
from tests import tiny

ROOT = Path(__file__).parents[1]
RECIPES = sorted(path.name for path in (ROOT / "recipes").glob("train_*.toml"))
CPU = torch.device("cpu")


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every named size is a narrow one here, and pix2pix halves three times only."""
    monkeypatch.setattr(cascade, "cascade_s", lambda: tiny.SIZE)
    for module, size, narrow in (
        (cgan_unet, "cgan_unet_256", {"width": 4}),
        (pix2pix, "pix2pix_256", {"width": 4}),
        (pix2pix, "pix2pix_256_visible", {"width": 4}),
        (cyclegan, "cyclegan_6", {"width": 4, "blocks": 1}),
        (cyclegan, "cyclegan_6_spectrum", {"width": 4, "blocks": 1}),
    ):
        shipped = getattr(module, size)()
        monkeypatch.setattr(module, size, lambda shipped=shipped, narrow=narrow: replace(shipped, **narrow))


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six drawn pairs of 256 pixels, and weights of VGG-19 that nobody trained."""
    folder = tiny.draw_pairs(tmp_path_factory.mktemp("pairs"), 6, size=256)
    torch.manual_seed(0)
    network = vgg("vgg19").to_empty(device="cpu")
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_(0.0, 0.05)
    torch.save({f"features.{name}": value for name, value in network.state_dict().items()}, folder / "vgg19.pth")
    return folder


def shipped(name: str, pairs: Path) -> TrainConfig:
    """A shipped configuration on the drawn pairs, a few small steps long."""
    config = configuration.load(ROOT / "recipes" / name, TrainConfig)
    unpaired = any(source.layout == "unpaired" for source in config.sources)
    size = 256 if generators.stride_of(generators.settings_of(config.generator)[0]) == 256 else 64
    return replace(
        config,
        start="",
        sources=(PairSource("unpaired" if unpaired else "folders", "visible", "infrared"),),
        vgg19=str(pairs / "vgg19.pth") if config.vgg19 else "",
        steps=2,
        batch=1 if config.vgg19 else 2,  # VGG-19 is slow
        warmup=0,
        save_every=1,
        block=1,
        validate_share=3,
        finish_from=0,
        stages_from=(),
        bfloat16=False,
        discriminator="light",
        discriminator_width=8,
        augmentation=Augmentation(sizes=(size,), zoom=(1.0, 1.0), jitter=0.0),
    )


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("name", RECIPES)
def test_the_loss_of_a_shipped_training_falls(name: str, pairs: Path) -> None:
    config = replace(shipped(name, pairs), steps=1000, learning_rate=2e-3)
    draw, _ = prepare(config, pairs, 0)
    state = fresh_state(config, 0, CPU)
    if "generator" not in state.optimisers:
        assert name == "train_analytic.toml"
        return
    drawn, system = draw(0), system_of(config.system)
    # a crop may be flat, and of that instance norm makes noise that depends on the order of sums
    noise = torch.randn(drawn.infrared.shape, generator=torch.Generator().manual_seed(0))
    batch = replace(drawn, infrared=drawn.infrared + 0.05 * noise)
    watched = "cycle" if config.system == "cycle" and not config.uses("l1") else "l1"
    losses = [take_step(config, system, state, batch, step)[watched] for step in range(14)]
    assert min(losses[-3:]) < 0.9 * losses[0], losses


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("name", RECIPES)
def test_gradients_reach_every_parameter_that_learns(name: str, pairs: Path) -> None:
    """One step off its zeros, every weight of every network hears from the loss.

    But for the discriminator's last bias: while no hinge is reached, real and made pull it with equal strength.
    """
    config = shipped(name, pairs)
    draw, _ = prepare(config, pairs, 0)
    state = fresh_state(config, 0, CPU)
    if "generator" not in state.optimisers:
        return
    stir(state)
    gradients(config, system_of(config.system), state, draw(0), 0)
    deaf = [
        f"{name}.{parameter}"
        for name in state.optimisers
        for parameter, value in state.networks[name].named_parameters()
        if parameter != "score.bias" and value.requires_grad and (value.grad is None or not value.grad.abs().max() > 0)
    ]
    assert not deaf


def stir(state: State) -> None:
    """Move every weight a little: some layers start at zero, and nothing before them hears anything then."""
    rng = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for network in state.networks.values():
            for parameter in network.parameters():
                parameter.add_(0.05 * torch.randn(parameter.shape, generator=rng))


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("crops", [1, 2])
@pytest.mark.parametrize(
    ("name", "changes"),
    [
        *((name, {}) for name in RECIPES if name != "train_analytic.toml"),  # nothing in that one learns
        (
            "train_cyclegan.toml",
            {"adversary": "wgan-gp"},
        ),  # whose penalty reaches the norms of the discriminators from behind
    ],
)
def test_gradients_of_single_crops_do_not_depend_on_the_order_of_memory(
    name: str, changes: dict[str, str], crops: int, pairs: Path
) -> None:
    """A batch of one, and one of two that is cut in two pieces: as trained, and in contiguous memory."""
    config = replace(shipped(name, pairs), batch=crops, **changes)  # type: ignore[arg-type]
    size = config.augmentation.sizes[0]
    # of noise: on a flat picture instance norm divides by nothing, and no order of sums is right
    batch = Batch(*(torch.from_numpy(tiny.frames(seed, crops, 4 - seed, size, size)) for seed in (1, 3)))
    trained = all_gradients(config, fresh_state(config, 0, CPU), batch.to(CPU))
    state = fresh_state(config, 0, CPU)
    for network in state.networks.values():
        network.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    plain = all_gradients(config, state, batch.each(torch.Tensor.contiguous))
    assert trained.keys() == plain.keys() == state.optimisers.keys()
    for network_name, expected in plain.items():
        assert torch.cosine_similarity(trained[network_name], expected, dim=0) > 0.9999, network_name
        assert (trained[network_name] - expected).norm() < 0.01 * expected.norm(), network_name


def all_gradients(config: TrainConfig, state: State, batch: Batch) -> dict[str, torch.Tensor]:
    """What each network that learns hears from a batch in pieces of one crop, as one row; nothing is dropped out."""
    stir(state)
    state.notes["pieces"] = len(batch.visible)
    for network in state.networks.values():
        for module in network.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0  # it draws in the order of memory
    gradients(config, system_of(config.system), state, batch, 0)
    heard = {name: [p.grad for p in state.networks[name].parameters()] for name in state.optimisers}
    return {name: torch.cat([grad.flatten() for grad in grads if grad is not None]) for name, grads in heard.items()}


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("name", RECIPES)
def test_a_stopped_training_of_any_kind_ends_with_the_same_bytes(name: str, pairs: Path, tmp_path: Path) -> None:
    config = shipped(name, pairs)
    whole = train(config, pairs, tmp_path / "whole", seed=3)
    for _ in range(config.steps):
        parts = train(config, pairs, tmp_path / "parts", seed=3, max_minutes=0.0)
    assert (parts / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()
    module, spec = load_model(whole)
    assert spec.band == config.band
    made = module(torch.zeros(1, 3, spec.stride, spec.stride))
    assert made.shape[1] == (3 if config.direction == "infrared-to-visible" else 1)


@pytest.mark.parametrize(
    "name", [name for name in RECIPES if not any(own in name for own in ("_lwir_", "_nir_", "_g1"))]
)
def test_a_shipped_training_takes_the_users_own_pairs(name: str) -> None:
    """Without naming any folder: `visible` and `infrared` of --data."""
    config = configuration.load(ROOT / "recipes" / name, TrainConfig)
    assert [(source.visible, source.infrared) for source in config.sources] == [("visible", "infrared")]
    network, _ = generators.settings_of(config.generator)
    assert all(size % generators.stride_of(network) == 0 for size in config.augmentation.sizes)


def test_every_system_is_shipped_in_a_configuration() -> None:
    used = {configuration.load(ROOT / "recipes" / name, TrainConfig).system for name in [*RECIPES, "adapt.toml"]}
    assert used == set(names("synthir.systems"))


def test_every_comparing_term_has_a_weight_of_its_name() -> None:
    picture = torch.rand(1, 1, 32, 32)
    assert tuple(comparisons(Weights(), picture, picture)) == COMPARING
    assert set(COMPARING) <= set(Weights().terms())


@pytest.mark.parametrize("system", names("synthir.systems"))
def test_a_system_names_what_it_trains(system: str) -> None:
    module = load("synthir.systems", system)
    assert all(hasattr(module, name) for name in ("paired", "fresh", "losses"))


CASCADE = TrainConfig(
    generator="cascade_s",
    band=Band.LWIR,
    steps=4,
    batch=4,
    warmup=0,
    save_every=2,
    block=1,
    validate_share=3,
    bfloat16=False,
    augmentation=Augmentation(sizes=(64,), zoom=(1.0, 1.2)),
)


@pytest.mark.usefixtures("small")
def test_in_its_turn_one_stage_learns_and_the_others_rest(pairs: Path) -> None:
    config = replace(CASCADE, stages_from=(0, 1, 2), joint_from=3)
    draw, _ = prepare(config, pairs, 0)
    state = fresh_state(config, 0, CPU)
    stir(state)
    parts = list(state.networks["generator"].children())
    for step in range(4):
        gradients(config, system_of("paired"), state, draw(step), step)
        heard = [any(p.grad is not None and p.grad.abs().max() > 0 for p in part.parameters()) for part in parts]
        assert heard == ([step == stage for stage in range(3)] if step < 3 else [True] * 3), step


@pytest.mark.usefixtures("small")
def test_a_batch_in_pieces_has_the_gradients_of_the_whole(pairs: Path) -> None:
    """In eval mode: batch norm otherwise sees its piece only."""
    config = replace(CASCADE, weights=Weights(adversarial=0.0, features=0.0))
    draw, _ = prepare(config, pairs, 0)
    batch = draw(0)
    found = []
    for pieces in (1, 4):
        state = fresh_state(config, 0, CPU)
        state.networks["generator"].eval()
        state.notes["pieces"] = pieces
        terms = gradients(config, system_of("paired"), state, batch, 0)
        found.append((terms, [p.grad.clone() for p in state.networks["generator"].parameters() if p.grad is not None]))
    (whole, big), (cut, small) = found
    assert cut == pytest.approx(whole, rel=1e-4)
    for one, other in zip(big, small, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5)


@pytest.mark.usefixtures("small")
def test_memory_that_runs_out_halves_the_pieces(pairs: Path) -> None:
    draw, _ = prepare(CASCADE, pairs, 0)
    state, system = fresh_state(CASCADE, 0, CPU), system_of("paired")
    before = [p.clone() for p in state.networks["generator"].parameters()]

    class Small:
        """The system on a machine that has memory for one crop."""

        paired, fresh = system.paired, system.fresh

        def losses(self, config: TrainConfig, state: State, batch: object, step: int) -> Iterator[object]:
            if len(batch.visible) > 1:  # type: ignore[attr-defined]
                raise torch.OutOfMemoryError("1 crop fits")
            return system.losses(config, state, batch, step)  # type: ignore[arg-type]

    take_step(CASCADE, Small(), state, draw(0), 0)  # type: ignore[arg-type]
    assert state.notes["pieces"] == 4
    assert any(not torch.equal(a, b) for a, b in zip(before, state.networks["generator"].parameters(), strict=True))
    one = replace(CASCADE, batch=1)
    draw, _ = prepare(one, pairs, 0)

    class Tiny(Small):
        def losses(self, *_: object) -> Iterator[object]:
            raise torch.OutOfMemoryError("nothing fits")

    with pytest.raises(TrainingError, match="out of memory"):
        take_step(one, Tiny(), fresh_state(one, 0, CPU), draw(0), 0)  # type: ignore[arg-type]


@pytest.mark.usefixtures("small")
def files(folder: Path) -> dict[str, bytes]:
    """What a run folder holds."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(("fault", "said"), [("loss", "l1 is nan"), ("gradient", "generator is nan")])
def test_what_is_no_number_stops_the_training_and_leaves_the_last_state(
    fault: str, said: str, pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A loss may be a number and its gradient none: that of a root at zero."""
    config = replace(CASCADE, steps=4, save_every=1, learning_rate=1e-4)
    train(config, pairs, tmp_path / "run", seed=0, max_minutes=0.0)
    kept, real = files(tmp_path / "run"), objectives.weighted_l1

    def spoilt(made: torch.Tensor, wanted: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        loss = real(made, wanted, weights)
        return loss * torch.nan if fault == "loss" else loss + (made - made.detach()).square().sum().sqrt()

    monkeypatch.setattr(objectives, "weighted_l1", spoilt)
    with pytest.raises(TrainingError, match=rf"step 1: the {fault} is not finite .*{said}") as error:
        train(config, pairs, tmp_path / "run", seed=0)
    assert files(tmp_path / "run") == kept
    assert 'start = "OUT/model"' in error.value.fix
    with pytest.raises(TrainingError) as first:
        train(config, pairs, tmp_path / "new", seed=0)
    assert "OUT/model" not in first.value.fix and "another --out" in first.value.fix
    monkeypatch.setattr(objectives, "weighted_l1", real)
    train(config, pairs, tmp_path / "run", seed=0)
    assert read_state_step(tmp_path / "run") == 4


def read_state_step(folder: Path) -> int:
    """The step of the last state."""
    loaded = load_state(folder)
    assert loaded
    return loaded[0]


@pytest.mark.usefixtures("small")
def test_weights_on_terms_that_a_system_does_not_compute_are_refused_by_name() -> None:
    for system, direction, term in (
        ("paired", "visible-to-infrared", "cycle"),
        ("paired", "infrared-to-visible", "temporal"),
        ("cycle", "visible-to-infrared", "features"),
        ("adapt", "visible-to-infrared", "total_variation"),
    ):
        weights = replace(CASCADE.weights, **{"features": 0.0, term: 1.0})  # type: ignore[arg-type]
        config = replace(CASCADE, system=system, direction=direction, weights=weights)  # type: ignore[arg-type]
        with pytest.raises(ConfigError, match=rf"{system} does not compute {term}\b"):
            fresh_state(config, 0, CPU)


def test_every_term_is_computed_by_some_system() -> None:
    computed = {name for system in names("synthir.systems") for name in system_of(system).terms(CASCADE)}
    assert computed == set(CASCADE.weights.terms())


def test_memory_of_the_cpu_runs_out_with_an_error_of_no_class() -> None:
    assert out_of_memory(torch.OutOfMemoryError("CUDA"))
    assert out_of_memory(RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."))
    assert not out_of_memory(RuntimeError("shapes differ"))


def test_pictures_that_are_no_pairs_are_refused_where_pairs_are_needed(pairs: Path) -> None:
    config = replace(CASCADE, sources=(PairSource("unpaired", "visible", "infrared"),))
    with pytest.raises(ConfigError, match="no pairs"):
        prepare(config, pairs, 0)


def test_guided_starts_where_grayscale_stands() -> None:
    """The zero point of the system that claims one."""
    module = generators.build("guided", generators.settings_of("guided_s")[1]).eval()
    visible = torch.from_numpy(tiny.frames(1, 1, 3, 64, 64))
    with torch.no_grad():
        torch.testing.assert_close(module(visible), _layers.luminance(visible), atol=1e-5, rtol=0.0)
    assert guided.STRIDE == 32 and analytic.STRIDE >= 1
