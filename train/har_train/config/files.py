"""Settings as TOML: flat names, as options and calls from Python have them."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from har_edge.errors import DataError, MissingExtraError
from har_train.config.fit import SETTINGS, FitConfig, unknown_settings


def load_config(path: str | os.PathLike[str]) -> dict[str, object]:
    """Read settings from TOML for `FitConfig.of`; unknown ones are refused.

    Raises:
        DataError: if the file is missing, no TOML, or names a setting that does not exist.
    """
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib

    try:
        values: dict[str, object] = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise DataError(f"{path} is not valid TOML: {error}.") from error
    if unknown := sorted(values.keys() - SETTINGS.keys()):
        raise DataError(f"{path} names settings that do not exist: {unknown_settings(unknown)}")
    return values


def save_config(config: FitConfig, path: Path) -> None:
    """Write settings as TOML that `load_config` reads."""
    try:
        import tomli_w
    except ImportError as error:
        raise MissingExtraError("train", "tomli-w") from error
    path.write_text(tomli_w.dumps(config.flat()), encoding="utf-8")
