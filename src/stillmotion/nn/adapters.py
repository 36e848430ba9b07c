"""The trained linear maps inside adapters, in three kinds, and the scaled adapter made of them.

A projection maps (..., in) -> (..., out) by its ``weight`` and ``bias``. The three kinds are those
of AM Flow's Table 4: a plain `nn.Linear`, a `CompacterLinear` (sum of Kronecker products, low
rank), and a `HyperLinear`, whose weights a network shared by all adapters produces.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class SideAdapter(nn.Module):
    """The first half of an adapter, which reads and gives nothing back.

    ``embed`` is relu(W_down x), (..., in) -> (..., r).
    """

    def __init__(self, down: nn.Module) -> None:
        super().__init__()
        self.down = down

    def embed(self, x: Float[Tensor, "*lead i"]) -> Float[Tensor, "*lead r"]:
        return self.down(x).relu()


class Adapter(SideAdapter):
    """A bottleneck in its two halves, so that what lies between can be read: embed, then lift.

    ``lift`` is s W_up e, (..., r) -> (..., C), with a learned scalar s that starts at 1. W_up
    starts at zero: a new adapter changes nothing. The scalar multiplies the weights, so that the
    backward need not keep W_up e, a tensor of C numbers a token.
    """

    def __init__(self, down: nn.Module, up: nn.Module) -> None:
        super().__init__(down)
        self.up = up
        self.scale = nn.Parameter(torch.ones(()))

    def lift(self, e: Float[Tensor, "*lead r"]) -> Float[Tensor, "*lead C"]:
        return F.linear(e, self.scale * self.up.weight, self.scale * self.up.bias)  # type: ignore[operator]


def zero_linear(dim_in: int, dim_out: int, *, bias: bool = True) -> nn.Linear:
    """A linear layer that returns zero until it is trained."""
    linear = nn.Linear(dim_in, dim_out, bias=bias)
    for parameter in linear.parameters():
        nn.init.zeros_(parameter)
    return linear


class CompacterLinear(nn.Module):
    """W = sum_i A_i kron (s_i t_i^T), a low-rank parametrised hypercomplex map.

    Source: Mahabadi et al., "Compacter" (arXiv 2106.04647), equations 5 to 7, rank 1. Departure:
    the small matrices A_i belong to the layer; Compacter shares them between all layers. There are
    four terms, or the next smaller number that divides both widths.
    """

    def __init__(self, dim_in: int, dim_out: int, *, zero: bool = False) -> None:
        super().__init__()
        terms = next(n for n in (4, 3, 2, 1) if dim_in % n == dim_out % n == 0)
        self.rule = nn.Parameter(torch.randn(terms, terms, terms) / terms)
        self.left = nn.Parameter(torch.randn(terms, dim_out // terms, 1))
        self.right = nn.Parameter(torch.randn(terms, 1, dim_in // terms) * dim_in**-0.5)
        self.bias = nn.Parameter(torch.zeros(dim_out))
        if zero:
            nn.init.zeros_(self.left)

    @property
    def weight(self) -> Float[Tensor, "o i"]:
        products = torch.einsum("nab,nor,nri->naobi", self.rule, self.left, self.right)
        return products.sum(0).flatten(2, 3).flatten(0, 1)

    def forward(self, x: Float[Tensor, "*lead i"]) -> Float[Tensor, "*lead o"]:
        return F.linear(x, self.weight, self.bias)


class HyperNetwork(nn.Module):
    """One linear map from an embedding to all weights of a projection, shared by all adapters.

    Source: Mahabadi et al., "Hyperformer" (arXiv 2106.04489), section 2.2: adapters generated from
    embeddings of the layer and of the position in it. Departure: one embedding for each (block,
    position), and no task embedding, since there is one task.
    """

    def __init__(
        self, dim_in: int, dim_out: int, *, embedding: int = 16, zero: bool = False
    ) -> None:
        super().__init__()
        self.shape = (dim_out, dim_in)
        self.embedding = embedding
        self.weights = nn.Parameter(torch.zeros(dim_out * dim_in, embedding))
        if not zero:
            nn.init.normal_(self.weights, std=(embedding * dim_in) ** -0.5)

    def forward(self, embedding: Float[Tensor, " e"]) -> Float[Tensor, "o i"]:
        return (self.weights @ embedding).view(self.shape)


class HyperLinear(nn.Module):
    """A projection whose weights the shared `HyperNetwork` makes from this layer's embedding."""

    def __init__(self, network: HyperNetwork) -> None:
        super().__init__()
        self.network = network
        self.embedding = nn.Parameter(torch.randn(network.embedding))
        self.bias = nn.Parameter(torch.zeros(network.shape[0]))

    @property
    def weight(self) -> Float[Tensor, "o i"]:
        return self.network(self.embedding)

    def forward(self, x: Float[Tensor, "*lead i"]) -> Float[Tensor, "*lead o"]:
        return F.linear(x, self.weight, self.bias)
