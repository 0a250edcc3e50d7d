"""Train one recipe on several manifests or seeds and say how far the results scatter.

    python train/recipes/cross_validate.py CONFIG DATA MANIFEST [MANIFEST ...] [--seeds 5]
        [--weights FILE] [--out RESULT.json]

Folds are manifests, each with a test part of its own. Prints one row a run: accuracy per test
clip and per window, and that of the validation part, which is what recipes are chosen by.
"""

from __future__ import annotations

import json
from pathlib import Path

import click
import numpy as np

from har_train.config import FitConfig, load_config
from har_train.features.cache import default_cache
from har_train.training.fit import fit

FIGURES = ("val_accuracy", "accuracy", "window_accuracy")


@click.command()
@click.argument("config")
@click.argument("data")
@click.argument("manifests", nargs=-1, required=True)
@click.option("--seeds", type=click.IntRange(min=1), default=1, show_default=True)
@click.option("--weights", help="Backbone weights, see har-train fit.")
@click.option("--out", type=click.Path(path_type=Path), help="JSON file to write.")
def main(
    config: str,
    data: str,
    manifests: tuple[str, ...],
    seeds: int,
    weights: str | None,
    out: Path | None,
) -> None:
    """Train CONFIG on each manifest with each seed."""
    settings = load_config(config) | ({"weights": weights} if weights else {})
    rows = []
    print(f"{'manifest':<16}{'seed':>5}" + "".join(f"{name:>17}" for name in FIGURES))
    for manifest in manifests:
        for seed in range(seeds):
            run = FitConfig.of(**settings | {"data": manifest, "root": data, "seed": seed})
            metrics = fit(run, cache=default_cache()).metrics
            values = [metrics["val"]["accuracy"], *(metrics["test"][f] for f in FIGURES[1:])]
            name, figures = Path(manifest).stem, dict(zip(FIGURES, values, strict=True))
            clips = metrics["test"]["clips"]
            rows.append({"manifest": name, "seed": seed, "clips": clips, **figures})
            _print_row(name, str(seed), values)
    table = np.array([[row[name] for name in FIGURES] for row in rows])
    _print_row("mean", "", list(table.mean(axis=0)))
    _print_row("deviation", "", list(table.std(axis=0, ddof=1 if len(table) > 1 else 0)))
    if out:
        summary = {"config": load_config(config), "runs": rows}
        out.write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")


def _print_row(name: str, seed: str, values: list[float]) -> None:
    print(f"{name:<16}{seed:>5}" + "".join(f"{value:>17.1%}" for value in values), flush=True)


if __name__ == "__main__":
    main()
