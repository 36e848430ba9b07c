"""Generated videos whose class lies in time alone, and stills drawn from the same parts."""

from stillmotion.data.synthetic.drawing import SHAPES
from stillmotion.data.synthetic.motions import MOTIONS, PARTNER, draw_clip
from stillmotion.data.synthetic.stills import Stills, draw_stills
from stillmotion.data.synthetic.writing import MotionVideo, write_motion_videos

__all__ = [
    "MOTIONS",
    "PARTNER",
    "SHAPES",
    "MotionVideo",
    "Stills",
    "draw_clip",
    "draw_stills",
    "write_motion_videos",
]
