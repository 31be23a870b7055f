"""Loss terms balanced while training: each counts in proportion to its weight, whatever its own size.

Each term is divided by the running mean of its magnitude, which costs nothing. The known alternatives cost more:
GradNorm (Chen et al. 2018) balances the gradients themselves and needs a backward pass per term; learned uncertainty
(Kendall et al. 2018) adds parameters, their optimiser and a likelihood that an adversarial term does not have.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

LEAST = 1e-4
"""The smallest magnitude a term is divided by: one that has vanished stays small."""


def balanced(
    terms: Mapping[str, Tensor], weights: Mapping[str, float], running: Mapping[str, float], decay: float = 0.99
) -> tuple[Tensor, dict[str, float]]:
    """Sum of weight x term / running magnitude of the term, and the running magnitudes after this step.

    terms: scalars, each with a number in `weights`. running: empty at first, later what the last step gave; a term's
    first value starts its mean. decay: share of the old mean, in [0, 1). A term that is not finite makes the sum so.
    """
    now = {name: abs(term.item()) for name, term in terms.items()}
    means = {name: decay * running.get(name, value) + (1.0 - decay) * value for name, value in now.items()}
    parts = [weights[name] / max(means[name], LEAST) * term for name, term in terms.items()]
    return torch.stack(parts).sum(), {**running, **means}
