"""A linear probe without a loop: frozen features never change, so they are computed once."""

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from stillmotion.data.dataset import Batch
from stillmotion.errors import ConfigurationError
from stillmotion.methods import LinearProbe
from stillmotion.model import VideoClassifier
from stillmotion.training.cached import frozen


@torch.no_grad()
def frozen_features(
    model: VideoClassifier, batches: Iterable[Batch]
) -> tuple[Float[Tensor, "n C"], list[int]]:
    """What the frozen image model makes of each video's first view, and which videos they are.

    Raises:
        ConfigurationError: where the model is more than a linear probe.
    """
    if not isinstance(model.method, LinearProbe):
        raise ConfigurationError(f"{model.method.name} trains more than its head")
    readable = [batch for batch in frozen(model, batches) if len(batch)]
    frames = torch.cat([batch.clip[:, 0] for batch in readable])
    return model.readout.summary(frames), torch.cat([b.index for b in readable]).tolist()


def fit_head(
    model: VideoClassifier,
    features: Float[Tensor, "n C"],
    labels: Int[Tensor, " n"],
    *,
    penalty: float = 1e-3,
    steps: int = 200,
) -> float:
    """Logistic regression on features by L-BFGS, put into the model's head. Returns its loss.

    Features are standardised for the fit, and the scale is folded into the head.

    Args:
        penalty: times the mean square of the weights, added to the cross-entropy.
    """
    mean, std = features.mean(dim=0), features.std(dim=0).clamp(min=1e-6)
    standard = (features - mean) / std
    weight = torch.zeros(len(model.class_names), features.shape[1], requires_grad=True)
    bias = torch.zeros(len(model.class_names), requires_grad=True)
    solver = torch.optim.LBFGS([weight, bias], max_iter=steps, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        solver.zero_grad()
        value = F.cross_entropy(standard @ weight.T + bias, labels)
        (value + penalty * weight.square().sum()).backward()
        return value

    solver.step(loss)
    head = model.head.classifiers[0]
    with torch.no_grad():
        head.weight.copy_(weight / std)  # type: ignore[operator]
        head.bias.copy_(bias - (weight / std) @ mean)  # type: ignore[operator]
    return float(loss().detach())
