"""Writes the images that the nodes import, from static binaries."""

from pathlib import Path

from container_image import Image, ImageError, agent_image, shop_image

from . import build
from .errors import LaboratoryError


def write_all(folder: Path, packages: Path) -> None:
    """Write all images of the laboratory as FOLDER/*.tar.

    Args:
        folder: Where to; files that are there are replaced.
        packages: The unpacked Debian packages, which have busybox.

    Raises:
        LaboratoryError: A binary is missing.
    """
    tools, busybox = build.tools(), packages / "bin" / "busybox"
    shell = {"/bin/busybox": busybox, "/bin/sh": busybox}
    images = {
        "pause": Image("localhost/pause:lab", {"/pause": tools / "pause"}, "/pause"),
        "coredns": Image(
            "localhost/coredns:lab", {"/coredns": build.coredns() / "coredns"}, "/coredns"
        ),
        "toolbox": Image("localhost/toolbox:lab", shell, "/bin/busybox"),
        "shop": shop_image(),
        "agent": agent_image(),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, what in images.items():
        try:
            what.write(folder / f"{name}.tar")
        except ImageError as error:
            raise LaboratoryError(str(error)) from error
