"""What files are, by the ends of their names; case does not matter."""

VIDEO_SUFFIXES = (
    ".mp4", ".webm", ".mkv", ".avi", ".mov", ".m4v", ".mpg", ".mpeg", ".ts", ".wmv", ".flv",
    ".3gp", ".ogv", ".gif",
)  # fmt: skip
"""What counts as a video in a folder."""
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
"""What counts as a frame."""


def is_video_name(name: str) -> bool:
    """Whether a file's name is that of a video; hidden files are none."""
    return name.lower().endswith(VIDEO_SUFFIXES) and not name.startswith(".")


def is_image_name(name: str) -> bool:
    """Whether a file's name is that of an image; hidden files are none."""
    return name.lower().endswith(IMAGE_SUFFIXES) and not name.startswith(".")
