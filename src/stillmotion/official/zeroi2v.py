"""ZeroI2V's files: MCG-NJU/ZeroI2V at f091983, before and after its merge."""

from collections.abc import Mapping

from torch import Tensor

from stillmotion.backbones.foreign import ImageWeights
from stillmotion.errors import ConfigurationError
from stillmotion.methods import Method, ZeroI2V
from stillmotion.official.mmaction import PIXELS, RENAMED, recogniser
from stillmotion.official.scheme import Fields, MethodScheme, Pixels, adapter_ratio

SHIFTS = (
    *("shift_div", "long_shift_div", "long_shift_right", "shift1_div", "shift2_div", "shift3_div"),
    *("shift3_right", "shift4_div", "shift4_right"),
)
"""Which frames are read: keys of ``stdha_cfg`` in their three classes of model."""

SETTLED = {"ops_type": "stdha", "divide_head": False, "shift_stride": 1}
"""Other keys of it, with the only value that their code computes."""

SETTINGS = {**RENAMED, "dropout_rate": "adapter_dropout", "mlp_ratio": "adapter_ratio"}
"""Their settings to ours."""


class ZeroI2VScheme(MethodScheme):
    """The whole recogniser. The plan of the shift stands in the configuration file alone."""

    method = ZeroI2V
    title = "ZeroI2V"
    prefix = "backbone."
    tables = recogniser(
        {
            "T_Adapter_in": "attn_in",
            "S_Adapter": "attn_out",
            "MLP_Adapter": "mlp_in",
            "MLP_Adapter_out": "mlp_out",
        },
        ("openai_clip",),
    )
    swapped = ("stem.temporal",)
    renamed = SETTINGS
    settings = ("num_tadapter", "stdha_cfg", *SHIFTS, *SETTLED)
    unwritten = ("scale", "offsets", "divisors")

    def is_of(self, keys: str) -> bool:
        merged = "temporal_embedding" in keys and "Adapter" not in keys
        return merged or (".T_Adapter_in." in keys and ".T_Adapter." not in keys)

    def read_off(self, found: Mapping[str, Tensor], image: ImageWeights, given: Fields) -> Fields:
        if not any(".down." in name for name in found):
            return {"adapters": 0}
        has_fourth = any(".mlp_out." in name for name in found)
        return {
            "adapter_ratio": adapter_ratio(found, given),
            "adapters": 4 if has_fourth else 3,
        }

    def pixels(self, *, is_clip: bool) -> Pixels:
        return PIXELS

    def unwritten_in(self, method: Method) -> tuple[str, ...]:
        assert isinstance(method, ZeroI2V)
        return self.unwritten if method.adapters else ("offsets", "divisors")

    def translate(self, settings: Fields) -> Fields:
        ours: Fields = {}
        if "num_tadapter" in settings:
            ours["adapters"] = 2 + settings.pop("num_tadapter")
        config = settings.pop("stdha_cfg", {}) | settings
        return ours | (plan(config) if config else {})


def plan(config: Fields) -> Fields:
    """Offsets and divisors of ``stdha_cfg``, in the order in which channels are dealt out.

    Raises:
        ConfigurationError: for a key or a value that their code does not know.
    """
    for key, value in config.items():
        if key not in SHIFTS and (key not in SETTLED or value != SETTLED[key]):
            raise ConfigurationError(
                f"stdha_cfg: {key}={value!r} is not known; possible are {', '.join(SHIFTS)} and "
                f"{', '.join(f'{k}={v!r}' for k, v in SETTLED.items())}"
            )
    if "shift1_div" in config:
        distances = [(n, config.get(f"shift{n}_div", -1)) for n in (1, 2, 3, 4)]
        goes_right = {n: n < 3 or config.get(f"shift{n}_right", False) for n in (1, 2, 3, 4)}
    else:
        distances = [(1, config.get("shift_div", 12)), (2, config.get("long_shift_div", -1))]
        goes_right = {1: True, 2: config.get("long_shift_right", False)}
    ranges = [
        (sign * distance, divisor)
        for distance, divisor in distances
        if divisor > 0
        for sign in ((-1, 1) if goes_right[distance] else (-1,))
    ]
    return {"offsets": tuple(o for o, _ in ranges), "divisors": tuple(d for _, d in ranges)}
