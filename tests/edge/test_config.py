"""The settings of a run and of a server: what goes together, and what is refused."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import FrozenInstanceError, replace
from typing import Any

import pytest

from har_edge.config import (
    DecideConfig,
    LiveOptions,
    RequestLimits,
    RunConfig,
    RunLimits,
    ServeConfig,
    SinkConfig,
    SourceConfig,
    default_num_threads,
)
from har_edge.errors import ConfigError
from har_edge.settings import Settings

DEMO = SourceConfig(demo=True)


def test_defaults() -> None:
    config = RunConfig(source=DEMO)
    assert (config.model, config.backend) == (None, "auto")
    assert 1 <= config.num_threads == default_num_threads() <= 4
    assert (config.decide.smoothing_s, config.decide.min_duration_s) == (0.5, 0.5)
    assert ServeConfig().limits.max_upload_bytes == 64 * 2**20


def test_settings_are_frozen() -> None:
    config = RunConfig(source=DEMO)
    with pytest.raises(FrozenInstanceError):
        config.show = True  # type: ignore[misc]
    assert replace(config, show=True).show


@pytest.mark.parametrize(
    ("group", "values"),
    [
        (LiveOptions, {"stall_timeout_s": 0}),
        (LiveOptions, {"frozen_after_s": -1}),
        (LiveOptions, {"max_retries": -1}),
        (DecideConfig, {"smoothing_s": -0.1}),
        (DecideConfig, {"score_threshold": 1.1}),
        (DecideConfig, {"min_duration_s": -1}),
        (SinkConfig, {"top_k": 0}),
        (SinkConfig, {"emit": "nothing"}),
        (SinkConfig, {"output_format": "xml"}),
        (SinkConfig, {"event_padding_s": 61}),
        (SinkConfig, {"save_events_max_mb": 0.5}),
        (RunLimits, {"max_frames": 0}),
        (RunLimits, {"duration_s": 0}),
        (RunConfig, {"source": DEMO, "num_threads": 0}),
        (RunConfig, {"source": DEMO, "num_threads": "many"}),
        (RunConfig, {"source": DEMO, "inference_hz": 0}),
        (RunConfig, {"source": DEMO, "backend": "onnx"}),
        (RequestLimits, {"max_requests": 0}),
        (RequestLimits, {"max_clip_s": 0}),
        (ServeConfig, {"port": 65536}),
        (ServeConfig, {"workers": 0}),
    ],
)
def test_what_the_command_refuses_is_refused_here(
    group: type[Settings], values: dict[str, Any]
) -> None:
    (name,) = values.keys() - {"source"}
    with pytest.raises(ConfigError, match=f"Expected {name} to be"):
        group(**values)


def test_a_table_has_one_kind_of_row() -> None:
    with pytest.raises(ConfigError, match="one kind of row"):
        SinkConfig(output_format="csv", emit="all")
    SinkConfig(output_format="csv", emit="events")


def test_a_run_needs_a_source() -> None:
    with pytest.raises(ConfigError, match="Nothing to do"):
        RunConfig()
    for source in (DEMO, SourceConfig(camera="0"), SourceConfig(("a.mp4",), watch=("in",))):
        RunConfig(source=source)


def test_a_server_answers_not_everybody() -> None:
    with pytest.raises(ConfigError, match=r"needs --token .*Received none"):
        ServeConfig(host="0.0.0.0")
    with pytest.raises(ConfigError, match=r"at least 8 characters\. Received 5"):
        ServeConfig(token="short")
    ServeConfig(host="0.0.0.0", token="long enough")
    ServeConfig(host="::1")


@pytest.mark.parametrize("source", [DEMO, SourceConfig(watch=("in",))])
def test_a_server_looks_at_live_sources_alone(source: SourceConfig) -> None:
    with pytest.raises(ConfigError, match="one camera or stream"):
        ServeConfig(source=source)


def test_secrets_are_not_shown() -> None:
    sink = SinkConfig(mqtt="mqtt://ann:s3cret@box", webhook="https://box/s3cret")
    assert "s3cret" not in repr(ServeConfig(token="s3cret-token", sink=sink))


def test_settings_are_light() -> None:
    code = "import sys, har_edge.config; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert not {"numpy", "click", "cv2"} & set(loaded.stdout.split())
