"""Images of static binaries: what is in the archive that scripts/container_image.py writes."""

import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import container_image
import pytest
from container_image import Image, ImageError, file_capabilities


@pytest.fixture
def image(tmp_path):
    binary = tmp_path / "program"
    binary.write_bytes(b"\x7fELF")
    return Image(
        "localhost/x:1", {"/bin/x": binary}, "/bin/x", "65532:65532", ["NET_ADMIN"], "arm64"
    )


def read(archive):
    """Return manifest, config and layer of an archive."""
    with tarfile.open(archive) as tar:
        files = {entry.name: tar.extractfile(entry).read() for entry in tar}
    (manifest,) = json.loads(files["manifest.json"])
    return manifest, json.loads(files[manifest["Config"]]), files[manifest["Layers"][0]]


def test_the_archive_describes_its_layer(image, tmp_path):
    image.write(tmp_path / "dist" / "x.tar")
    manifest, config, layer = read(tmp_path / "dist" / "x.tar")
    assert manifest["RepoTags"] == ["localhost/x:1"]
    assert config["rootfs"]["diff_ids"] == ["sha256:" + hashlib.sha256(layer).hexdigest()]
    assert (config["architecture"], config["os"]) == ("arm64", "linux")
    assert config["config"]["User"] == "65532:65532"
    assert config["config"]["Entrypoint"] == ["/bin/x"]
    with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
        assert [(entry.name, oct(entry.mode)) for entry in tar] == [("bin/x", "0o755")]


def test_the_same_input_gives_the_same_bytes(image, tmp_path):
    for name in ("a.tar", "b.tar"):
        image.write(tmp_path / name)
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setcap"), reason="needs root and setcap")
def test_file_capabilities_are_those_that_setcap_sets(tmp_path):
    program = tmp_path / "program"
    program.touch()
    subprocess.run(["setcap", "cap_net_admin+p", program], check=True)
    assert os.getxattr(program, "security.capability") == file_capabilities(["NET_ADMIN"])


def test_file_capabilities_survive_the_tar_header(image, tmp_path):
    image.write(tmp_path / "x.tar")
    with tarfile.open(fileobj=io.BytesIO(read(tmp_path / "x.tar")[2])) as tar:
        value = tar.getmembers()[0].pax_headers["SCHILY.xattr.security.capability"]
    assert value.encode("utf-8", "surrogateescape") == file_capabilities(["NET_ADMIN"])


def test_a_missing_binary_is_named(tmp_path):
    with pytest.raises(ImageError, match="nothing: no such file; build it with: make agent"):
        Image("x", {"/x": tmp_path / "nothing"}, "/x").write(tmp_path / "x.tar")
    assert list(tmp_path.iterdir()) == []


def test_the_image_of_the_agent_is_small(tmp_path):
    archive = tmp_path / "agent.tar"
    command = [sys.executable, Path(container_image.__file__), "agent", archive]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert archive.stat().st_size < 15e6
    assert f"localhost/chaos-agent:{__import__('chaos_go').__version__} for " in said
