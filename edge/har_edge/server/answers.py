"""What an uploaded picture or clip shows, as the plain values that the server sends."""

from __future__ import annotations

import contextlib
import io
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from itertools import groupby, pairwise
from pathlib import Path

import numpy as np

from har_edge.config import RequestLimits
from har_edge.errors import SourceError
from har_edge.frames.decode import decode_image
from har_edge.frames.frame import Frame
from har_edge.frames.sampling import FrameSampler
from har_edge.model.loaded import LoadedModel
from har_edge.recognition.decide import Decider
from har_edge.recognition.events import EventTracker
from har_edge.recognition.prediction import Prediction
from har_edge.recognition.recognizer import Recognizer
from har_edge.recognition.whole import recognize_frames, sum_up
from har_edge.server.messages import Upload
from har_edge.sources.files import VideoSource

# What the results of an upload name as their source: the file's own name is private.
SOURCE = "upload"
TIMELINE_TOP_K = 5
# Rates above this are slow-motion recordings; what claims more is no clip.
MAX_FRAME_RATE_HZ = 250


def no_room(size_bytes: int) -> AbstractContextManager[None]:
    """Wait for nobody before so many bytes are taken."""
    return contextlib.nullcontext()


@dataclass(frozen=True)
class Answering:
    """How uploads are answered.

    Attributes:
        new_decider: Makes what decides on the predictions of one clip.
        min_duration_s: How long an action of a clip must last to be one.
        limits: What an upload may cost.
        room: Waits until a picture of so many bytes may be decoded, and ends with the block.
    """

    new_decider: Callable[[], Decider]
    min_duration_s: float = 0.5
    limits: RequestLimits = field(default_factory=RequestLimits)
    room: Callable[[int], AbstractContextManager[None]] = no_room

    def answer(self, upload: Upload, top_k: int | None, model: LoadedModel) -> dict[str, object]:
        """Recognise an upload.

        Raises:
            SourceError: if it cannot be decoded, or is larger or longer than the limits say.
        """
        if upload.kind == "image":
            return self._answer_image(upload, top_k, model)
        # FFmpeg wants a name: this one leads to a file that has none, and so leaves nothing behind.
        path = Path(f"/proc/self/fd/{upload.file.fileno()}")
        try:
            return self._answer_clip(path, top_k, model)
        except SourceError as error:
            raise SourceError(str(error).replace(str(path), "The clip")) from error

    def _answer_image(
        self, upload: Upload, top_k: int | None, model: LoadedModel
    ) -> dict[str, object]:
        started = time.perf_counter()
        pixels = decode_image(
            io.BytesIO(upload.file.read()),
            "The picture",
            max_pixels=self.limits.max_pixels,
            formats=(upload.format,),
            room=self.room,
        )
        decode_ms = (time.perf_counter() - started) * 1e3
        frame = Frame(pixels, 0.0, 0, SOURCE, decode_ms)
        raw = [p for _, p in recognize_frames(Recognizer(model), [frame]) if p is not None]
        height, width = pixels.shape[:2]
        return {
            **sum_up(raw, self.new_decider()).as_dict(top_k, by_stage=True),
            "source": {"kind": "image", "width": width, "height": height},
        }

    def _answer_clip(self, path: Path, top_k: int | None, model: LoadedModel) -> dict[str, object]:
        source = VideoSource(path)
        self._check(source)
        frames, raw = self._recognize_clip(source, model)
        decider, tracker = self.new_decider(), EventTracker(self.min_duration_s)
        decided = [decider.decide(prediction) for prediction in raw]
        events = [event for prediction in decided for event in tracker.add(prediction)]
        events += tracker.end_all()
        # Joined recordings last longer than the first of them says.
        end_s = max(source.duration_s or 0.0, raw[-1].timestamp_s)
        return {
            **sum_up(raw, self.new_decider()).as_dict(top_k, by_stage=True),
            "source": {"kind": "clip", "width": source.width, "height": source.height},
            "duration_s": round(end_s, 3),
            "num_frames": frames,
            "timeline": _timeline(decided, model.spec.clip.num_frames > 1, end_s),
            "events": [event.as_dict() for event in events if event.kind == "action_ended"],
        }

    def _check(self, source: VideoSource) -> None:
        limits = self.limits
        self._check_size(source.name, source.width, source.height)
        if source.duration_s is not None and source.duration_s > limits.max_clip_s:
            raise SourceError(
                f"{source.name} should last at most {limits.max_clip_s:g} s. Received "
                f"{source.duration_s:.1f} s. Cut it, or run: har-edge run FILE"
            )

    def _recognize_clip(
        self, source: VideoSource, model: LoadedModel
    ) -> tuple[int, list[Prediction]]:
        """Classify all windows of a clip; the number of frames that were taken comes first."""
        sampler = LimitedSampler(model.spec.clip.frame_rate_hz, self.limits, source.name)
        frames = (replace(frame, source=SOURCE) for frame in source.frames(sampler))
        predictions, indices = list[Prediction](), set[int]()
        for frame, prediction in recognize_frames(Recognizer(model), frames):
            self._check_size(source.name, *frame.pixels.shape[1::-1])
            indices.add(frame.index)
            if prediction is not None:
                predictions.append(prediction)
        return len(indices), predictions

    def _check_size(self, name: str, width: int, height: int) -> None:
        if width * height > self.limits.max_pixels:
            raise SourceError(
                f"{name} should have frames of at most {self.limits.max_pixels / 1e6:g} "
                f"megapixels. Received {width} x {height}. Make it smaller."
            )


