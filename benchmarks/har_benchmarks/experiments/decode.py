"""From a video to tensors: PyAV beside OpenCV, in turns; and whether both give the same.

    har-bench experiment decode [--rounds N] [--out JSON]
    har-bench experiment decode --same DIR [--max-files N] [--out JSON [--resume]]

The videos are the bundled sample, enlarged and repeated, in six forms. Each is opened, decoded,
sampled and resized to the model's size in one process, by both decoders in turns: at 8 Hz, as a
clip model takes frames, and every frame. `ratio_least` is made of the least processor time that
each picture took in any round: other work on the machine hardly touches it. Memory is the peak of
a process of its own that reads the video once. `--same` reads all videos below a folder and
compares each frame's time and tensor; in parts, if that takes too long at once: `--resume` goes on
where the file that it writes ends.
"""

from __future__ import annotations

import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from itertools import pairwise
from pathlib import Path
from statistics import geometric_mean, median
from typing import NamedTuple

import click

from har_benchmarks.experiments.decode_same import Comparison, compare
from har_benchmarks.experiments.result import SAMPLE, resident_mb, write_result
from har_benchmarks.experiments.turns import in_turns
from har_benchmarks.results.document import to_json
from har_edge.arrays import Pixels
from har_edge.commands.harness import note
from har_edge.files import write_whole
from har_edge.frames.ffmpeg import import_av
from har_edge.frames.opencv import import_cv2, rgb_to_bgr
from har_edge.frames.preprocess import resize_frame
from har_edge.frames.sampling import FrameSampler
from har_edge.machine.facts import machine_facts
from har_edge.model.file import read_model_file, resolve_model
from har_edge.model.spec import ClipSpec
from har_edge.sources.files import VideoSource
from har_edge.sources.videos.base import Picture, VideoReader
from har_edge.sources.videos.opencv import OpenCvVideo
from har_edge.sources.videos.pyav import AvVideo

RATE_HZ = 25
EVERY_FRAME_HZ = 1000.0
DECODERS: dict[str, Callable[[str, str], VideoReader]] = {"opencv": OpenCvVideo, "pyav": AvVideo}


@dataclass(frozen=True)
class Form:
    """A kind of video: encoder, ending, size and number of frames."""

    codec: str
    ending: str
    size: tuple[int, int]
    frames: int
    options: tuple[tuple[str, str], ...] = ()


X265_QUIET = (("preset", "ultrafast"), ("x265-params", "log-level=none"))
FORMS = {
    "H.264, 320 x 240": Form("libx264", "mp4", (320, 240), 250),
    "H.264, 640 x 480": Form("libx264", "mp4", (640, 480), 150),
    "H.264, 1920 x 1080": Form("libx264", "mp4", (1920, 1080), 50),
    "H.264, 3840 x 2160": Form("libx264", "mp4", (3840, 2160), 25),
    "MPEG-4, 640 x 480": Form("mpeg4", "avi", (640, 480), 150, (("qscale", "4"),)),
    "HEVC, 640 x 480": Form("libx265", "mp4", (640, 480), 150, X265_QUIET),
    "Motion JPEG, 640 x 480": Form("mjpeg", "avi", (640, 480), 150),
}


def sample_pictures(size: tuple[int, int], count: int) -> Iterator[Pixels]:
    """The bundled sample's frames, enlarged, over and over: BGR, (H, W, 3), uint8."""
    cv2 = import_cv2()
    frames = [rgb_to_bgr(f.pixels) for f in VideoSource(SAMPLE).frames(FrameSampler(1000.0))]
    for number in range(count):
        yield cv2.resize(frames[number % len(frames)], size)


def make_video(form: Form, folder: Path) -> Path:
    """Encode a video of a form, with the encoder's own settings where none are said."""
    av = import_av()
    path = folder / f"video.{form.ending}"
    with av.open(str(path), "w") as container:
        stream = container.add_stream(form.codec, rate=RATE_HZ, options=dict(form.options))
        stream.width, stream.height = form.size
        stream.pix_fmt = "yuvj420p" if form.codec == "mjpeg" else "yuv420p"
        if form.codec != "libx264":
            stream.codec_context.bit_rate = 4_000_000
        for number, picture in enumerate(sample_pictures(form.size, form.frames)):
            frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
            frame.pts, frame.time_base = number, Fraction(1, RATE_HZ)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def pictures_of(decoder: str, path: Path, rate_hz: float) -> Generator[Picture, None, None]:
    """Read a video with a decoder."""
    reader = DECODERS[decoder](str(path), path.name)
    try:
        reader.facts()
        yield from reader.pictures(FrameSampler(rate_hz))
    finally:
        reader.close()


class Spent(NamedTuple):
    """Time that a video took, in ms: by the clock, of the processor, and this for each picture."""

    wall: float
    cpu: float
    pictures: list[float]


def read(decoder: str, path: Path, rate_hz: float, clip: ClipSpec) -> Spent:
    """Make tensors of a video."""
    wall_s, cpu_s = time.perf_counter(), [time.process_time()]
    for picture in pictures_of(decoder, path, rate_hz):
        resize_frame(picture.pixels, clip)
        cpu_s.append(time.process_time())
    cpu_s.append(time.process_time())
    pictures = [(after - before) * 1e3 for before, after in pairwise(cpu_s)]
    return Spent((time.perf_counter() - wall_s) * 1e3, sum(pictures), pictures)


