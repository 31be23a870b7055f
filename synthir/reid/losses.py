"""What a re-ID network is trained by: identity cross entropy and the weighted regularised triplet loss.

Weighted regularised triplet (Ye et al., Deep Learning for Person Re-identification: A Survey and Outlook, 2021): of an
anchor the distances to all positives, weighted by softmax(d), must be smaller than those to all negatives, weighted by
softmax(-d); log(1 + exp(positive - negative)) needs no margin.
"""

import torch
from torch import Tensor
from torch.nn import functional

TINY = 1e-12
"""Below this a squared distance has no gradient: the root's is infinite at zero."""


def distances(features: Tensor) -> Tensor:
    """Euclidean distances (N, N) between features (N, D)."""
    squares = features.pow(2).sum(1)
    between = squares[:, None] + squares[None] - 2.0 * features @ features.T
    return between.clamp(min=TINY).sqrt()


def weighted_triplet(features: Tensor, labels: Tensor) -> Tensor:
    """Mean over anchors of features (N, D) with labels (N,); an anchor is not its own positive.

    Each label must be there at least twice, and at least two labels.
    """
    between = distances(features)
    alike = labels[:, None] == labels[None]
    itself = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    positive = weighted(between, between, alike & ~itself)
    negative = weighted(between, -between, ~alike)
    return functional.softplus(positive - negative).mean()


def weighted(values: Tensor, scores: Tensor, chosen: Tensor) -> Tensor:
    """Mean of each row's chosen values, weighted by the softmax of its chosen scores: (N,) of three (N, N)."""
    weights = scores.masked_fill(~chosen, -torch.inf).softmax(1)
    return (weights * values).sum(1)


def identity_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross entropy of logits (N, identities) with labels (N,)."""
    return functional.cross_entropy(logits, labels)
