"""Loss terms against numbers worked out by hand or by another library."""

import pytest
import torch
from torchmetrics.functional.image import structural_similarity_index_measure

from synthir import objectives
from synthir.discriminators import PatchGAN
from tests import tiny


def pictures(seed: int, *shape: int) -> torch.Tensor:
    return torch.from_numpy(tiny.frames(seed, *shape))


def test_align_undoes_a_gain_and_an_offset() -> None:
    real = pictures(0, 2, 1, 16, 16)
    torch.testing.assert_close(objectives.align(real / 1.6 - 0.3, real), real, atol=2e-3, rtol=0)


def test_align_forgives_no_swapped_polarity_and_no_boundless_gain() -> None:
    real = pictures(1, 1, 1, 16, 16)
    low, high = objectives.GAIN_LIMITS
    mean = real.mean()
    torch.testing.assert_close(objectives.align(-real, real), mean - low * (real - mean))
    torch.testing.assert_close(objectives.align(0.01 * real, real), mean + high * 0.01 * (real - mean))


def test_hot_weights_rise_from_one_to_one_plus_strength() -> None:
    real = torch.zeros(1, 1, 10, 10)
    real[..., 0, 0] = 1.0
    weights = objectives.hot_weights(real, 4.0)
    assert weights[0, 0, 0, 0].item() == pytest.approx(5.0)
    assert weights[0, 0, 5, 5].item() == 1.0


def test_weighted_l1_is_a_weighted_mean() -> None:
    predicted, real = torch.tensor([[[[1.0, 0.0]]]]), torch.zeros(1, 1, 1, 2)
    assert objectives.weighted_l1(predicted, real, torch.tensor([[[[3.0, 1.0]]]])).item() == pytest.approx(0.75)


def test_gradient_sees_edges_and_no_offset() -> None:
    edge = torch.zeros(1, 1, 4, 4)
    edge[..., 2:] = 1.0
    assert objectives.gradient(edge, edge + 0.5).item() == pytest.approx(0.0)
    # one of 3 horizontal differences at full resolution, the only one at half, none vertically
    assert objectives.gradient(edge, torch.zeros_like(edge)).item() == pytest.approx((1 / 3 + 1.0) / 4)


def test_structure_is_one_minus_ssim() -> None:
    real = pictures(2, 1, 1, 256, 256)
    made = 0.7 * real + 0.3 * pictures(3, 1, 1, 256, 256)
    other = structural_similarity_index_measure(made, real, gaussian_kernel=False, kernel_size=7, data_range=2.0)
    assert isinstance(other, torch.Tensor)
    assert objectives.structure(made, real).item() == pytest.approx(1.0 - other.item(), abs=1e-3)
    assert objectives.structure(real, real).item() == pytest.approx(0.0, abs=1e-6)


def test_hinge_losses() -> None:
    real, fake = torch.tensor([2.0, 0.5]), torch.tensor([-3.0, 0.0])
    assert objectives.hinge_discriminator(real, fake).item() == pytest.approx(0.5 * (0.25 + 0.5))
    assert objectives.hinge_generator(fake).item() == pytest.approx(1.5)


def test_feature_matching_is_a_mean_of_l1s_that_trains_the_generator_alone() -> None:
    fake = [torch.zeros(2, requires_grad=True), torch.zeros(3, requires_grad=True)]
    real = [torch.ones(2, requires_grad=True), torch.full((3,), 2.0, requires_grad=True)]
    loss = objectives.feature_matching(fake, real)
    loss.backward()  # type: ignore[no-untyped-call]
    assert loss.item() == pytest.approx(1.5)
    assert fake[0].grad is not None and real[0].grad is None


def test_a_patch_score_sees_seventy_pixels() -> None:
    torch.manual_seed(0)
    judge = PatchGAN(8).eval()
    visible = pictures(4, 1, 3, 160, 160)
    infrared = pictures(5, 1, 1, 160, 160).requires_grad_()
    scores, features = judge(visible, infrared)
    middle = scores.shape[-1] // 2
    scores[0, 0, middle, middle].backward()
    assert infrared.grad is not None
    seen = infrared.grad[0, 0].abs().sum(dim=0).nonzero()
    assert (seen.max() - seen.min() + 1).item() == 70
    assert [f.shape[1] for f in features] == [8, 16, 32, 32]
