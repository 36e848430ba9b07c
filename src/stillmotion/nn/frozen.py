"""Freezing by structure: what lies inside a `Frozen` module does not train."""

from itertools import chain

from torch import nn


class Inserted(nn.Module):
    """A trained module that stands inside a frozen one, in the place of a part that it holds.

    Attributes:
        holds: the name of that part in it, which stays frozen.
    """

    holds: str


class Frozen(nn.Module):
    """A module that does not train: no gradients, and always in evaluation mode.

    Two things may train inside: parameters that a method thaws, and `Inserted` modules.
    """

    def freeze(self) -> "Frozen":
        """Stop gradients and leave training mode, for good."""
        for child in self.children():
            child.eval()
        self.training = False
        return self.requires_grad_(False)

    def train(self, mode: bool = True) -> "Frozen":
        """Stay in evaluation mode whatever the surrounding model does."""
        for module in self.modules():
            if isinstance(module, Inserted):
                nn.Module.train(module, mode)
        return self


def frozen_names(model: nn.Module) -> set[str]:
    """Names of all parameters and buffers inside `Frozen` modules, but for what is `Inserted`."""
    names: set[str] = set()
    for path, module in model.named_modules():  # outer modules come before those inside them
        tensors = chain(
            module.named_parameters(remove_duplicate=False),
            module.named_buffers(remove_duplicate=False),
        )
        if isinstance(module, Frozen):
            names |= {f"{path}.{name}".lstrip(".") for name, _ in tensors}
        elif isinstance(module, Inserted):
            held = f"{module.holds}."
            names -= {f"{path}.{name}" for name, _ in tensors if not name.startswith(held)}
    return names
