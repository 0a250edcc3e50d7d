"""Settings of a training run: frozen groups, and each setting in one place."""

from __future__ import annotations

from har_train.config.files import load_config, save_config
from har_train.config.fine_tune import FineTuneConfig
from har_train.config.fit import FitConfig, default_name
from har_train.config.groups import (
    AugmentConfig,
    BackboneConfig,
    BackboneName,
    Balance,
    DataConfig,
    Head,
    HeadConfig,
    HeadInput,
    Keep,
    TrainingConfig,
    WindowConfig,
)

__all__ = [
    "AugmentConfig",
    "BackboneConfig",
    "BackboneName",
    "Balance",
    "DataConfig",
    "FineTuneConfig",
    "FitConfig",
    "Head",
    "HeadConfig",
    "HeadInput",
    "Keep",
    "TrainingConfig",
    "WindowConfig",
    "default_name",
    "load_config",
    "save_config",
]
