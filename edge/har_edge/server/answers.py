"""What an uploaded picture or clip shows, as the plain values that the server sends."""

from __future__ import annotations

import contextlib
import io
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np

from har_edge.config import RequestLimits
from har_edge.counted import counted
from har_edge.errors import SourceError
from har_edge.frames.decode import decode_image
from har_edge.frames.frame import Frame
from har_edge.frames.sampling import FrameSampler
from har_edge.media import HEAD_BYTES
from har_edge.model.loaded import LoadedModel
from har_edge.model.spec import ModelSpec
from har_edge.people.locate import PeopleParts
from har_edge.recognition.decide import Decider, Deciders
from har_edge.recognition.events import Event, EventTracker
from har_edge.recognition.look import Seen
from har_edge.recognition.people import new_looker
from har_edge.recognition.prediction import Prediction
from har_edge.recognition.whole import look_at, main_predictions, sum_up
from har_edge.server.animations import stated_size
from har_edge.server.messages import Upload
from har_edge.server.told import make_timeline, tell_people
from har_edge.sources.files import VideoSource

# What the results of an upload name as their source: the file's own name is private.
SOURCE = "upload"
NO_PIXELS = np.zeros((0, 0, 3), np.uint8)
# Rates above this are slow-motion recordings; what claims more is no clip.
MAX_FRAME_RATE_HZ = 250


def no_room(size_bytes: int) -> AbstractContextManager[None]:
    """Wait for nobody before so many bytes are taken."""
    return contextlib.nullcontext()


@dataclass(frozen=True)
class Answering:
    """How uploads are answered.

    Attributes:
        new_decider: Makes what decides on the predictions of one clip, for a model's spec.
        min_duration_s: How long an action of a clip must last to be one.
        limits: What an upload may cost.
        people: What finds people, to tell what each does; None for whole pictures.
        keypoints: Whether to list the keypoints of each.
        room: Waits until a picture of so many bytes may be decoded, and ends with the block.
    """

    new_decider: Callable[[ModelSpec], Decider]
    min_duration_s: float = 0.5
    limits: RequestLimits = field(default_factory=RequestLimits)
    people: PeopleParts | None = None
    keypoints: bool = False
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
            self._check_animation(upload)
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
        looker = new_looker(model, self.people, still=True)
        seen = list(look_at(looker, [frame]))
        raw = [prediction for each in seen for prediction in each.predictions]
        new_decider = partial(self.new_decider, model.spec)
        deciders = Deciders(new_decider)
        decided = [
            replace(each, predictions=tuple(map(deciders.decide, each.predictions)))
            for each in seen
        ]
        height, width = pixels.shape[:2]
        return {
            **self._main(raw, top_k, new_decider()),
            "model": model.spec.name,
            "source": {"kind": "image", "width": width, "height": height},
            **self._people(raw, decided, top_k, new_decider),
        }

    def _answer_clip(self, path: Path, top_k: int | None, model: LoadedModel) -> dict[str, object]:
        source = VideoSource(path, max_pixels=self.limits.max_pixels)
        self._check(source)
        seen = self._look_at_clip(source, model)
        raw = [prediction for each in seen for prediction in each.predictions]
        new_decider = partial(self.new_decider, model.spec)
        deciders, tracker = Deciders(new_decider), EventTracker(self.min_duration_s)
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
        # Joined recordings last longer than the first of them says.
        end_s = max(source.duration_s or 0.0, raw[-1].timestamp_s)
        main = main_predictions([p for each in decided for p in each.predictions])
        windowed = model.spec.clip.windowed
        return {
            **self._main(raw, top_k, new_decider()),
            "model": model.spec.name,
            "source": {"kind": "clip", "width": source.width, "height": source.height},
            "duration_s": round(end_s, 3),
            "num_frames": len({each.frame.index for each in seen}),
            "timeline": make_timeline(main, windowed, end_s),
            "events": [event.as_dict() for event in events if event.kind == "action_ended"],
            **self._people(raw, decided, top_k, new_decider, windowed=windowed),
        }

    def _main(
        self, raw: Sequence[Prediction], top_k: int | None, decider: Decider
    ) -> dict[str, object]:
        """The single answer to all of an upload."""
        answer = sum_up(main_predictions(raw), decider)
        return answer.as_dict(top_k, by_stage=True, keypoints=self.keypoints)

    def _people(
        self,
        raw: Sequence[Prediction],
        decided: Sequence[Seen],
        top_k: int | None,
        new_decider: Callable[[], Decider],
        *,
        windowed: bool = False,
    ) -> dict[str, object]:
        """What each person does, where people were looked for."""
        if self.people is None:
            return {}

        def answer(person: int) -> Prediction:
            return sum_up([p for p in raw if p.person == person], new_decider())

        told = tell_people(decided, answer, top_k, windowed=windowed, keypoints=self.keypoints)
        return {"people": told}

    def _check_animation(self, upload: Upload) -> None:
        self._check_size("The clip", *stated_size(upload.file.read(HEAD_BYTES), upload.format))

    def _check(self, source: VideoSource) -> None:
        limits = self.limits
        self._check_size(source.name, source.width, source.height)
        if source.duration_s is not None and source.duration_s > limits.max_clip_s:
            raise SourceError(
                f"{source.name} should last at most {limits.max_clip_s:g} s. Received "
                f"{source.duration_s:.1f} s. Cut it, or run: har-edge run FILE"
            )

    def _look_at_clip(self, source: VideoSource, model: LoadedModel) -> list[Seen]:
        """Look at a clip; pictures are let go at once."""
        sampler = LimitedSampler(model.spec.clip.frame_rate_hz, self.limits, source.name)
        frames = (replace(frame, source=SOURCE) for frame in source.frames(sampler))
        looker, found = new_looker(model, self.people), list[Seen]()
        for seen in look_at(looker, frames):
            self._check_size(source.name, *seen.frame.pixels.shape[1::-1])
            found.append(replace(seen, frame=replace(seen.frame, pixels=NO_PIXELS, resized=None)))
        return found

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
                f"{counted(limits.max_frames, 'frame')} and be read within "
                f"{limits.request_timeout_s:g} s. It takes more. Cut it, or run: har-edge run FILE"
            )
        return super().takes(timestamp_s)

    def passes_over(self, timestamp_s: float) -> bool:
        """Whether a frame need not be decoded; it counts all the same.

        Raises:
            SourceError: as `takes` does.
        """
        return super().passes_over(timestamp_s) and not self.takes(timestamp_s)


def warm_up(model: LoadedModel) -> LoadedModel:
    """Do what is slow the first time, and give the model back: import decoders, plan buffers."""
    from PIL import Image

    Image.preinit()
    spec = model.spec
    if spec.encodes:
        model.encode(np.zeros(spec.clip.frame_shape, np.uint8))
    model.classify(np.zeros((spec.clip.num_frames, spec.row_size), np.float32))
    return model
