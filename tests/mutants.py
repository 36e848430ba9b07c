"""Videos damaged on purpose: a mutant is known by the name of a file and a number alone.

What is done to a file is drawn from that name and number, so every mutant can be made again. The
files themselves are small videos, one of each container and kind of compression that PyAV's wheel
writes; the same wheel writes the same bytes.
"""

import os
import random
import re
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import av
import numpy as np

Draw = random.Random
Mutation = Callable[[bytearray, Draw], None]

FRAMES, HEIGHT, WIDTH = 8, 48, 64
TO_THE_BIT = {"fflags": "bitexact"}
"""No dates, no random names in the file."""

STEADY = {"x264-params": "no-mbtree=1"}
"""With its macroblock tree x264 writes other bytes now and then, on the very same machine."""

KINDS: dict[str, tuple[str, str, dict[str, str]]] = {
    "h264.mp4": ("libx264", "yuv420p", {"bf": "2", "g": "4", **STEADY}),
    "fragments.mp4": ("libx264", "yuv420p", {"g": "4", **STEADY}),
    "av1.mp4": ("libsvtav1", "yuv420p", {}),
    "hevc.mov": ("libx265", "yuv420p", {"x265-params": "log-level=none:pools=1"}),
    "prores.mov": ("prores", "yuv422p10le", {}),
    "h264.mkv": ("libx264", "yuv444p", {"g": "4", **STEADY}),
    "ffv1.mkv": ("ffv1", "yuv420p", {}),
    "vp8.webm": ("libvpx", "yuv420p", {}),
    "vp9.webm": ("libvpx-vp9", "yuv420p", {}),
    "mpeg4.avi": ("mpeg4", "yuv420p", {"bf": "2"}),
    "mjpeg.avi": ("mjpeg", "yuvj420p", {}),
    "huffyuv.avi": ("huffyuv", "yuv422p", {}),
    "h264.ts": ("libx264", "yuv420p", STEADY),
    "mpeg2.ts": ("mpeg2video", "yuv420p", {}),
    "mpeg1.mpg": ("mpeg1video", "yuv420p", {}),
    "h263.flv": ("flv", "yuv420p", {}),
    "wmv2.wmv": ("wmv2", "yuv420p", {}),
    "vp8.ogv": ("libvpx", "yuv420p", {}),
    "vp9.ivf": ("libvpx-vp9", "yuv420p", {}),
    "rv20.rm": ("rv20", "yuv420p", {}),
    "mpeg2.mxf": ("mpeg2video", "yuv422p", {}),
    "snow.nut": ("snow", "yuv420p", {"strict": "-2"}),
    "raw.y4m": ("wrapped_avframe", "yuv420p", {}),
    "bare.h264": ("libx264", "yuv420p", STEADY),
    "bare.hevc": ("libx265", "yuv420p", {"x265-params": "log-level=none:pools=1"}),
    "mpeg4.m4v": ("mpeg4", "yuv420p", {}),
    "pictures.gif": ("gif", "rgb8", {}),
    "pictures.apng": ("apng", "rgb24", {}),
    "pictures.webp": ("libwebp_anim", "yuva420p", {}),
}
"""For each file its encoder, its pixels, and options for the encoder."""
FRAGMENTED = {"fragments.mp4": {"movflags": "frag_keyframe+empty_moov"}}

TAGS = re.compile(
    rb"moov|mvhd|tkhd|mdhd|elst|stsd|stts|ctts|stss|stsz|stsc|stco|avc1|hvc1|av01|colr|mdat|moof"
    rb"|tfhd|trun|trex|RIFF|LIST|avih|strh|strf|movi|idx1|00dc|IHDR|acTL|fcTL|IDAT|fdAT|VP8X|ANIM"
    rb"|ANMF|OggS|FLV|NETSCAPE|\.RMF|PROP|MDPR|DATA|DKIF|YUV4MPEG|FRAME"
    rb"|\x1a\x45\xdf\xa3|\x18\x53\x80\x67|\x16\x54\xae\x6b|\x1f\x43\xb6\x75|\x1c\x53\xbb\x6b"
    rb"|\x2a\xd7\xb1|\x44\x89|\xe0|\xb0|\xba|\xa3|\x06\x0e\x2b\x34|\x00\x00\x01|G@"
)
"""Where headers have something to say, in any of the containers."""

SIZE = re.compile(
    b"|".join(re.escape(struct.pack(f, WIDTH, HEIGHT)) for f in ("<HH", ">HH", "<II", ">II"))
)
"""Where a header states the size of the frames, width first."""
GIANTS = ((8192, 8192), (8192, 8193), (16383, 16383), (65535, 1024), (1, 65535), (30000, 2000))

ODD = (0, 1, -1, 2, 127, 128, 255, 256, 32767, 32768, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 1)


