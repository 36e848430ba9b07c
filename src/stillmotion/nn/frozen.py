"""Freezing by structure: what lies inside a `Frozen` module does not train."""

from torch import nn


class Inserted(nn.Module):
    """A trained module that stands inside a frozen one, in the place of a part that it holds."""


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
