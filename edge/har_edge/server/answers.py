"""What an uploaded picture or clip shows, as the plain values that the server sends."""

from __future__ import annotations

import io
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from har_edge.config import RequestLimits
from har_edge.errors import SourceError
from har_edge.frames.decode import decode_image
from har_edge.frames.frame import Frame
from har_edge.frames.sampling import FrameSampler
from har_edge.model.loaded import LoadedModel
from har_edge.people.locate import PeopleParts
from har_edge.recognition.decide import Decider, Deciders
from har_edge.recognition.events import Event, EventTracker
from har_edge.recognition.look import Seen
from har_edge.recognition.people import new_looker
from har_edge.recognition.prediction import Prediction
from har_edge.recognition.whole import look_at, main_predictions, sum_up
from har_edge.server.told import make_timeline, tell_people
from har_edge.server.uploads import Upload
from har_edge.sources.files import VideoSource

# What the results of an upload name as their source: the file's own name is private.
SOURCE = "upload"
NO_PIXELS = np.zeros((0, 0, 3), np.uint8)
# Rates above this are slow-motion recordings; what claims more is no clip.
MAX_FRAME_RATE_HZ = 250
MAX_JPEG_SCANS = 100
# A scan's start; counted by a pattern in a third of the time that `bytes.count` takes.
JPEG_SCAN = re.compile(rb"\xff\xda")