def least_ms(rounds: Sequence[Spent]) -> float:
    """Sum of the least processor time of each picture in any round."""
    each = zip(*(spent.pictures for spent in rounds), strict=True)
    return float(sum(min(times_ms) for times_ms in each))


def peak_mb(decoder: str, path: Path, clip: ClipSpec) -> float:
    """Peak memory of a process that reads a video once."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_read_and_weigh, (decoder, path, clip))


def _read_and_weigh(decoder: str, path: Path, clip: ClipSpec) -> float:
    import_cv2().setNumThreads(1)
    read(decoder, path, EVERY_FRAME_HZ, clip)
    return resident_mb(os.getpid(), "VmHWM")


def measure(name: str, form: Form, clip: ClipSpec, rounds: int) -> list[dict[str, object]]:
    """Measure a form, at 8 Hz and every frame."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        path = make_video(form, Path(folder))
        peaks = {
            f"{decoder}_peak_mb": round(peak_mb(decoder, path, clip), 1) for decoder in DECODERS
        }
        for rate_hz in (8.0, EVERY_FRAME_HZ):
            ways = {decoder: partial(read, decoder, path, rate_hz, clip) for decoder in DECODERS}
            found = in_turns(ways, rounds)
            row: dict[str, object] = {"form": name, "frames": form.frames}
            row["taken"] = "8 Hz" if rate_hz == 8.0 else "every frame"
            for figure in ("wall", "cpu"):
                times = {d: [getattr(spent, figure) for spent in found[d]] for d in DECODERS}
                row |= {f"{d}_{figure}_ms": round(median(ms), 1) for d, ms in times.items()}
                ratios = [b / a for a, b in zip(times["opencv"], times["pyav"], strict=True)]
                row[f"ratio_{figure}"] = round(median(ratios), 3)
            least = {decoder: least_ms(found[decoder]) for decoder in DECODERS}
            row["ratio_least"] = round(least["pyav"] / least["opencv"], 3)
            rows.append(row | peaks)
            note(
                f"{name}, {row['taken']}: PyAV / OpenCV {row['ratio_wall']} (processor "
                f"{row['ratio_cpu']}, at least {row['ratio_least']}), "
                f"{peaks['pyav_peak_mb']} MB and {peaks['opencv_peak_mb']}"
            )
    return rows


def compare_all(
    folder: Path,
    clip: ClipSpec,
    facts: dict[str, object],
    out: str | None,
    max_files: int | None,
    *,
    resume: bool,
) -> dict[str, object]:
    """Compare the videos of a folder; what was found is written now and then, behind `facts`."""

    def keep(found: dict[str, object]) -> None:
        if out not in (None, "-"):
            write_whole(Path(str(out)), to_json({**facts, **found}))

    before = Comparison.resume(str(out), folder) if resume else Comparison()
    old, new = (partial(pictures_of, decoder, rate_hz=EVERY_FRAME_HZ) for decoder in DECODERS)
    return compare(folder, clip, (old, new), before, max_files=max_files, keep=keep)


@click.command()
@click.option("--model", default="clips", show_default=True, help="Whose size frames get.")
@click.option("--rounds", type=click.IntRange(min=1), default=9, show_default=True)
@click.option(
    "--same",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="Compare the tensors of all videos in a folder instead.",
)
@click.option(
    "--max-files", type=click.IntRange(min=1), help="With --same: compare so many files at most."
)
@click.option("--resume", is_flag=True, help="With --same: leave out the files that -o lists.")
@click.option("-o", "--out", metavar="FILE", help="Write the result to this file, as JSON.")
def command(
    model: str, rounds: int, same: Path | None, max_files: int | None, resume: bool, out: str | None
) -> None:
    """Compare PyAV with OpenCV, from a video to tensors: time, memory, or every frame.

    \b
    Example:
      har-bench experiment decode --rounds 9 --out decode.json
      har-bench experiment decode --same data/ --max-files 100 --resume --out decode-same.json
    """
    import_cv2().setNumThreads(1)  # as har-edge run does
    clip = read_model_file(resolve_model(model)).spec.clip
    facts: dict[str, object] = {"machine": machine_facts()}
    if resume and (same is None or out in (None, "-")):
        raise click.UsageError("--resume needs --same DIR and the FILE of -o.")
    if same is not None:
        facts["what"] = "each frame's time and tensor, PyAV beside OpenCV"
        facts |= compare_all(same, clip, facts, out, max_files, resume=resume)
    else:
        rows = [row for name, form in FORMS.items() for row in measure(name, form, clip, rounds)]
        overall = {
            figure: round(geometric_mean(float(str(row[f"ratio_{figure}"])) for row in rows), 3)
            for figure in ("wall", "cpu", "least")
        }
        note(
            f"all together: {overall['wall']} (processor {overall['cpu']}, at least "
            f"{overall['least']})"
        )
        facts |= {
            "what": "video to tensors, PyAV beside OpenCV in turns; medians, ratios by round",
            "rounds": rounds,
            "ratio_of_all": overall,
            "rows": rows,
        }
    write_result(facts, out)
