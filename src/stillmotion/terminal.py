"""What is shown in a terminal while work goes on."""

from rich.console import Console
from rich.progress import Progress


def progress_bar(console: Console) -> Progress:
    """Bars that go when the work is done, and do not show where nobody watches."""
    return Progress(console=console, transient=True, disable=not console.is_terminal)
