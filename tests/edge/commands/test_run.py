"""`har-edge` as a user types it: processes, exit codes, streams."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import ASSETS, MakeVideo, RunCommand, moving_square, write_video

TINY = str(ASSETS / "tiny-int8.tflite")
FIELDS = {
    "source", "frame", "timestamp_s", "action", "confidence", "all_predictions", "window_frames",
    "latency_ms", "decode_ms", "preprocess_ms", "encode_ms", "classify_ms", "age_ms",
}  # fmt: skip


@pytest.mark.parametrize("model", ["har15", "clips"])
def test_demo_prints_actions_with_times(har_edge: RunCommand, model: str) -> None:
    result = har_edge("run", "--demo", "--model", model)
    assert result.returncode == 0, result.stderr
    assert "0:0" in result.stdout
    assert "falling.mp4" in result.stdout
    assert "frames/s, latency p50" in result.stderr


def test_json_lines(har_edge: RunCommand, make_video: MakeVideo) -> None:
    result = har_edge(
        "run", make_video(count=50), "--model", TINY, "--output-format", "jsonl", "--top-k", "2"
    )
    assert result.returncode == 0, result.stderr
    records = [json.loads(line) for line in result.stdout.splitlines()]
    # 2 s at 5 Hz are 10 frames, of which the fourth fills the first window.
    assert [r["frame"] for r in records] == [15, 20, 25, 30, 35, 40, 45]
    for record in records:
        assert record.keys() == FIELDS
        assert record["all_predictions"][0] == {k: record[k] for k in ("action", "confidence")}
        assert len(record["all_predictions"]) == 2
        assert record["timestamp_s"] == pytest.approx(record["frame"] / 25, abs=0.002)


def test_one_answer_a_file(har_edge: RunCommand, make_video: MakeVideo, tmp_path: Path) -> None:
    Image.new("RGB", (32, 24), "blue").save(tmp_path / "b.png")
    (tmp_path / "c.mp4").write_bytes(b"\0\0\0\x18ftypisom" + bytes(64))
    files = [make_video("a.mp4", count=50), make_video("short.mp4", count=3), "b.png", "c.mp4"]
    result = har_edge("run", *files, "--model", TINY, "--emit", "files", "--output-format", "jsonl")
    assert result.returncode == 1
    assert "file 4 of 4" in result.stderr
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [Path(row["source"]).name for row in rows] == ["a.mp4", "short.mp4", "b.png", "c.mp4"]
    assert [row["windows"] for row in rows] == [7, 1, 1, 0]
    assert sum(rows[0]["seconds"].values()) == pytest.approx(2.0, abs=0.01)
    assert rows[3]["action"] is None and "c.mp4" in rows[3]["error"]


def test_output_file_and_csv(har_edge: RunCommand, make_video: MakeVideo, tmp_path: Path) -> None:
    result = har_edge(
        "run", make_video(), "--model", TINY, "--output-format", "csv", "--output", "out.csv"
    )
    assert result.returncode == 0
    assert result.stdout == ""
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as file:
        assert len(list(csv.DictReader(file))) == 7


def test_limits(har_edge: RunCommand, make_video: MakeVideo) -> None:
    video = make_video()
    for limit in (("--max-frames", "6"), ("--duration", "1.05")):
        result = har_edge("run", video, "--model", TINY, "--output-format", "jsonl", *limit)
        assert result.returncode == 0
        assert len(result.stdout.splitlines()) == 3


def test_a_bad_file_does_not_stop_the_rest(
    har_edge: RunCommand, make_video: MakeVideo, tmp_path: Path
) -> None:
    make_video("a.mp4")
    (tmp_path / "b.mp4").write_text("text")
    (tmp_path / "c.jpg").write_bytes(b"\xff\xd8\xff\xe0 cut")
    Image.new("RGB", (1, 1), "red").save(tmp_path / "d.png")
    result = har_edge("run", ".", "--model", TINY, "--output-format", "jsonl")
    assert result.returncode == 1
    sources = {json.loads(line)["source"] for line in result.stdout.splitlines()}
    assert sources == {"a.mp4", "d.png"}
    assert "b.mp4 is not a video" in result.stderr
    assert "c.jpg" in result.stderr
    assert "2 of 4 sources" in result.stderr


def test_name_that_is_not_utf8(har_edge: RunCommand, make_video: MakeVideo, tmp_path: Path) -> None:
    raw = os.fsencode(tmp_path) + b"/caf\xe9.mp4"
    os.rename(make_video(), raw)  # noqa: PTH104
    result = har_edge("run", raw, "--model", TINY, "--output-format", "jsonl")
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout.splitlines()[0])["source"].endswith("caf\\xe9.mp4")


def test_slow_source_is_warned_about(har_edge: RunCommand, tmp_path: Path) -> None:
    video = write_video(tmp_path / "slow.mp4", moving_square(30), fps=2.0)
    result = har_edge("run", video, "--model", TINY)
    assert result.returncode == 0
    assert "about 2.0 frames/s" in result.stderr
    assert "trained at 5" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["gone.mp4"], "gone.mp4 does not exist"),
        (["empty"], "should contain pictures or videos"),
        (["empty/*.mp4"], "should match pictures or videos"),
        (["--camera", "97"], "Camera 97 cannot be opened"),
        (["--demo", "--model", "gone.tflite"], "no model gone.tflite"),
        (["--demo", "--model", "foreign.tflite"], "without a har-edge spec"),
        (["--demo", "--model", "cut.tflite"], "it was cut short"),
        (["--demo", "--output", "no/such/file"], "cannot be written"),
        (["--demo", "--output", "."], "cannot be written"),
    ],
)
def test_bad_input_is_refused(
    har_edge: RunCommand, tmp_path: Path, arguments: list[str], message: str
) -> None:
    (tmp_path / "empty").mkdir()
    content = Path(TINY).read_bytes()
    (tmp_path / "cut.tflite").write_bytes(content[:-300])
    (tmp_path / "foreign.tflite").write_bytes(content[: content.rindex(b"PK\x03\x04") - 1000])
    result = har_edge("run", *arguments)
    assert result.returncode == 1
    assert message in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize(
    "arguments", [[], ["--top-k", "0", "x.mp4"], ["--backend", "onnx", "x"], ["--no-such-option"]]
)
def test_usage_errors_exit_2(har_edge: RunCommand, arguments: list[str]) -> None:
    assert har_edge("run", *arguments).returncode == 2


def test_show_without_a_screen(har_edge: RunCommand) -> None:
    environment = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY")}
    result = har_edge("run", "--demo", "--show", env=environment)
    assert result.returncode == 1
    assert "needs a screen" in result.stderr


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_interrupted_runs_leave_whole_outputs(tmp_path: Path, number: int, code: int) -> None:
    video = write_video(tmp_path / "long.mp4", moving_square(250) * 40, fps=25.0)
    command = [sys.executable, "-m", "har_edge", "run", str(video), "--model", TINY]
    command += ["--output-format", "jsonl", "--output", "out.jsonl"]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        out = tmp_path / "out.jsonl"
        for _ in range(600):
            if out.exists() and out.stat().st_size > 0:
                break
            time.sleep(0.02)
        process.send_signal(number)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == code
    assert "predictions from" in errors  # the summary of what was done
    lines = out.read_text(encoding="utf-8").splitlines()
    assert 0 < len([json.loads(line) for line in lines]) < 1997


def test_reader_that_has_enough(tmp_path: Path, make_video: MakeVideo) -> None:
    """`har-edge run … | head -1` ends quietly."""
    command = f"{sys.executable} -m har_edge run {make_video(count=500)} --model {TINY} "
    result = subprocess.run(
        ["bash", "-c", command + "--output-format jsonl | head -1"],
        capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert len(result.stdout.splitlines()) == 1
    assert "Traceback" not in result.stderr
    assert "BrokenPipe" not in result.stderr


def test_a_reader_that_has_enough_is_no_error(make_video: MakeVideo) -> None:
    command = [sys.executable, "-m", "har_edge", "run", str(make_video(count=2000))]
    command += ["--model", str(TINY), "--output-format", "jsonl", "--smoothing", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline().startswith(b'{"source"')
        process.stdout.close()
        complaints = process.stderr.read().decode()
        assert process.wait(60) == 0, complaints
    assert "Traceback" not in complaints
    assert "Broken" not in complaints


def test_a_missing_camera_is_one_line(har_edge: RunCommand) -> None:
    result = har_edge("run", "--camera", "97", "--model", TINY)
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith("Error: Camera 97 cannot be opened: there is no /dev/video97.")


def test_watching_is_said_once(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    command = [sys.executable, "-m", "har_edge", "run", "--watch", "in", "--model", str(TINY)]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "Watching in for new files; press Ctrl-C to stop.\n"
        process.send_signal(signal.SIGINT)
        assert process.stderr.read() == ""
        assert process.wait(60) == 130
    missing = subprocess.run(
        [*command[:5], "gone"], check=False, cwd=tmp_path, capture_output=True, text=True
    )
    assert missing.returncode == 1
    assert (
        missing.stderr
        == "Error: gone should be a folder to watch. There is no such folder. Create it first.\n"
    )


def run_code(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    start = "sys.argv = ['har-edge', 'run', 'gone.mp4']; from har_edge.commands.main import main"
    command = [sys.executable, "-c", f"import atexit, sys, time; {code}; {start}; main()"]
    return subprocess.run(
        command, check=False, cwd=folder, capture_output=True, text=True, timeout=60
    )


def test_the_end_waits_for_nobody(tmp_path: Path) -> None:
    """What libraries do when a process ends may last for ever; ours is not theirs."""
    result = run_code("atexit.register(time.sleep, 300)", tmp_path)
    assert result.returncode == 1
    assert "gone.mp4 does not exist" in result.stderr


def test_the_end_loses_nothing(tmp_path: Path) -> None:
    code = "sys.stdout.write('not flushed'); atexit.register(print, ', registered', end='')"
    result = run_code(code, tmp_path)
    assert result.returncode == 1
    assert result.stdout == "not flushed, registered"


@pytest.mark.parametrize("option", ["--output", "--save-video", "--totals"])
def test_what_is_read_is_not_written_over(
    har_edge: RunCommand, make_video: MakeVideo, tmp_path: Path, option: str
) -> None:
    path = make_video()
    before = path.read_bytes()
    (tmp_path / "same.mp4").symlink_to(path)
    result = har_edge("run", path, "--model", TINY, option, tmp_path / "same.mp4")
    assert result.returncode == 1
    assert "would destroy it" in result.stderr
    assert path.read_bytes() == before


@pytest.mark.parametrize("option", ["--save-video", "--save-events"])
def test_videos_are_not_saved_where_new_ones_are_watched_for(
    har_edge: RunCommand, tmp_path: Path, option: str
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    result = har_edge("run", "--watch", folder, "--model", TINY, option, folder / "out")
    assert result.returncode == 1
    assert "is watched for new files" in result.stderr
    assert list(folder.iterdir()) == []


def test_what_is_passed_over_in_a_folder_is_said(
    har_edge: RunCommand, make_video: MakeVideo, tmp_path: Path
) -> None:
    (tmp_path / "data").mkdir()
    make_video("data/a.mp4")
    (tmp_path / "data" / "notes.txt").write_text("notes")
    (tmp_path / "data" / ".Trash-1000").mkdir()
    result = har_edge("run", str(tmp_path / "data"), "--model", TINY)
    assert result.returncode == 0
    assert "Skipped 1 file: 1 text; and what is in .Trash-1000" in result.stderr


def test_streams_that_are_closed_or_know_no_umlauts_give_no_traceback(
    make_video: MakeVideo, tmp_path: Path
) -> None:
    video = make_video("caf\u00e9.mp4")
    command = f"{sys.executable} -m har_edge run {video} --model {TINY}"
    ascii_only = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}

    def run(end: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command + end, shell=True, capture_output=True, text=True, env=ascii_only, check=False
        )

    closed = run(" >&-")
    assert closed.returncode == 1
    assert "Error: Standard output is closed" in closed.stderr
    silent, output = run(f" -o {tmp_path}/out.txt >&- 2>&-"), tmp_path / "out.txt"
    assert silent.returncode == 0
    assert output.read_text(encoding="utf-8").startswith(str(video))
    plain = run("")
    assert plain.returncode == 0, plain.stderr
    assert "caf\\xe9.mp4" in plain.stdout
    lines = run(" --output-format jsonl").stdout.splitlines()
    assert json.loads(lines[0])["source"] == str(video)


@pytest.mark.parametrize("option", ["--output", "--save-video", "--totals"])
def test_an_output_that_cannot_be_written_is_a_sentence(
    har_edge: RunCommand, make_video: MakeVideo, tmp_path: Path, option: str
) -> None:
    (tmp_path / "folder.mkv").mkdir()
    for place in ("folder.mkv", "gone/out.mkv"):
        result = har_edge("run", str(make_video()), "--model", TINY, option, str(tmp_path / place))
        assert result.returncode == 1
        assert "Error: " in result.stderr and "Traceback" not in result.stderr
        assert str(tmp_path / place) in result.stderr


def test_what_is_taught_can_be_written_or_is_refused_before_the_recording(
    har_edge: RunCommand, make_video: MakeVideo, tmp_path: Path
) -> None:
    place = tmp_path / "folder.npz"
    place.mkdir()
    result = har_edge("teach", "waving", str(tmp_path / "gone.mp4"), "--taught", str(place))
    assert result.returncode == 1
    assert f"Error: {place} cannot be written: Is a directory" in result.stderr


@pytest.mark.parametrize("words", [["--json"], ["--output-format", "json"]])
def test_json_of_a_run_is_lines(
    har_edge: RunCommand, make_video: MakeVideo, words: list[str]
) -> None:
    result = har_edge("run", make_video(count=25), "--model", TINY, *words)
    assert [json.loads(line)["source"] for line in result.stdout.splitlines()]


def test_the_model_suits_the_source_and_says_so(
    har_edge: RunCommand, make_video: MakeVideo, tmp_path: Path
) -> None:
    make_video("clip.mp4", count=60)
    Image.new("RGB", (64, 48), "grey").save(tmp_path / "photo.png")
    for sources, model in ((["clip.mp4"], "clips"), (["photo.png"], "har15")):
        result = har_edge("run", *sources, "--json")
        assert result.stderr.startswith(f"Model {model}, for "), result.stderr
        named = har_edge("run", *sources, "--json", "--model", model)
        assert "Model" not in named.stderr
        untimed = [[json.loads(line)["all_predictions"] for line in r.stdout.splitlines()]
                   for r in (result, named)]  # fmt: skip
        assert untimed[0] == untimed[1] != []


def test_of_pictures_and_videos_each_gets_its_model(
    har_edge: RunCommand, make_video: MakeVideo, tmp_path: Path
) -> None:
    make_video("clip.mp4", count=60)
    Image.new("RGB", (64, 48), "grey").save(tmp_path / "photo.png")
    (tmp_path / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\nno more")

    def rows(*words: str) -> dict[str, list[object]]:
        result = har_edge("run", *words, "--json")
        found: dict[str, list[object]] = {}
        for line in result.stdout.splitlines():
            record = json.loads(line)
            found.setdefault(record["source"], []).append(record["all_predictions"])
        return found

    both = har_edge("run", "clip.mp4", "photo.png", "bad.png", "--emit", "files")
    said = "Models har15, for 2 pictures, and clips, for 1 video or camera. For one, give -m;"
    assert both.stderr.startswith(said)
    assert both.returncode == 1
    assert "1 of 3 sources could not be read in full" in both.stderr
    assert "file 3 of 3" in both.stderr
    assert both.stderr.count("latency p50") == 1  # one summary of it all
    alone = {**rows("photo.png", "-m", "har15"), **rows("clip.mp4", "-m", "clips")}
    assert rows("clip.mp4", "photo.png") == alone
    # What is about the actions of one model is for one model.
    one = har_edge("run", "clip.mp4", "photo.png", "--allow", "sitting")
    assert "pictures and videos together" in one.stderr
    assert one.returncode == 0
    # A limit of the whole run ends it before the second model's turn.
    assert set(rows("clip.mp4", "photo.png", "--max-frames", "1")) == {"photo.png"}


def test_a_folder_stands_for_its_int8_file(
    har_edge: RunCommand, make_video: MakeVideo, tmp_path: Path
) -> None:
    folder = tmp_path / "models" / "mine"
    folder.mkdir(parents=True)
    for variant in ("int8", "float32"):
        (folder / f"tiny-{variant}.tflite").write_bytes(
            (ASSETS / f"tiny-{variant}.tflite").read_bytes()
        )
    result = har_edge("run", make_video(count=25), "-m", "models/mine")
    assert result.returncode == 0, result.stderr
    assert json.loads(har_edge("info", "models/mine", "--json").stdout)["variant"] == "int8"
