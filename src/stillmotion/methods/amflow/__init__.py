"""AM Flow: adapters fed by the change of attention maps between frames."""

from stillmotion.methods.amflow.config import AMFlow

__all__ = ["AMFlow"]
