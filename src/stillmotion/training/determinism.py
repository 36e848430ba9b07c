"""Only algorithms that give the same bits each time.

On a CPU there are no others: a run is exact there as it is. On a GPU sums may be taken in another
order each time, unless this is asked for.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from stillmotion.errors import ConfigurationError

VARIABLE = "CUBLAS_WORKSPACE_CONFIG"
"""With ":4096:8" cuBLAS multiplies matrices in one order, says torch's note on reproducibility."""


@contextmanager
def deterministic(wanted: bool) -> Iterator[None]:
    """Meanwhile torch uses only such algorithms; afterwards what it used before.

    Raises:
        ConfigurationError: where there is none for what is computed.
    """
    if not wanted:
        yield
        return
    cudnn, variable = torch.backends.cudnn, os.environ.get(VARIABLE)
    before = torch.get_deterministic_debug_mode(), cudnn.deterministic, cudnn.benchmark
    os.environ.setdefault(VARIABLE, ":4096:8")
    try:
        torch.use_deterministic_algorithms(True)
        cudnn.deterministic, cudnn.benchmark = True, False
        yield
    except RuntimeError as error:
        if "determinis" not in str(error):
            raise
        reason = str(error).splitlines()[0].split(". ")[0]
        raise ConfigurationError(
            f"training.deterministic: {reason}. Choose another method, or do without "
            "training.deterministic"
        ) from error
    finally:
        mode, cudnn.deterministic, cudnn.benchmark = before
        torch.set_deterministic_debug_mode(mode)
        if variable is None:
            os.environ.pop(VARIABLE, None)
