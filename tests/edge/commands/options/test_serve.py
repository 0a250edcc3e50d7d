"""The options of `serve`."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from har_edge.commands.options.serve import serve_config
from har_edge.commands.serve import serve
from har_edge.config import (
    DecideConfig,
    LiveOptions,
    RequestLimits,
    ServeConfig,
    SinkConfig,
    SourceConfig,
)


def parse(*arguments: str) -> ServeConfig:
    """The settings of `har-edge serve` with these arguments."""
    context = serve.make_context("serve", list(arguments))
    return serve_config(context.params)


def test_defaults_of_the_command_are_those_of_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HAR_TOKEN", "HAR_MQTT", "HAR_WEBHOOK"):
        monkeypatch.delenv(name, raising=False)
    assert parse() == ServeConfig()


def test_everything_arrives() -> None:
    given = "rtsp://cam/1 --camera 0 --model clips --taught t.npz --backend litert --host 0.0.0.0 "
    given += "--port 1 --token sesame-open --allow-origin https://a --allow-origin https://b "
    given += "--workers 3 --max-requests 5 --max-upload-mb 1.5 --max-megapixels 0.5 "
    given += "--max-clip-s 7 --upload-timeout 8 --request-timeout 9 --smoothing 0 --totals t.json "
    given += "--stall-timeout 2 --max-frames 6 --tls-cert c.pem --tls-key k.pem"
    assert parse(*given.split()) == ServeConfig(
        model="clips",
        taught="t.npz",
        backend="litert",
        host="0.0.0.0",
        port=1,
        token="sesame-open",
        allow_origins=("https://a", "https://b"),
        workers=3,
        limits=RequestLimits(3 * 2**19, 500_000, 7.0, 8.0, 9.0, max_requests=5, max_frames=6),
        tls_cert="c.pem",
        tls_key="k.pem",
        source=SourceConfig(
            names=("rtsp://cam/1",), camera="0", live=LiveOptions(stall_timeout_s=2.0)
        ),
        decide=DecideConfig(smoothing_s=0.0),
        sink=SinkConfig(totals="t.json"),
    )
    assert "sesame-open" not in repr(parse("--token", "sesame-open"))


@pytest.mark.parametrize("amount", ["nan", "inf"])
def test_an_amount_is_a_number(amount: str) -> None:
    result = CliRunner().invoke(serve, ["--max-upload-mb", amount])
    assert result.exit_code == 2
    assert "is not a number" in result.output
