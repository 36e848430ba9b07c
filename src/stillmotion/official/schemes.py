"""The methods whose authors' files are known, by name; and which one a file is of."""

from collections.abc import Iterable

from stillmotion.errors import ConfigurationError, WeightsError, unknown
from stillmotion.official.adaptformer import AdaptFormerScheme
from stillmotion.official.aim import AIMScheme
from stillmotion.official.dualpath import DualPathScheme
from stillmotion.official.scheme import MethodScheme
from stillmotion.official.st_adapter import STAdapterScheme
from stillmotion.official.zeroi2v import ZeroI2VScheme

METHOD_SCHEMES: dict[str, MethodScheme] = {
    scheme.method.name: scheme
    for scheme in (
        AIMScheme(),
        ZeroI2VScheme(),
        STAdapterScheme(),
        DualPathScheme(),
        AdaptFormerScheme(),
    )
}


def scheme_of(method: str) -> MethodScheme:
    """The scheme of a method.

    Raises:
        ConfigurationError: for a method without published files.
    """
    if method not in METHOD_SCHEMES:
        raise ConfigurationError(unknown("method of published files", str(method), METHOD_SCHEMES))
    return METHOD_SCHEMES[method]


def refuse_other(scheme: MethodScheme, keys: Iterable[str]) -> None:
    """Refuse another method's file by the keys that are in it.

    Raises:
        WeightsError: with the method that they look like.
    """
    keys = list(keys)
    text = "\n".join(keys)
    if scheme.is_of(text):
        return
    alike = [other for other in METHOD_SCHEMES.values() if other.is_of(text)]
    told = (
        f"they look like {alike[0].title}: method={alike[0].method.name!r}"
        if alike
        else ("nor like any other method that can be read")
    )
    raise WeightsError(
        f"these weights do not look like {scheme.title}, {told}. They begin with "
        f"{', '.join(keys[:3])}"
    )
