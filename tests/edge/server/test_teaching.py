"""Teaching over HTTP: the next seconds of a live source become an action, at once and for good."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("fastapi", reason="needs the extra serve")
httpx = pytest.importorskip("httpx", reason="needs httpx")

from har_edge.frames.frame import Frame, Person  # noqa: E402
from har_edge.model.loaded import LoadedModel, load_model  # noqa: E402
from har_edge.recognition.look import prediction_for  # noqa: E402
from har_edge.recognition.prediction import Prediction  # noqa: E402
from har_edge.recognition.taught import Background, Taught  # noqa: E402
from har_edge.recognition.taught_file import (  # noqa: E402
    changing,
    described_size,
    read_taught,
    write_taught,
)
from har_edge.recognition.teachable import Lesson, TeachableModel  # noqa: E402
from tests.conftest import ASSETS  # noqa: E402
from tests.support.chaos.mjpeg_server import MjpegServer  # noqa: E402
from tests.support.people import SSD, teacher  # noqa: E402
from tests.support.serving import serving, wait_for  # noqa: E402

MODEL = ASSETS / "tiny-int8.tflite"
TOKEN = "a-token-for-tests"


@pytest.fixture(scope="module")
def tiny() -> LoadedModel:
    return load_model(MODEL)


@pytest.fixture
def taught_file(tiny: LoadedModel, tmp_path: Path) -> Path:
    """A file with a background, which this model does not bring along, and no action."""
    random = np.random.default_rng(0)
    windows = random.normal(size=(100, described_size(tiny))).astype(np.float32)
    path = tmp_path / "taught.npz"
    write_taught(tiny, Taught(tiny.spec.model_sha256, Background.of(windows)), path)
    return path


@pytest.fixture(scope="module")
def camera() -> Iterator[MjpegServer]:
    found = MjpegServer()
    yield found
    found.stop()


def frame(time_s: float, *people: Person, after_gap: bool = False) -> Frame:
    pixels = np.zeros((4, 4, 3), np.uint8)
    shown = Frame(pixels, time_s, round(time_s * 10), "camera:0", 0.0, after_gap=after_gap)
    return replace(shown, people=people) if people else shown


def window(number: float) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.full(3, number, np.float32)


def test_a_lesson_takes_windows_of_its_own_time_a_quarter_apart() -> None:
    lesson = Lesson(8, 4.0)
    for number in range(41):
        lesson.take(frame(5 + number / 10, after_gap=number == 20), (), [window(number)])
    # Eight frames from its start, and again after the gap; then every second one.
    chosen = [int(taken[0]) for taken in lesson.windows]
    assert chosen == [*range(7, 20, 2), *range(27, 41, 2)]
    assert lesson.over


def test_a_lesson_is_of_the_largest_person() -> None:
    small, large = Person(0.9, (0, 0, 0.2, 0.2), id=1), Person(0.9, (0.3, 0, 0.9, 1), id=2)
    lesson = Lesson(1, 9.0)

    def said(number: int) -> Prediction:
        made = prediction_for(frame(0), np.ones(2, np.float32) / 2, ("a", "b"))
        return replace(made, person=number)

    lesson.take(frame(0, small, large), [said(1), said(2)], [window(1), window(2)])
    lesson.take(frame(1, small, large), [said(1)], [window(3)])  # the large one has no window yet
    lesson.take(frame(2, small), [said(1)], [window(4)])
    assert [int(taken[0]) for taken in lesson.windows] == [2, 4]


def test_a_model_knows_more_from_one_window_to_the_next(
    tiny: LoadedModel, taught_file: Path
) -> None:
    model = TeachableModel(tiny, tiny)
    rows = np.zeros((tiny.spec.clip.num_frames, tiny.spec.row_size), np.float32)
    before = model.classify(rows)
    assert model.heard() == []
    model.listening = True
    assert np.array_equal(model.classify(rows), before)
    (heard,) = model.heard()
    taught = read_taught(tiny, taught_file).with_action("waving", np.stack([heard + 9] * 3))
    model.know(taught)
    after = model.classify(rows)
    assert model.spec.labels == (*tiny.spec.labels, "waving")
    assert len(after) == len(before) + 1


def state(client: Any, url: str) -> dict[str, Any]:
    found: dict[str, Any] = client.get(url).json()
    return found


def wait_until_live(client: Any, address: str) -> None:
    wait_for(lambda: client.get(f"{address}/live").json()["state"] == "live")


def test_what_is_taught_is_recognised_at_once_and_kept(
    camera: MjpegServer, tiny: LoadedModel, taught_file: Path
) -> None:
    taught_file.chmod(0o644)
    with serving(camera.url, "--model", MODEL, "--taught", taught_file, token=TOKEN) as server:
        url = f"{server.url}/live/teach"
        assert httpx.post(url, json={"label": "waving"}).status_code == 401
        client = httpx.Client(headers={"Authorization": f"Bearer {TOKEN}"}, timeout=30)
        wait_until_live(client, server.url)
        idle = state(client, url)
        assert (idle["state"], idle["label"], idle["windows"]) == ("idle", None, 0)
        begun = client.post(url, json={"label": "waving", "duration_s": 3})
        assert begun.status_code == 202
        assert (begun.json()["state"], begun.json()["duration_s"]) == ("recording", 3)
        second = client.post(url, json={"label": "jumping"})
        assert second.status_code == 409
        assert "'waving' is being recorded" in second.json()["detail"]
        wait_for(lambda: 0 < state(client, url)["recorded_s"] < 3)
        wait_for(lambda: state(client, url)["state"] != "recording", 40)
        done = state(client, url)
        assert done["state"] == "done", done
        assert done["detail"].startswith(f"Learned 'waving' from {done['windows']} windows")
        assert done["detail"].endswith("Uploads go by it once the server is started again.")
        assert stat.S_IMODE(taught_file.stat().st_mode) == 0o600
        kept = read_taught(tiny, taught_file)
        assert kept.names == ("waving",)
        assert len(kept.windows["waving"]) == done["windows"] >= 3

        def knows() -> bool:
            rows = client.get(f"{server.url}/live").json()["all_predictions"]
            return "waving" in {row["action"] for row in rows}

        wait_for(knows, 30)
        # The same name again: more examples.
        assert client.post(url, json={"label": "waving", "duration_s": 2}).status_code == 202
        wait_for(lambda: state(client, url)["state"] == "done", 40)
        assert len(read_taught(tiny, taught_file).windows["waving"]) > done["windows"]


def test_what_is_cancelled_or_refused_teaches_nothing(
    camera: MjpegServer, tiny: LoadedModel, taught_file: Path
) -> None:
    before = taught_file.read_bytes()
    with serving(camera.url, "--model", MODEL, "--taught", taught_file) as server:
        url, client = f"{server.url}/live/teach", httpx.Client(timeout=30)
        wait_until_live(client, server.url)
        known = tiny.spec.labels[0]
        for body, reason in (
            ({"label": known}, "already knows"),
            ({"label": " a"}, "single line"),
            ({"label": "a", "seconds": 3}, "Extra inputs"),
            ({"label": "a", "duration_s": 0}, "greater than or equal to 1"),
            ({"label": "a" * 61}, "at most 60"),
            ({}, "Field required"),
        ):
            refused = client.post(url, json=body)
            assert refused.status_code == 422, body
            assert refused.headers["content-type"] == "application/problem+json"
            assert reason in refused.json()["detail"]
        assert client.post(f"{url}?a=1", json={"label": "waving"}).status_code == 422
        foreign = {"Origin": "https://evil.example"}
        assert client.post(url, json={"label": "waving"}, headers=foreign).status_code == 403
        assert client.delete(url, headers=foreign).status_code == 403

        assert client.post(url, json={"label": "waving", "duration_s": 60}).status_code == 202
        assert client.delete(url).json()["state"] == "idle"
        # At once again, though the file is only just let go.
        assert client.post(url, json={"label": "jumping", "duration_s": 1}).status_code == 202
        wait_for(lambda: state(client, url)["state"] != "recording", 40)
        client.delete(url)
        taught_file.write_bytes(before)

        with changing(taught_file):
            client.post(url, json={"label": "waving", "duration_s": 1})
            wait_for(lambda: state(client, url)["state"] == "failed")
            assert "taught.npz" in state(client, url)["detail"]
    assert taught_file.read_bytes() == before


def test_a_server_that_cannot_teach_says_why(camera: MjpegServer) -> None:
    with serving("--model", MODEL) as server:
        assert httpx.get(f"{server.url}/live/teach").status_code == 404
        refused = httpx.post(f"{server.url}/live/teach", json={"label": "waving"})
        assert refused.status_code == 404
        assert "no live source" in refused.json()["detail"]
    with serving(camera.url, "--model", MODEL) as server:
        wait_until_live(httpx, server.url)
        refused = httpx.post(f"{server.url}/live/teach", json={"label": "waving"})
        assert refused.status_code == 409
        assert "--background FOLDER" in refused.json()["detail"]


def test_nobody_in_view_teaches_nothing(camera: MjpegServer, taught_file: Path) -> None:
    options = ("--people", teacher(SSD), "--model", MODEL, "--taught", taught_file)
    with serving(camera.url, *options) as server:
        url = f"{server.url}/live/teach"
        wait_until_live(httpx, server.url)
        assert httpx.post(url, json={"label": "waving", "duration_s": 1}).status_code == 202
        wait_for(lambda: httpx.get(url).json()["state"] != "recording", 40)
        ended = httpx.get(url).json()
        assert ended["state"] == "failed"
        assert "with somebody in view" in ended["detail"]
