"""Train a CNN-LSTM on stills or clips: MobileNetV2 per frame, an LSTM over time.

`fit` trains as `har-train fit` does and gives a `TrainedRun`; `evaluate` judges a model of any
kind as `har-train evaluate` does. Names are loaded when they are first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from har_train.config import FitConfig
    from har_train.evaluation.evaluate import Evaluation
    from har_train.evaluation.judge import EvaluateMeans, evaluate
    from har_train.trained_run import TrainedRun, fit, resume
    from har_train.training.means import FitMeans
    from har_train.watch import Watch

_HOMES = {
    "EvaluateMeans": "har_train.evaluation.judge",
    "Evaluation": "har_train.evaluation.evaluate",
    "FitConfig": "har_train.config",
    "FitMeans": "har_train.training.means",
    "TrainedRun": "har_train.trained_run",
    "Watch": "har_train.watch",
    "evaluate": "har_train.evaluation.judge",
    "fit": "har_train.trained_run",
    "resume": "har_train.trained_run",
}

__all__ = [
    "EvaluateMeans",
    "Evaluation",
    "FitConfig",
    "FitMeans",
    "TrainedRun",
    "Watch",
    "evaluate",
    "fit",
    "resume",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
