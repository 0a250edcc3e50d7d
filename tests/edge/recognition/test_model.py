"""The public model: the same answers as the command's, from whatever it is given."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest

from har_edge.errors import ModelFileError, ShapeError, SourceError, SpecError
from har_edge.frames.decode import load_image
from har_edge.paths import SEVERAL_PEOPLE
from har_edge.recognition.events import Event
from har_edge.recognition.model import Model, load
from har_edge.recognition.prediction import Prediction
from har_edge.testing import ManualClock, ScriptedSource, make_prediction, scripted_model
from tests.conftest import ASSETS, MakeVideo, RunCommand
from tests.support.serving import CLIP, PICTURE, SAMPLES

SPENT = {"latency_ms", "decode_ms", "preprocess_ms", "encode_ms", "classify_ms"}
SITTING, FALLING = {"sitting": 0.75, "falling": 0.25}, {"sitting": 0.0, "falling": 1.0}
Said = TypeVar("Said", Prediction, Event)


@pytest.fixture(scope="module")
def tiny() -> Model:
    return load(ASSETS / "tiny-int8.tflite")


def told(command: RunCommand, *arguments: str | Path) -> list[dict[str, object]]:
    """What `har-edge run` writes, without the times that it took."""
    result = command("run", "--output-format", "jsonl", "--top-k", "99", *arguments)
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    lines = [line for line in lines if "status" not in line]  # how a file is read
    return [{name: line[name] for name in line.keys() - SPENT} for line in lines]


def said(results: Iterable[Prediction | Event]) -> list[dict[str, object]]:
    """The same of what the API gives."""
    rows = [r.as_dict(99) if isinstance(r, Prediction) else r.as_dict() for r in results]
    return [{name: row[name] for name in row.keys() - SPENT} for row in rows]


@pytest.fixture
def samples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the pictures and the clip of one person, named as seen from beside it.

    Where the samples themselves lie is not told, and the command may be of another installation.
    """
    monkeypatch.chdir(tmp_path)
    several = shutil.ignore_patterns(SEVERAL_PEOPLE)
    return Path(shutil.copytree(SAMPLES, tmp_path / "samples", ignore=several))


@pytest.mark.parametrize("model", ["har15", "clips"])
@pytest.mark.parametrize("name", [PICTURE.name, CLIP.name, ""])
def test_answers_are_those_of_the_command(
    name: str, model: str, har_edge: RunCommand, samples: Path
) -> None:
    source = samples / name
    expected = told(har_edge, source, "--model", model)
    assert len(expected) >= (1 if name == PICTURE.name else 10)
    assert said(load(model).recognize(source)) == expected


def test_options_mean_what_those_of_the_command_mean(har_edge: RunCommand, samples: Path) -> None:
    options = ("--smoothing", "0.2", "--score-threshold", "0.6", "--deny", "sleeping")
    expected = told(har_edge, samples, *options)
    assert {"unknown"} < {line["action"] for line in expected}
    for deny in (["sleeping"], "sleeping,"):
        found = load().recognize(samples, smoothing_s=0.2, score_threshold=0.6, deny=deny)
        assert said(found) == expected


def test_events_are_those_of_the_command(har_edge: RunCommand, samples: Path) -> None:
    options = ("--model", "clips", "--emit", "events", "--min-duration", "0.25")
    expected = told(har_edge, samples, *options)
    assert [line["event"] for line in expected] == ["action_started", "action_ended"]
    assert said(load("clips").events(samples, min_duration_s=0.25)) == expected