class LimitedSampler(FrameSampler):
    """Sees every frame that is decoded, and ends a clip that has too many or takes too long.

    What a file says about itself need not be true, and time stamps are part of that: they may
    stand still, so that no frame is ever taken.
    """

    def __init__(self, frame_rate_hz: float, limits: RequestLimits, name: str) -> None:
        super().__init__(frame_rate_hz)
        self._limits = limits
        self._name = name
        self._seen = 0
        self._until_s = time.monotonic() + limits.request_timeout_s

    def takes(self, timestamp_s: float) -> bool:
        """Say whether a frame is wanted.

        Raises:
            SourceError: if the clip should have ended before it.
        """
        limits = self._limits
        self._seen += 1
        too_long = timestamp_s > limits.max_clip_s
        too_many = self._seen > min(limits.max_frames, limits.max_clip_s * MAX_FRAME_RATE_HZ)
        if too_long or too_many or time.monotonic() > self._until_s:
            raise SourceError(
                f"{self._name} should last at most {limits.max_clip_s:g} s, have at most "
                f"{limits.max_frames} frames and be read within {limits.request_timeout_s:g} s. "
                "It takes more. Cut it, or run: har-edge run FILE"
            )
        return super().takes(timestamp_s)


def warm_up(model: LoadedModel) -> LoadedModel:
    """Do what is slow the first time, and give the model back: import decoders, plan buffers."""
    from PIL import Image

    Image.preinit()
    clip = model.spec.clip
    model.classify_clip(np.zeros((clip.num_frames, *clip.frame_shape), np.uint8))
    return model


def _timeline(
    predictions: Sequence[Prediction], windowed: bool, end_s: float
) -> list[dict[str, object]]:
    """Join neighbours of the same action into spans that cover the clip.

    A still's prediction holds from its frame on, a window's until its last frame.
    """
    times = [p.timestamp_s for p in predictions]
    starts = [0.0, *times[:-1]] if windowed else [0.0, *times[1:]]
    spans = []
    for action, group in groupby(
        zip(starts, predictions, strict=True), key=lambda item: item[1].action
    ):
        members = list(group)
        mean = np.mean([p.probabilities for _, p in members], axis=0).astype(np.float32)
        said = replace(members[0][1], probabilities=mean).as_dict(TIMELINE_TOP_K)
        spans.append(
            {
                "start_s": round(members[0][0], 3),
                "end_s": round(end_s, 3),
                "action": action,
                "confidence": said["confidence"],
                "all_predictions": said["all_predictions"],
            }
        )
    for span, following in pairwise(spans):
        span["end_s"] = following["start_s"]
    return spans
