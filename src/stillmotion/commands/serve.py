"""stillmotion serve: a page and a service."""

import importlib.util
import ipaddress
import secrets
from pathlib import Path
from urllib.parse import quote

from jsonargparse.typing import PositiveFloat, restricted_number_type

from stillmotion.commands.shared import RUN, WEIGHTS, Arguments
from stillmotion.errors import ConfigurationError
from stillmotion.parsing import Parser
from stillmotion.settings import MEMORY_GIB
from stillmotion.web.limits import Limits

NEEDED = ("fastapi", "uvicorn")
"""What the extra `serve` brings."""

Port = restricted_number_type("Port", int, [(">=", 0), ("<=", 65535)])


def run(arguments: Arguments) -> int:
    """Listen until stopped."""
    values = options().parse(arguments)
    refuse_without(NEEDED)
    from stillmotion.sharing import load_together
    from stillmotion.web.access import LOOPBACK
    from stillmotion.web.app import create_app
    from stillmotion.web.hosting import named, told_source
    from stillmotion.web.server import Server, listen

    runs, host = values["runs"], values["host"]
    token = values["token"]
    if token is None and not is_loopback(host):
        token = secrets.token_urlsafe(16)
    with listen(host, int(values["port"])) as door:
        names = named(runs)
        models = dict(zip(names, load_together(runs, values["weights"]), strict=True))
        app = create_app(
            models,
            sources=dict(zip(names, map(told_source, runs), strict=True)),
            limits=Limits(**values["limits"]),
            token=token,
            hosts={*LOOPBACK, named_in_address(host)},
            samples=Path(values["samples"]) if values["samples"] else None,
            device=values["device"],
            memory_gib=values["memory_gib"],
        )
        address = address_of(host, door.getsockname()[1], token)
        Server(app, told=f"{', '.join(models)}: open {address}").run(sockets=[door])
    return 0


def options() -> Parser:
    """What can be asked for."""
    parser = Parser(
        "serve",
        "RUN... [options]",
        "Show what trained models say of a video, and when: on a page in the browser, and as a "
        "JSON service. Try stillmotion serve runs/doors runs/gestures, then open the address that "
        "is printed. Models that were trained on the same image model hold it once. Videos stay on "
        "this machine and are forgotten after a while; nothing is loaded from elsewhere. Ctrl-C "
        "lets accepted jobs end. The service describes itself at /openapi.json.",
    )
    parser.add_argument("runs", nargs="+", help=RUN)
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen at; where others than this machine can reach it, they are asked "
        "for a token",
    )
    parser.add_argument("--port", type=Port, default=8000, help="0: any that is free")
    parser.add_argument(
        "--token",
        default=None,
        help="what to ask for; by default nothing on this machine, and else one that is made and "
        "printed",
    )
    parser.add_argument(
        "--samples", default=None, help="a folder of videos to try; by default some are drawn"
    )
    parser.add_argument("--weights", default=None, help=WEIGHTS)
    parser.add_argument("--device", default=None, help="cpu, cuda, mps; by default the best")
    parser.add_argument(
        "--memory_gib",
        type=PositiveFloat,
        default=MEMORY_GIB,
        help="GiB that the clips that are shown at once may take",
    )
    parser.add_class_arguments(Limits, "limits")
    return parser


def refuse_without(libraries: tuple[str, ...]) -> None:
    """Refuse to begin without what is needed.

    Raises:
        ConfigurationError: something is not installed.
    """
    if missing := [name for name in libraries if importlib.util.find_spec(name) is None]:
        raise ConfigurationError(
            f"stillmotion serve needs {' and '.join(missing)}: pip install 'stillmotion[serve]'"
        )


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def address_of(host: str, port: int, token: str | None) -> str:
    """What to open in a browser; the page takes the token from behind the #, which is not sent."""
    entry = "" if token is None else f"#token={quote(token, safe='')}"
    return f"http://{named_in_address(host)}:{port}/{entry}"


def named_in_address(host: str) -> str:
    """A host as browsers say it.

    >>> named_in_address("::1")
    '[::1]'
    """
    return f"[{host}]".lower() if ":" in host else host.lower()
