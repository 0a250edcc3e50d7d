"""What is done to a frame ahead of the run, on the thread that read it."""

from __future__ import annotations

import threading

from har_edge.frames.frame import Frame
from har_edge.model.loaded import LoadedModel, load_model
from har_edge.people.locate import PeopleParts, locate_ahead
from har_edge.recognition.recognizer import encode_ahead, resize_ahead
from har_edge.sources.base import FrameSource


class Ahead:
    """What is done to a frame on the thread that read it: resize it, encode it if it may.

    Interpreters cannot be shared, so each thread loads one of its own. On several frames at
    once they get more done than one interpreter of several threads, which wait for each other
    in every layer.
    """

    def __init__(self, model: LoadedModel, *, encodes_videos: bool, keeps_pixels: bool) -> None:
        self._model = model
        self._encodes_videos = encodes_videos
        self._keeps_pixels = keeps_pixels
        self._of_thread = threading.local()

    def __call__(self, frame: Frame, source: FrameSource) -> Frame:
        frame = resize_ahead(frame, self._model.spec.clip, keep_pixels=self._keeps_pixels)
        # For a single picture, loading a second interpreter would take longer than encoding it.
        if not self._encodes_videos or source.live or source.duration_s is None:
            return frame
        if not hasattr(self._of_thread, "model"):
            self._of_thread.model = load_model(
                self._model.path, backend=self._model.backend.name, num_threads=1
            )
        return encode_ahead(frame, self._of_thread.model)


class LocateAhead:
    """Looks for people on the thread that read the frame, where it is a video's turn.

    Frames of live sources are looked at when they are taken: those that give way to newer ones
    would be looked at in vain.

    Args:
        people: What finds them, and in how many frames.
    """

    def __init__(self, people: PeopleParts) -> None:
        self._people = people

    def __call__(self, frame: Frame, source: FrameSource) -> Frame:
        is_video = not source.live and source.duration_s is not None
        if not is_video or frame.number % self._people.rule.locate_every:
            return frame
        return locate_ahead(frame, self._people.locator)