def test_a_short_source_has_one_answer(
    har_edge: RunCommand, make_video: MakeVideo, tiny: Model, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    path = make_video(count=10)
    expected = told(har_edge, path, "--model", tiny.loaded.path)
    assert [line["window_frames"] for line in expected] == [2]
    assert said(tiny.recognize(path)) == expected


@pytest.mark.parametrize("name", ["har15", "clips"])
def test_a_picture_in_any_form_has_the_same_answer(name: str, tmp_path: Path) -> None:
    from PIL import Image

    model = load(name)
    expected = model.classify(PICTURE)
    (line,) = model.recognize(PICTURE)
    assert np.array_equal(expected.probabilities, line.probabilities)
    with Image.open(PICTURE) as image:
        forms = [str(PICTURE), PICTURE.read_bytes(), load_image(PICTURE), image]
        answers = model.classify(forms)
    for answer in answers:
        assert np.array_equal(answer.probabilities, expected.probabilities)
        assert (answer.action, answer.rejected) == (expected.action, expected.rejected)


def test_a_picture_is_turned_as_a_viewer_turns_it(tiny: Model, tmp_path: Path) -> None:
    from PIL import Image

    path, exif = tmp_path / "turned.png", Image.Exif()
    exif[0x0112] = 6
    pixels = np.random.default_rng(0).integers(0, 256, (20, 40, 3), np.uint8)
    Image.fromarray(pixels).save(path, exif=exif)
    with Image.open(path) as image:
        answer = tiny.classify(image)
    assert np.array_equal(answer.probabilities, tiny.classify(path).probabilities)
    upright = tiny.classify(np.rot90(pixels, -1))
    assert np.array_equal(answer.probabilities, upright.probabilities)


def test_a_clip_has_one_answer_the_mean_of_its_windows() -> None:
    model = load("clips")
    answer = model.classify(CLIP)
    windows = list(model.recognize(CLIP, smoothing_s=0, score_threshold=0))
    mean = np.mean([p.probabilities for p in windows], axis=0)
    assert np.allclose(answer.probabilities, mean, atol=1e-6)
    assert (answer.frame, answer.timestamp_s) == (windows[-1].frame, windows[-1].timestamp_s)
    assert answer.decode_ms > windows[-1].decode_ms


def test_an_unsure_answer_is_unknown() -> None:
    model = Model(scripted_model([SITTING], reject_threshold=0.8))
    answer = model.classify(np.zeros((8, 8, 3), np.uint8))
    assert (answer.action, answer.confidence) == ("unknown", 0.75)


def test_what_cannot_be_looked_at_is_refused(tiny: Model, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="does not exist"):
        tiny.classify(tmp_path / "none.jpg")
    with pytest.raises(SourceError, match="is a folder"):
        tiny.classify(tmp_path)
    with pytest.raises(SourceError, match="not a picture"):
        tiny.classify(b"no picture")
    with pytest.raises(SourceError, match="has no end"):
        tiny.classify("camera:0")
    with pytest.raises(ShapeError, match="uint8"):
        tiny.classify(np.zeros((8, 8, 3), np.float32))  # type: ignore[type-var]
    with pytest.raises(ShapeError, match="height, width"):
        tiny.classify(np.zeros((8, 8), np.uint8))
    assert tiny.classify([]) == []


def test_lists_and_names_are_refused_before_anything_is_read(tiny: Model, tmp_path: Path) -> None:
    source = ScriptedSource(count=1)
    with pytest.raises(SpecError, match="'flying'"):
        tiny.recognize(source, allow=["flying"])
    with pytest.raises(SourceError, match="pictures or videos"):
        tiny.events(tmp_path)
    assert source.opened == 0


def test_a_source_that_breaks_off_tells_what_it_had() -> None:
    broken = SourceError("a.mp4 was cut short.")
    model = Model(scripted_model([SITTING], num_frames=4))
    found = []
    with pytest.raises(SourceError, match="cut short"):
        found += gather(model.recognize(ScriptedSource(count=2, error=broken)), found)
    assert [p.window_frames for p in found] == [2]
    events: list[Event] = []
    with pytest.raises(SourceError, match="cut short"):
        gather(model.events(ScriptedSource(count=20, error=broken)), events)
    assert [event.kind for event in events] == ["action_started", "action_ended"]


def gather(results: Iterable[Said], into: list[Said]) -> list[Said]:
    """Keep what comes before an error."""
    into.extend(results)
    return []


def test_nothing_spans_a_gap() -> None:
    model = Model(scripted_model([SITTING] * 8 + [FALLING]))
    source = ScriptedSource(count=20, gaps=[8])
    after = list(model.recognize(source))[8]
    assert after.probabilities.tolist() == [0.0, 1.0]  # not smoothed with what was before
    model = Model(scripted_model([SITTING] * 8 + [FALLING]))
    events = [(e.kind, e.action, e.number) for e in model.events(source)]
    assert events == [
        (kind, action, number)
        for number, action in ((1, "sitting"), (2, "falling"))
        for kind in ("action_started", "action_ended")
    ]


def test_a_source_is_stopped_on_an_error_too(tiny: Model) -> None:
    source = ScriptedSource(count=100, live=True)
    with suppress(ZeroDivisionError), source:
        for prediction in tiny.recognize(source):
            prediction.frame // 0
    assert (source.stopped.is_set(), source.opened, source.closed) == (True, 1, 1)
    assert list(tiny.recognize(source)) == []


def test_a_live_source_has_no_last_short_window() -> None:
    model = Model(scripted_model([SITTING], num_frames=4))
    assert list(model.recognize(ScriptedSource(count=2, live=True))) == []


def test_a_folder_is_loaded_by_what_stands_out(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="Received none"):
        load(tmp_path)
    shutil.copy(ASSETS / "tiny-float32.tflite", tmp_path)
    assert load(tmp_path).spec.variant == "float32"
    shutil.copy(ASSETS / "tiny-int8.tflite", tmp_path)
    assert load(str(tmp_path)).spec.variant == "int8"
    shutil.copy(ASSETS / "tiny-still-int8.tflite", tmp_path)
    with pytest.raises(ModelFileError, match=r"tiny-int8\.tflite, tiny-still-int8\.tflite"):
        load(tmp_path)


def test_a_bundled_name_is_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "clips").mkdir()
    assert load("clips").name == "clips"


def test_predictions_can_be_compared_and_kept_in_sets() -> None:
    one, other = (make_prediction(SITTING) for _ in range(2))
    assert one == one != other  # noqa: PLR0124
    assert len({one, other}) == 2


def test_a_folder_with_an_onnx_pair(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    for part in ("encode", "classify"):
        shutil.copy(ASSETS / f"tiny-onnx.{part}.onnx", tmp_path)
    assert load(tmp_path).spec.variant == "onnx"


def test_results_show_as_tables(tiny: Model) -> None:
    labels = {"<b>": 0.75, "sitting": 0.25}
    model = Model(scripted_model([labels]))
    answer = model.classify(np.zeros((8, 8, 3), np.uint8))
    assert "<td>&lt;b&gt;</td><td>75.0%</td>" in answer._repr_html_()
    assert str(answer) == "<b> 75%, 0:00.00 of picture"
    started, ended = model.events(ScriptedSource(count=9, name="<a>"))
    assert str(started) == "<b> began, 0:00.00 of <a>"
    assert str(ended) == "<b> ended after 0.8 s, 0:00.80 of <a>"
    assert "<caption>&lt;b&gt; ended" in ended._repr_html_()
    assert "<td>litert" in tiny._repr_html_()
    assert repr(tiny) == "<Model tiny: 3 actions, int8>"


def test_a_manual_clock_moves_by_what_is_waited() -> None:
    clock = ManualClock(3.0)
    clock.sleep(1.5)
    assert (clock(), clock.slept) == (4.5, [1.5])