@dataclass(frozen=True)
class Answering:
    """How uploads are answered.

    Attributes:
        new_decider: Makes what decides on the predictions of one clip.
        min_duration_s: How long an action of a clip must last to be one.
        limits: What an upload may cost.
        people: What finds people, to tell what each does; None for whole pictures.
        keypoints: Whether to list the keypoints of each.
    """

    new_decider: Callable[[], Decider]
    min_duration_s: float = 0.5
    limits: RequestLimits = field(default_factory=RequestLimits)
    people: PeopleParts | None = None
    keypoints: bool = False

    def answer(self, upload: Upload, top_k: int | None, model: LoadedModel) -> dict[str, object]:
        """Recognise an upload.

        Raises:
            SourceError: if it cannot be decoded, or is larger or longer than the limits say.
        """
        if upload.kind == "image":
            return self._answer_image(upload, top_k, model)
        # FFmpeg wants a name. It is ours, in a folder that only we can read, and goes at once.
        with tempfile.TemporaryDirectory(prefix="har-edge-") as folder:
            path = Path(folder) / f"clip.{upload.format.lower()}"
            with path.open("wb") as file:
                shutil.copyfileobj(upload.file, file, 2**20)
            try:
                return self._answer_clip(path, top_k, model)
            except SourceError as error:
                raise SourceError(str(error).replace(str(path), "The clip")) from error

    def _answer_image(
        self, upload: Upload, top_k: int | None, model: LoadedModel
    ) -> dict[str, object]:
        started = time.perf_counter()
        content = upload.file.read()
        # Each scan costs as much as decoding the picture once; editors write ten at most.
        if upload.format == "JPEG" and len(JPEG_SCAN.findall(content)) > MAX_JPEG_SCANS:
            raise SourceError(
                f"The picture should have at most {MAX_JPEG_SCANS} scans. Received more. Save "
                "it again in an image editor."
            )
        pixels = decode_image(
            io.BytesIO(content),
            "The picture",
            max_pixels=self.limits.max_pixels,
            formats=(upload.format,),
        )
        decode_ms = (time.perf_counter() - started) * 1e3
        frame = Frame(pixels, 0.0, 0, SOURCE, decode_ms)
        looker = new_looker(model, self.people, still=True)
        seen = list(look_at(looker, [frame]))
        raw = [prediction for each in seen for prediction in each.predictions]
        deciders = Deciders(self.new_decider)
        decided = [
            replace(each, predictions=tuple(map(deciders.decide, each.predictions)))
            for each in seen
        ]
        height, width = pixels.shape[:2]
        return {
            **self._main(raw, top_k),
            "source": {"kind": "image", "width": width, "height": height},
            **self._people(raw, decided, top_k),
        }

    def _answer_clip(self, path: Path, top_k: int | None, model: LoadedModel) -> dict[str, object]:
        source = VideoSource(path)
        self._check(source)
        seen = self._look_at_clip(source, model)
        raw = [prediction for each in seen for prediction in each.predictions]
        deciders, tracker = Deciders(self.new_decider), EventTracker(self.min_duration_s)
        events, decided = list[Event](), list[Seen]()
        for each in seen:
            for person in each.hidden:
                deciders.forget(person)
            for person in each.gone:
                events += tracker.end_person(SOURCE, person)
            said = tuple(map(deciders.decide, each.predictions))
            events += [event for prediction in said for event in tracker.add(prediction)]
            decided.append(replace(each, predictions=said))
        events += tracker.end_all()
        end_s = source.duration_s or raw[-1].timestamp_s
        main = main_predictions([p for each in decided for p in each.predictions])
        windowed = model.spec.clip.num_frames > 1
        return {
            **self._main(raw, top_k),
            "source": {"kind": "clip", "width": source.width, "height": source.height},
            "duration_s": round(end_s, 3),
            "num_frames": len({each.frame.index for each in seen}),
            "timeline": make_timeline(main, windowed, end_s),
            "events": [event.as_dict() for event in events if event.kind == "action_ended"],
            **self._people(raw, decided, top_k, windowed),
        }

    def _main(self, raw: Sequence[Prediction], top_k: int | None) -> dict[str, object]:
        """The single answer to all of an upload."""
        answer = sum_up(main_predictions(raw), self.new_decider())
        return answer.as_dict(top_k, by_stage=True, keypoints=self.keypoints)

    def _people(
        self,
        raw: Sequence[Prediction],
        decided: Sequence[Seen],
        top_k: int | None,
        windowed: bool = False,
    ) -> dict[str, object]:
        """What each person does, where people were looked for."""
        if self.people is None:
            return {}

        def answer(person: int) -> Prediction:
            return sum_up([p for p in raw if p.person == person], self.new_decider())

        told = tell_people(decided, answer, top_k, windowed=windowed, keypoints=self.keypoints)
        return {"people": told}

    def _check(self, source: VideoSource) -> None:
        limits = self.limits
        if source.width * source.height > limits.max_pixels:
            raise SourceError(
                f"{source.name} should have frames of at most {limits.max_pixels / 1e6:g} "
                f"megapixels. Received {source.width} x {source.height}. Make it smaller."
            )
        if source.duration_s is not None and source.duration_s > limits.max_clip_s:
            raise SourceError(
                f"{source.name} should last at most {limits.max_clip_s:g} s. Received "
                f"{source.duration_s:.1f} s. Cut it, or run: har-edge run FILE"
            )

    def _look_at_clip(self, source: VideoSource, model: LoadedModel) -> list[Seen]:
        """Look at a clip; pictures are let go at once."""
        frames = self._within_limits(source, model.spec.clip.frame_rate_hz)
        looker = new_looker(model, self.people)
        return [
            replace(seen, frame=replace(seen.frame, pixels=NO_PIXELS, resized=None))
            for seen in look_at(looker, frames)
        ]

    def _within_limits(self, source: VideoSource, frame_rate_hz: float) -> Iterator[Frame]:
        """The frames of a clip, as long as it is short enough and read soon enough."""
        limits = self.limits
        until_s = time.monotonic() + limits.request_timeout_s
        for frame in source.frames(FrameSampler(frame_rate_hz)):
            # What the file says about itself need not be true.
            too_long = frame.timestamp_s > limits.max_clip_s
            too_many = frame.index > limits.max_clip_s * MAX_FRAME_RATE_HZ
            if too_long or too_many or time.monotonic() > until_s:
                raise SourceError(
                    f"{source.name} should last at most {limits.max_clip_s:g} s and be read "
                    f"within {limits.request_timeout_s:g} s. It takes longer. Cut it, or run: "
                    "har-edge run FILE"
                )
            yield replace(frame, source=SOURCE)


def warm_up(model: LoadedModel) -> LoadedModel:
    """Do what is slow the first time, and give the model back: import decoders, plan buffers."""
    from PIL import Image

    Image.preinit()
    clip = model.spec.clip
    model.classify_clip(np.zeros((clip.num_frames, *clip.frame_shape), np.uint8))
    return model
