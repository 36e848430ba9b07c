"""What the service will not do, and why."""

from typing import NoReturn

from stillmotion.web.schemas import Fault


class RefusalError(Exception):
    """A request or a job that ends here.

    Attributes:
        status: of the answer, where a request asked.
        fault: why.
        retry_seconds: when to come back; None: not at all.
    """

    def __init__(self, status: int, fault: Fault, *, retry_seconds: int | None = None) -> None:
        super().__init__(fault.reason)
        self.status, self.fault, self.retry_seconds = status, fault, retry_seconds


class CancelledError(Exception):
    """The job was cancelled while it was worked at."""


def refuse(status: int, code: str, reason: str, *, retry_seconds: int | None = None) -> NoReturn:
    """Ends a request or a job with a word for programs and a sentence for people.

    Raises:
        RefusalError: always.
    """
    raise RefusalError(status, Fault(code=code, reason=reason), retry_seconds=retry_seconds)
