"""Writes the images that the nodes import, from static binaries."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from . import build
from .errors import LaboratoryError
from .places import HERE


def _image_script() -> ModuleType:
    """Load scripts/image.py, which also writes the agent's image for users."""
    path = HERE.parent.parent / "scripts" / "image.py"
    spec = importlib.util.spec_from_file_location("chaos_go_scripts_image", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def write_all(folder: Path, packages: Path) -> None:
    """Write all images of the laboratory as FOLDER/*.tar.

    Args:
        folder: Where to; files that are there are replaced.
        packages: The unpacked Debian packages, which have busybox.

    Raises:
        LaboratoryError: A binary is missing.
    """
    image = _image_script()
    tools, busybox = build.tools(), packages / "bin" / "busybox"
    shell = {"/bin/busybox": busybox, "/bin/sh": busybox}
    images = {
        "pause": image.Image("localhost/pause:lab", {"/pause": tools / "pause"}, "/pause"),
        "coredns": image.Image(
            "localhost/coredns:lab", {"/coredns": build.coredns() / "coredns"}, "/coredns"
        ),
        "toolbox": image.Image("localhost/toolbox:lab", shell, "/bin/busybox"),
        "shop": image.shop_image(),
        "agent": image.agent_image(),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, what in images.items():
        try:
            what.write(folder / f"{name}.tar")
        except image.ImageError as error:
            raise LaboratoryError(str(error)) from error
