"""Who may ask, and what every answer says about itself."""

import re
import secrets
from collections.abc import Collection

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stillmotion.errors import ConfigurationError
from stillmotion.web.failures import failure
from stillmotion.web.metrics import Metrics
from stillmotion.web.schemas import Fault

OPEN = ("", "/", "/healthz", "/openapi.json")
"""What everyone may ask for, like all `OPEN_BELOW`: it holds nothing. The rest is guarded."""

OPEN_BELOW = "/page/"

TOKENS = re.compile(r"[A-Za-z0-9._~+/=-]+")
"""What may stand behind "Bearer" (RFC 6750, section 2.1)."""

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")

POLICY = (
    "default-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; "
    "object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""On every answer. The policy keeps the page from loading anything from elsewhere."""

UNKNOWN_HOST = Fault(code="unknown_host", reason="the service is not known by this name")
CROSS_SITE = Fault(code="cross_site", reason="another site's page may not ask")
NO_TOKEN = Fault(code="no_token", reason="send Authorization: Bearer TOKEN")


class Access:
    """Lets requests through to an app, or refuses them.

    Another site's page must not use a service on the loopback through a visitor's browser: requests
    that a browser marks as cross-site are refused, and so are names that lead here but are not
    ours (DNS rebinding).

    Args:
        token: asked for as ``Authorization: Bearer TOKEN``; None: nobody is asked.
        hosts: names by which the service may be called; None: any.
        metrics: where refusals are counted.
    """

    def __init__(
        self, app: ASGIApp, *, token: str | None, hosts: Collection[str] | None, metrics: Metrics
    ) -> None:
        self.app, self.token, self.hosts, self.metrics = app, token, hosts, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        answer = self.app
        if refused := self.refusal(route_of(scope), Headers(scope=scope)):
            status, fault = refused
            self.metrics.add("refusals_total", code=fault.code)
            asks = {"WWW-Authenticate": "Bearer"} if status == 401 else None
            answer = failure(status, fault, headers=asks)
        await answer(scope, receive, send_with_headers)

    def refusal(self, route: str, headers: Headers) -> tuple[int, Fault] | None:
        """The status and why a request is not let through; None where it is."""
        if self.hosts is not None and host_of(headers) not in self.hosts:
            return 400, UNKNOWN_HOST
        if route in OPEN or route.startswith(OPEN_BELOW):
            return None
        if headers.get("sec-fetch-site") == "cross-site":
            return 403, CROSS_SITE
        if self.token is not None and not is_bearer(headers.get("authorization", ""), self.token):
            return 401, NO_TOKEN
        return None


def check_token(token: str) -> None:
    """Refuse a token that no header could hold.

    Raises:
        ConfigurationError: it is empty, or has other characters than `TOKENS`.
    """
    if not TOKENS.fullmatch(token):
        raise ConfigurationError(
            "a token is made of letters A-Z, a-z, digits and . _ ~ + / = -, at least one; "
            "choose another"
        )


def route_of(scope: Scope) -> str:
    """The path below the one at which the service lies, as routes are matched with it.

    >>> route_of({"path": "/videos/api/models", "root_path": "/videos"})
    '/api/models'
    """
    path: str = scope["path"]
    below = path.removeprefix(scope.get("root_path", ""))
    return below if below.startswith("/") or not below else path


def host_of(headers: Headers) -> str:
    """The name in the Host header, without the port.

    >>> host_of(Headers({"host": "[::1]:8000"}))
    '[::1]'
    """
    host = headers.get("host", "").lower()
    return host if host.endswith("]") else host.rpartition(":")[0] or host


def is_bearer(given: str, token: str) -> bool:
    """Whether this is the token's header, in a time that does not tell how much of it is right."""
    return secrets.compare_digest(given.encode(), f"Bearer {token}".encode())
