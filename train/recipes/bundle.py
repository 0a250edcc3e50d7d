"""Turn a trained run into a bundled model: what `har-convert` needs, and nothing else.

    python train/recipes/bundle.py RUN MANIFEST DATA [--about RECIPE.toml]

Copies RUN to `convert/models/har_edge_models/NAME`, or to `--out`. The training pictures may not be
redistributed, so the calibration frames are replaced by frames of the clips in MANIFEST whose
licences allow it: Surveillance Fight (MIT) and T2V-Bed-Fall (CC BY 4.0). Of a model of poses they
are windows of sequences that come from such sets: cmu_walk (free for any use), jhmdb and
T2V-Bed-Fall (CC BY 4.0).
"""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import click
import numpy as np

from har_edge.datasets import Sample
from har_edge.model.spec import ModelSpec
from har_edge.paths import display_path
from har_train.config import FitConfig, load_config, save_config
from har_train.dataset.samples import load_dataset
from har_train.run_folder import REPRESENTATIVE_ROWS, representative_set
from har_train.training.stage import pose_rendering

BUNDLED = Path(__file__).parents[2] / "convert" / "models" / "har_edge_models"
COPIED = (
    "model.keras", "spec.json", "labels.txt", "metrics.json", "history.csv", "predictions.csv",
    "classification_report.txt", "confusion_matrix.csv",
)  # fmt: skip
FREE = ("surveillance_fight", "bed_fall")
# Of sequences the group begins with the set.
FREE_SETS = ("cmu_walk", "jhmdb", "bed_fall")


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("manifest", type=click.Path(path_type=Path))
@click.argument("data", type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=BUNDLED,
    metavar="DIR",
    help="Folder to write NAME in. [default: that of har-edge-models]",
)
@click.option(
    "--about",
    type=click.Path(path_type=Path),
    metavar="RECIPE.toml",
    help="Take the texts for spec and card from here. [default: those that RUN was trained with]",
)
def main(run: Path, manifest: Path, data: Path, out: Path, about: Path | None) -> None:
    """Write RUN as a bundled model, calibrated on what is free of what MANIFEST names in DATA."""
    spec = ModelSpec.from_json((run / "spec.json").read_bytes())
    target = out / spec.name
    target.mkdir(parents=True, exist_ok=True)
    for name in COPIED:
        shutil.copyfile(run / name, target / name)
    config = FitConfig.of(**load_config(run / "config.toml"))
    if config.head.of_people:
        shorten_paths(target / "predictions.csv")
    if about:
        config = config.with_(about=load_config(about).get("about", {}))
        texts = {key: config.data.about.get(key, "") for key in ("description", "license")}
        spec = spec.with_(**texts)
        (target / "spec.json").write_text(spec.to_json(), encoding="utf-8")
    # Where they lay on the machine that trained is nobody's business.
    places = {
        "weights": Path(config.backbone.weights).name,
        "teacher": ",".join(Path(path).name for path in config.fine_tune.teachers),
        "crop_people": Path(config.fine_tune.crop_people).name,
        "unlabelled": Path(config.data.unlabelled).name,
    }
    save_config(config.with_(data="", root="", **places), target / "config.toml")
    samples = [s for s in load_dataset(manifest, data) if s.split == "train" and is_free(s, data)]
    if config.head.of_people:
        load = pose_rendering(config, view=0).load
        name, num_frames = "rows", REPRESENTATIVE_ROWS
    else:
        load, name, num_frames = None, "frames", 48
    found, windows = representative_set(
        samples, spec.clip, seed=0, num_frames=num_frames, load=load
    )
    np.savez_compressed(target / "representative.npz", **{name: found, "windows": windows})
    print(f"wrote {display_path(target)}: {len(found)} {name}, {len(windows)} windows")


def shorten_paths(path: Path) -> None:
    """Leave of the paths in a table FOLDER/FILE: sets lie anywhere, seen from the manifest."""
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        names, rows = list(reader.fieldnames or ()), list(reader)
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, names, lineterminator="\n")
        table.writeheader()
        table.writerows({**row, "path": "/".join(Path(row["path"]).parts[-2:])} for row in rows)


def is_free(sample: Sample, data: Path) -> bool:
    """Whether a sample comes from a set that may be redistributed."""
    if sample.is_pose:
        return sample.group.split("/")[0] in FREE_SETS
    return sample.path.relative_to(data).parts[0] in FREE


if __name__ == "__main__":
    main()
