"""Who may ask, and what every answer says about itself."""

import secrets
from collections.abc import Collection

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stillmotion.web.failures import failure
from stillmotion.web.schemas import Fault

GUARDED = ("/api/", "/metrics")
"""What a token is asked for; the page itself holds nothing."""

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
    """

    def __init__(self, app: ASGIApp, *, token: str | None, hosts: Collection[str] | None) -> None:
        self.app, self.token, self.hosts = app, token, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        answer = self.refusal(scope["path"], Headers(scope=scope)) or self.app
        await answer(scope, receive, send_with_headers)

    def refusal(self, path: str, headers: Headers) -> Response | None:
        """Why a request is not let through; None where it is."""
        if self.hosts is not None and host_of(headers) not in self.hosts:
            return failure(400, UNKNOWN_HOST)
        if not path.startswith(GUARDED):
            return None
        if headers.get("sec-fetch-site") == "cross-site":
            return failure(403, CROSS_SITE)
        if self.token is not None and not is_bearer(headers.get("authorization", ""), self.token):
            asks = {"WWW-Authenticate": "Bearer"}
            return failure(401, NO_TOKEN, headers=asks)
        return None


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
