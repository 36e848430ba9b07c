"""The data sets that `stillmotion prepare` knows by name, a module each."""

from stillmotion.data.sets.data_set import DataSet, Listing
from stillmotion.data.sets.diving48 import DIVING48
from stillmotion.data.sets.epic100 import EPIC100
from stillmotion.data.sets.hmdb51 import HMDB51
from stillmotion.data.sets.jester import JESTER
from stillmotion.data.sets.kinetics import KINETICS_400, KINETICS_600, KINETICS_700
from stillmotion.data.sets.mmaction import MMACTION_FRAMES, MMACTION_VIDEOS
from stillmotion.data.sets.slowfast import SLOWFAST
from stillmotion.data.sets.smarthome import SMARTHOME
from stillmotion.data.sets.ssv1 import SSV1
from stillmotion.data.sets.ssv2 import SSV2
from stillmotion.data.sets.ucf101 import UCF101
from stillmotion.data.sets.videofolder import VIDEOFOLDER
from stillmotion.errors import ConfigurationError, unknown

__all__ = ["DATA_SETS", "DataSet", "Listing", "get_data_set"]

_KNOWN = (
    KINETICS_400, KINETICS_600, KINETICS_700, SSV1, SSV2, SMARTHOME, UCF101, HMDB51, DIVING48,
    JESTER, EPIC100, MMACTION_VIDEOS, MMACTION_FRAMES, SLOWFAST, VIDEOFOLDER,
)  # fmt: skip
DATA_SETS: dict[str, DataSet] = {data_set.name: data_set for data_set in _KNOWN}
"""By name, in the order in which they are listed."""


def get_data_set(name: str) -> DataSet:
    """The data set of this name.

    Raises:
        ConfigurationError: there is none; which is nearest.
    """
    if name not in DATA_SETS:
        raise ConfigurationError(unknown("data set", name, DATA_SETS))
    return DATA_SETS[name]
