"""Blend a fine-tuned backbone with the one that it was fine-tuned from, weight by weight.

    python train/recipes/blend_weights.py START TUNED OUT.weights.h5 [--share 0.5]

START and TUNED are weights as `har-train fit --weights` takes them, of one and the same backbone.
Of what the tuned one has learnt the blend keeps most, and of what it forgot it gets most back: on
data that neither has seen, its features can be better than those of both.

Source: Wortsman et al., Robust fine-tuning of zero-shot models (CVPR 2022), section 3; there of the
whole classifier, here of the backbone alone, on which a head is trained anew.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from har_edge.model.spec import ClipSpec
from har_train.config import FitConfig
from har_train.model.network import backbone_of, build_encoder


def blend(start: Any, tuned: Any, share: float) -> None:
    """Move the weights of `start` towards those of `tuned`, in place.

    Args:
        start: Keras model.
        tuned: Keras model of the same layers.
        share: Share of the tuned weights, from 0 for the start to 1 for the tuned ones.
    """
    pairs = zip(start.get_weights(), tuned.get_weights(), strict=True)
    start.set_weights([(1 - share) * before + share * after for before, after in pairs])


def load_backbone(weights: str) -> Any:
    """Build MobileNetV2 1.0 without its top, with the weights given."""
    clip = ClipSpec(1, 8.0, 224, 224)
    return backbone_of(build_encoder(clip, FitConfig.of(data="", num_frames=1, weights=weights)))


@click.command()
@click.argument("start")
@click.argument("tuned")
@click.argument("out", metavar="OUT.weights.h5", type=click.Path(path_type=Path))
@click.option("--share", type=click.FloatRange(0, 1), default=0.5, show_default=True)
def main(start: str, tuned: str, out: Path, share: float) -> None:
    """Write to OUT the weights that lie between START's and TUNED's."""
    if not out.name.endswith(".weights.h5"):
        raise click.BadParameter(f"Expected a name that ends in .weights.h5. Received {out}.")
    backbone = load_backbone(start)
    blend(backbone, load_backbone(tuned), share)
    backbone.save_weights(out)


if __name__ == "__main__":
    main()
