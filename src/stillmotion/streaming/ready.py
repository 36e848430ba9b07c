"""The model that answers to frames."""

import reprlib

from stillmotion.errors import ConfigurationError
from stillmotion.model import VideoClassifier


def ready(model: VideoClassifier) -> VideoClassifier:
    """The same model, in evaluation mode: somebody may have trained it since the last frame.

    Raises:
        ConfigurationError: for anything else, such as the path of a model.
    """
    if not isinstance(model, VideoClassifier):
        raise ConfigurationError(
            f"frames are answered by a model, not by {reprlib.repr(model)}: stillmotion.load(path) "
            "reads one from the directory of a run"
        )
    return model.eval() if model.training else model
