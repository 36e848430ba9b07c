"""stillmotion serve: a page and a service."""

import importlib.util
import ipaddress
import secrets
from pathlib import Path

from jsonargparse.typing import PositiveFloat, PositiveInt

from stillmotion.commands.shared import RUN, WEIGHTS, Arguments
from stillmotion.errors import ConfigurationError
from stillmotion.parsing import Parser
from stillmotion.settings import MEMORY_GIB
from stillmotion.web.limits import Limits

NEEDED = ("fastapi", "uvicorn")


def run(arguments: Arguments) -> int:
    """Listen until stopped."""
    values = options().parse(arguments)
    refuse_without(NEEDED)
    from stillmotion.sharing import load_together
    from stillmotion.web.access import LOOPBACK
    from stillmotion.web.app import create_app
    from stillmotion.web.hosting import named
    from stillmotion.web.server import Server

    runs, host = values["runs"], values["host"]
    open_to_all = not is_loopback(host)
    token = values["token"] or (secrets.token_urlsafe(16) if open_to_all else None)
    models = dict(zip(named(runs), load_together(runs, values["weights"]), strict=True))
    app = create_app(
        models,
        limits=Limits(**values["limits"]),
        token=token,
        hosts=None if open_to_all else (*LOOPBACK, host),
        samples=Path(values["samples"]) if values["samples"] else None,
        device=values["device"],
        memory_gib=values["memory_gib"],
    )
    fragment = f"#token={token}" if token else ""
    print(f"{', '.join(models)}: http://{host}:{values['port']}/{fragment}", flush=True)
    Server(app, host=host, port=values["port"]).run()
    return 0


def options() -> Parser:
    """What can be asked for."""
    parser = Parser(
        "serve",
        "RUN... [options]",
        "Show what trained models say of a video, on a page in the browser and as a JSON service: "
        "stillmotion serve runs/doors runs/gestures, then open the address that is printed. Models "
        "that were trained on the same image model hold it once. Videos stay on this machine and "
        "are forgotten after a while; nothing is loaded from elsewhere. Ctrl-C lets accepted jobs "
        "end. The service is described at /openapi.json.",
    )
    parser.add_argument("runs", nargs="+", help=RUN)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen at; others than "
                        "this machine's own ask everyone for a token")  # fmt: skip
    parser.add_argument("--port", type=PositiveInt, default=8000, help="port to listen at")
    parser.add_argument("--token", default=None, help="what to ask for; by default one is made "
                        "where others can reach the address")  # fmt: skip
    parser.add_argument("--samples", default=None, help="a folder of videos to try; by default "
                        "some are drawn")  # fmt: skip
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


def missing(libraries: tuple[str, ...]) -> list[str]:
    """Those that are not installed."""
    return [name for name in libraries if importlib.util.find_spec(name) is None]


def refuse_without(libraries: tuple[str, ...]) -> None:
    """Refuse to begin without what is needed.

    Raises:
        ConfigurationError: something is not installed.
    """
    if lacking := missing(libraries):
        raise ConfigurationError(
            f"stillmotion serve needs {' and '.join(lacking)}: pip install 'stillmotion[serve]'"
        )


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
