"""Build sdist and wheels, twice, and see to it that all are the same bytes and complete.

    SOURCE_DATE_EPOCH=$(git log -1 --format=%ct) python .ci/build.py dist

Each build starts from a fresh copy of the files that git knows. The wheel of har-edge is built of
its sdist, which has no folder of Keras models, so that its extras name them as an index has them
(setup.py). Needs `build`.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
# What an archive is incomplete without; of the wheel's paths only the ends.
IN_SDIST = (
    "CHANGELOG.md", "LICENSE", "LICENSES/Apache-2.0.txt", "LICENSES/CC-BY-4.0.txt",
    "LICENSES/MIT-Surveillance-Fight.txt", "SECURITY.md", "edge/systemd/har-edge.service",
    "edge/har_edge/model/bundled/har15-int8.tflite", "train/recipes/har15.toml",
    "tests/conftest.py", "noxfile.py",
)  # fmt: skip
IN_WHEEL = (
    "dist-info/licenses/LICENSE", "licenses/LICENSES/Apache-2.0.txt",
    "licenses/LICENSES/CC-BY-4.0.txt", "licenses/LICENSES/MIT-Surveillance-Fight.txt",
    "share/doc/har-edge/CHANGELOG.md", "share/doc/har-edge/SECURITY.md",
    "share/har-edge/systemd/har-edge.service", "share/har-edge/recipes/har15.toml",
    "har_edge/model/bundled/har15-int8.tflite", "har_edge/samples/falling.mp4",
    "har_edge/py.typed",
)  # fmt: skip
IN_MODELS = (
    "har_edge_models/har15/model.keras", "har_edge_models/clips/representative.npz",
    "licenses/LICENSE", "licenses/LICENSES/CC-BY-4.0.txt",
)  # fmt: skip


def main() -> None:
    """Build, compare, check, and leave the archives in the folder that is named."""
    out = Path(sys.argv[1]).absolute()
    epoch = int(os.environ["SOURCE_DATE_EPOCH"])
    os.umask(0o022)
    with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
        archives = [build(Path(folder), epoch) for folder in (first, second)]
        digests = [
            {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in made}
            for made in archives
        ]
        if digests[0] != digests[1]:
            sys.exit(f"Two builds should be the same bytes. Received {digests}.")
        check(archives[0])
        out.mkdir(parents=True, exist_ok=True)
        for path in archives[0]:
            shutil.copy(path, out)
    sys.stdout.writelines(f"{digest}  {name}\n" for name, digest in digests[0].items())


def build(folder: Path, epoch: int) -> list[Path]:
    """Build from a copy of the tree: the paths of the sdist, its wheel and the models' wheel."""
    tree, made = folder / "tree", folder / "made"
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, stdout=subprocess.PIPE, check=True
    ).stdout
    for name in filter(None, listed.decode().split("\0")):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tree / name)
    command = [sys.executable, "-m", "build", "--outdir", made, *sys.argv[2:]]
    subprocess.run([*command, "--sdist", tree], stdout=subprocess.DEVNULL, check=True)
    (sdist,) = made.glob("*.tar.gz")
    normalise(sdist, epoch)
    # From the sdist, so that it is known to be enough.
    with tarfile.open(sdist) as archive:
        archive.extractall(folder / "unpacked", filter="data")
    (unpacked,) = (folder / "unpacked").iterdir()
    subprocess.run([*command, "--wheel", unpacked], stdout=subprocess.DEVNULL, check=True)
    models = tree / "convert" / "models"
    subprocess.run([*command, "--wheel", models], stdout=subprocess.DEVNULL, check=True)
    return [sdist, *sorted(made.glob("*.whl"))]


def normalise(sdist: Path, epoch: int) -> None:
    """Pack an sdist anew, without the hour, the user and the order of the machine."""
    content = io.BytesIO()
    with tarfile.open(sdist) as before, tarfile.open(fileobj=content, mode="w") as after:
        for entry in sorted(before.getmembers(), key=lambda entry: entry.name):
            entry.mtime, entry.uid, entry.gid, entry.uname, entry.gname = epoch, 0, 0, "", ""
            entry.mode = 0o755 if entry.isdir() or entry.mode & 0o100 else 0o644
            entry.pax_headers = {}
            after.addfile(entry, before.extractfile(entry) if entry.isfile() else None)
    sdist.write_bytes(gzip.compress(content.getvalue(), mtime=epoch))


def check(archives: list[Path]) -> None:
    """Refuse archives that lack something, or whose metadata name no licences."""
    sdist, wheel, models = archives
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    missing = [name for name in IN_SDIST if name not in names]
    with zipfile.ZipFile(wheel) as packed:
        inside = packed.namelist()
        missing += [end for end in IN_WHEEL if not any(name.endswith(end) for name in inside)]
        (about,) = (packed.read(n).decode() for n in inside if n.endswith("dist-info/METADATA"))
        if any(name.endswith(".keras") for name in inside):
            sys.exit("The light wheel should hold no Keras models. It does.")
    with zipfile.ZipFile(models) as packed:
        brought = packed.namelist()
        missing += [end for end in IN_MODELS if not any(name.endswith(end) for name in brought)]
    if "\nRequires-Dist: har-edge-models==" not in about:
        sys.exit("The extra convert should name har-edge-models as an index has it. It does not.")
    if missing:
        sys.exit(f"The archives should hold {', '.join(missing)}. They do not.")
    if "\nLicense-Expression: MIT AND Apache-2.0 AND CC-BY-4.0\n" not in about:
        sys.exit("The metadata should name the licences as an SPDX expression. They do not.")


if __name__ == "__main__":
    main()