def write_sources(folder: Path) -> dict[str, bytes]:
    """Writes one video of each kind, and returns them by their names."""
    return {name: write_source(folder / name).read_bytes() for name in KINDS}


def write_source(path: Path) -> Path:
    """Writes the video of this name: a bright square that moves over noise."""
    codec, pixels, options = KINDS[path.name]
    noise = np.random.default_rng(0).integers(0, 64, (HEIGHT, WIDTH, 3), np.uint8)
    os.environ.setdefault("SVT_LOG", "-1")  # its AV1 encoder talks otherwise
    asked = TO_THE_BIT | FRAGMENTED.get(path.name, {})
    with av.open(str(path), "w", options=asked) as container:
        stream = container.add_stream(codec, rate=25, options={"threads": "1", **options})
        stream.height, stream.width, stream.pix_fmt = HEIGHT, WIDTH, pixels
        stream.codec_context.flags |= av.codec.context.Flags.bitexact
        for index in range(FRAMES):
            picture = noise.copy()
            picture[8:24, 4 * index : 4 * index + 16] = 255
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def mutant(content: bytes, *, name: str, seed: int) -> bytes:
    """A damaged copy of a file; the same for the same content, name and seed."""
    draw = random.Random(f"{name} {seed}")
    damaged = bytearray(content)
    for _ in range(draw.choice((1, 1, 1, 2, 3, 8))):
        if damaged:
            draw.choice(MUTATIONS)(damaged, draw)
    return bytes(damaged)


def flip_bits(data: bytearray, draw: Draw) -> None:
    """A few bits, anywhere."""
    for _ in range(draw.choice((1, 2, 8, 64))):
        data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)


def edit_header(data: bytearray, draw: Draw) -> None:
    """A number beside a tag: sizes, counts, dimensions, clocks, durations."""
    places = [found.start() for found in TAGS.finditer(data)]
    # Four bytes before a tag is its size in MP4, behind it in most others.
    at = draw.choice(places) + draw.randrange(-4, 48) if places else draw.randrange(len(data))
    edit_number(data, draw, at=max(0, at))


def edit_start(data: bytearray, draw: Draw) -> None:
    """A number among the first bytes, where most containers have their header."""
    edit_number(data, draw, at=draw.randrange(min(len(data), 512)))


def enlarge(data: bytearray, draw: Draw) -> None:
    """The size of the frames, where it is found, to one that takes memory."""
    if found := [match.span() for match in SIZE.finditer(data)]:
        begin, end = draw.choice(found)
        order: Literal["big", "little"] = "big" if data[begin] == 0 else "little"
        sides = (side.to_bytes((end - begin) // 2, order) for side in draw.choice(GIANTS))
        data[begin:end] = b"".join(sides)
    else:
        edit_header(data, draw)


def edit_number(data: bytearray, draw: Draw, *, at: int) -> None:
    """A number of one to eight bytes that begins here, to one of those that break programs."""
    at = min(at, len(data) - 1)
    width = min(draw.choice((1, 2, 2, 4, 4, 4, 8)), len(data) - at)
    order: Literal["big", "little"] = draw.choice(("big", "little"))
    value = draw.choice((*ODD, draw.getrandbits(64)))
    data[at : at + width] = (value % 256**width).to_bytes(width, order)


def cut_end(data: bytearray, draw: Draw) -> None:
    """As a download that broke off."""
    del data[draw.randrange(len(data)) :]


def cut_out(data: bytearray, draw: Draw) -> None:
    """A part is missing."""
    del data[slice(*part(data, draw))]


def repeat(data: bytearray, draw: Draw) -> None:
    """A part is there several times."""
    begin, end = part(data, draw)
    data[end:end] = data[begin:end] * draw.choice((1, 2, 20))


def swap(data: bytearray, draw: Draw) -> None:
    """Two parts have changed places."""
    one, two = part(data, draw), part(data, draw)
    (begin, end), (begin_two, end_two) = sorted((one, two))
    if end <= begin_two:
        data[begin:end_two] = data[begin_two:end_two] + data[end:begin_two] + data[begin:end]


def overwrite(data: bytearray, draw: Draw) -> None:
    """A part is zeros, ones or noise: a bad sector."""
    begin, end = part(data, draw)
    length = end - begin
    data[begin:end] = draw.choice((bytes(length), b"\xff" * length, draw.randbytes(length)))


def part(data: bytearray, draw: Draw) -> tuple[int, int]:
    """Where a part begins and ends: of a few bytes, or of up to all of them."""
    begin = draw.randrange(len(data))
    longest = draw.choice((4, 32, 512, len(data)))
    return begin, min(len(data), begin + 1 + draw.randrange(longest))


MUTATIONS: tuple[Mutation, ...] = (
    flip_bits, edit_header, edit_header, edit_header, edit_start, enlarge, cut_end, cut_out, repeat,
    swap, overwrite,
)  # fmt: skip
