"""The model of the Python API: actions in pictures, clips and any source.

The answers are those of `har-edge run` for the same input.
"""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, overload

import numpy as np

from har_edge.arrays import Pixels
from har_edge.config import PeopleConfig
from har_edge.counted import counted
from har_edge.errors import SourceError
from har_edge.frames.decode import decode_image, image_pixels
from har_edge.frames.frame import Frame
from har_edge.frames.sampling import FrameSampler
from har_edge.model.file import DEFAULT_MODEL
from har_edge.model.loaded import LoadedModel, load_model
from har_edge.model.spec import ModelSpec
from har_edge.notebook import html_table
from har_edge.paths import display_path
from har_edge.people.locate import PeopleParts
from har_edge.recognition.decide import Decider, Deciders
from har_edge.recognition.events import Event, EventTracker
from har_edge.recognition.finding import find_own_people
from har_edge.recognition.look import Seen
from har_edge.recognition.people import new_looker
from har_edge.recognition.prediction import Prediction
from har_edge.recognition.taught_file import load_taught
from har_edge.recognition.whole import look_at, main_predictions, sum_up
from har_edge.sources.base import FrameSource
from har_edge.sources.files import ImageSource
from har_edge.sources.names import expand_sources
from har_edge.sources.open import open_source

if TYPE_CHECKING:
    from PIL import Image

    Shown = str | os.PathLike[str] | bytes | Image.Image | Pixels
    AnyShown = TypeVar("AnyShown", bound=Shown)

AnySource = str | os.PathLike[str] | FrameSource


def load(
    model: str | os.PathLike[str] = DEFAULT_MODEL,
    *,
    backend: str = "auto",
    num_threads: int = 1,
    taught: str | os.PathLike[str] | None = None,
    people: str | os.PathLike[str] | PeopleConfig | None = None,
) -> Model:
    """Load a model.

    Args:
        model: The name of a bundled one (see `available_models`), a `.tflite` file, one of an
            ONNX pair, or a folder that holds one model, or one int8 `.tflite` file among others.
        backend: `auto`, `litert`, `tflite-runtime` or `onnxruntime`.
        num_threads: Threads of the runtime.
        taught: File of actions that `har-edge teach` wrote; None for the user's own, if any.
        people: A `.tflite` file of a network that finds people, to recognise each of them, or all
            that `har-edge run` can be told about it; None for the model's own, if it has one, or
            for the bundled one if the model recognises people by their poses.

    Raises:
        ModelFileError: if there is no such model, or a file is damaged or not what it should be.
        BackendError: if no runtime is installed, or it rejects the model.
        DataError: if the file of taught actions is missing, damaged or of another model.

    Example:
        >>> import har_edge
        >>> har_edge.load("clips").labels[:2]
        ('crawling', 'falling')
    """
    loaded = load_model(model, backend=backend, num_threads=num_threads)
    config = people if isinstance(people, PeopleConfig) else PeopleConfig(detector=people)
    parts = find_own_people(loaded, config)
    return Model(load_taught(loaded, taught), parts)


class Model:
    """A model that recognises what people do.

    Like the runtimes, it may be used by one thread at a time.

    Attributes:
        loaded: The model file in its runtime, for code that works on features or windows.
        people: What finds people, where each is recognised on their own; None for whole pictures.

    Example:
        >>> import har_edge
        >>> model = har_edge.load("har15")
        >>> answer = model.classify(har_edge.sample_path("lying.jpg"))
        >>> answer.action
        'sleeping'
        >>> answer.top(1) == [(answer.action, answer.confidence)]
        True
    """

    def __init__(self, loaded: LoadedModel, people: PeopleParts | None = None) -> None:
        self.loaded = loaded
        self.people = people

    @property
    def spec(self) -> ModelSpec:
        """What the model file says about itself."""
        return self.loaded.spec

    @property
    def name(self) -> str:
        """Short name of the model."""
        return self.spec.name

    @property
    def labels(self) -> tuple[str, ...]:
        """The actions that it knows, (C,)."""
        return self.spec.labels

    @overload
    def classify(self, shown: list[AnyShown]) -> list[Prediction]: ...

    @overload
    def classify(self, shown: Shown) -> Prediction: ...

    def classify(self, shown: Shown | list[AnyShown]) -> Prediction | list[Prediction]:
        """Recognise a picture or a clip, as a single prediction.

        A picture gets the prediction of `har-edge run`. A clip gets that of the server's
        `POST /predict`: the mean of the model's probabilities over all windows that `har-edge
        run` would classify, equally weighted and before smoothing; below the model's threshold it
        is `unknown`. `har-train evaluate` counts clips as correct by the same prediction. It
        refers to the clip's last frame. For what happens when, see `recognize`.

        Where people are told apart, it is that of the person who is in the clip for longest; of a
        picture, the mean of the whole and its largest person. Without anybody it is `nobody`.

        Args:
            shown: The path or URL of a picture or clip; the bytes of a picture; a Pillow image;
                RGB pixels, (H, W, 3), uint8. A list of these gives a list.

        Raises:
            SourceError: if it cannot be decoded, or has no end, as a camera.
            ShapeError: if an array is not (H, W, 3) uint8.

        Example:
            >>> import har_edge
            >>> model = har_edge.load("clips")
            >>> print(model.classify(har_edge.sample_path("falling.mp4")).action)
            falling
            >>> seated, lying = model.classify([har_edge.sample_path(name) for name in
            ...                                 ("seated.jpg", "lying.jpg")])
        """
        if isinstance(shown, list):
            return [self.classify(one) for one in shown]
        frames, still = _frames_of(shown, self.spec.clip.frame_rate_hz)
        with contextlib.closing(frames):
            looker = new_looker(self.loaded, self.people, still=still)
            found = [p for seen in look_at(looker, frames) for p in seen.predictions]
        return sum_up(main_predictions(found), Decider.for_spec(self.spec))

    def recognize(
        self,
        source: AnySource,
        *,
        allow: Iterable[str] = (),
        deny: Iterable[str] = (),
        smoothing_s: float = 0.5,
        score_threshold: float | None = None,
    ) -> Iterator[Prediction]:
        """Recognise what a source shows, window by window, as `har-edge run` does.

        Predictions are smoothed, and `unknown` if no action is probable enough. A source shorter
        than a window gives one prediction; no prediction spans a gap. Where people are told apart,
        each has predictions of their own, told by `Prediction.person`; a frame without anybody has
        one that says `nobody`.

        Args:
            source: A name that `open_source` accepts; a folder, a glob or a list of these, read
                one after the other; or an open source.
            allow: Actions that may be reported, as a list or as for `--allow`; none means all.
            deny: Actions that are never reported, likewise.
            smoothing_s: Time constant of the smoothing; 0 turns it off.
            score_threshold: Probability below which the action is `unknown`; the model's if None.

        Raises:
            SpecError: if a list names an action that the model does not know.
            SourceError: if a source cannot be read, or not to its end; predictions for what could
                be read come first.

        Example:
            >>> import har_edge
            >>> model = har_edge.load("clips")
            >>> for p in model.recognize(har_edge.sample_path("falling.mp4")):
            ...     last = f"{p.timestamp_s:.2f} {p.action}"
        """
        new_decider = self._new_decider(allow, deny, smoothing_s, score_threshold)
        sources = _open_all(source)
        return (
            prediction
            for opened in sources
            for seen in self._decided(opened, new_decider)
            for prediction in seen.by_number
        )

    def events(
        self,
        source: AnySource,
        *,
        allow: Iterable[str] = (),
        deny: Iterable[str] = (),
        min_duration_s: float = 0.5,
        smoothing_s: float = 0.5,
        score_threshold: float | None = None,
    ) -> Iterator[Event]:
        """Report which actions begin and end in a source, as `har-edge run --emit events` does.

        Args:
            source: As for `recognize`.
            allow: Actions that may be reported, as a list or as for `--allow`; none means all.
            deny: Actions that are never reported, likewise.
            min_duration_s: How long an action must last to be reported, and be absent to end.
            smoothing_s: Time constant of the smoothing; 0 turns it off.
            score_threshold: Probability below which the action is `unknown`; the model's if None.

        Raises:
            SpecError: if a list names an action that the model does not know.
            SourceError: if a source cannot be read, or not to its end; actions in progress are
                ended first.

        Example:
            >>> import har_edge
            >>> model = har_edge.load("clips")
            >>> with har_edge.open_source(har_edge.sample_path("falling.mp4")) as source:
            ...     events = list(model.events(source, allow=["falling"]))
            >>> [event.kind for event in events]
            ['action_started', 'action_ended']
        """
        new_decider = self._new_decider(allow, deny, smoothing_s, score_threshold)
        sources, tracker = _open_all(source), EventTracker(min_duration_s)
        return (
            event for opened in sources for event in self._tracked(opened, new_decider, tracker)
        )

    def _new_decider(
        self,
        allow: Iterable[str],
        deny: Iterable[str],
        smoothing_s: float,
        score_threshold: float | None,
    ) -> Callable[[], Decider]:
        """Make what makes deciders; lists that do not fit are refused at once."""
        new_decider = partial(
            Decider.for_spec,
            self.spec,
            allow=(allow,) if isinstance(allow, str) else tuple(allow),
            deny=(deny,) if isinstance(deny, str) else tuple(deny),
            smoothing_s=smoothing_s,
            score_threshold=score_threshold,
        )
        new_decider()
        return new_decider

    def _decided(self, source: FrameSource, new_decider: Callable[[], Decider]) -> Iterator[Seen]:
        """Each frame of a source with the decided predictions for the windows that it ends."""
        sampler, deciders = FrameSampler(self.spec.clip.frame_rate_hz), Deciders(new_decider)
        looker = new_looker(self.loaded, self.people, still=isinstance(source, ImageSource))
        with contextlib.closing(source.frames(sampler)) as frames:
            for seen in look_at(looker, frames, live=source.live):
                if seen.frame.after_gap:
                    deciders.reset()
                for person in seen.hidden:
                    deciders.forget(person)
                yield replace(seen, predictions=tuple(map(deciders.decide, seen.predictions)))

    def _tracked(
        self, source: FrameSource, new_decider: Callable[[], Decider], tracker: EventTracker
    ) -> Iterator[Event]:
        try:
            for seen in self._decided(source, new_decider):
                if seen.frame.after_gap:
                    yield from tracker.end(source.name)
                for person in seen.gone:
                    yield from tracker.end_person(source.name, person)
                for prediction in seen.predictions:
                    yield from tracker.add(prediction)
        except SourceError:
            yield from tracker.end(source.name)
            raise
        yield from tracker.end(source.name)

    def __repr__(self) -> str:
        return f"<Model {self.name}: {counted(len(self.labels), 'action')}, {self.spec.variant}>"

    def _repr_html_(self) -> str:
        clip, backend = self.spec.clip, self.loaded.backend
        facts = {
            "actions": ", ".join(self.labels),
            "window": f"{counted(clip.num_frames, 'frame')} at {clip.frame_rate_hz:g} Hz",
            "variant": self.spec.variant,
            "size": f"{self.loaded.size_bytes / 1e6:.1f} MB",
            "backend": f"{backend.name} {backend.version}",
        }
        return html_table(self.name, ("field", "value"), facts.items())


def _open_all(source: AnySource) -> Iterable[FrameSource]:
    """Open what a name stands for, each when its turn comes; names are looked up at once."""
    if not isinstance(source, str | os.PathLike):
        return (source,)
    return map(open_source, expand_sources([os.fspath(source)]))


def _frames_of(shown: Shown, rate_hz: float) -> tuple[Generator[Frame, None, None], bool]:
    """The frames of a picture or a clip, and whether it is a picture."""
    if not isinstance(shown, str | os.PathLike):
        return (frame for frame in (Frame(_pixels_of(shown), 0.0, 0, "picture", 0.0),)), True
    if Path(shown).is_dir():
        raise SourceError(
            f"{display_path(shown)} is a folder. Expected a picture or a clip. Use recognize, "
            "or give a list of files."
        )
    source = open_source(shown)
    if source.live:
        raise SourceError(
            f"{source.name} has no end, so there is no single prediction for it. Expected a "
            "picture or a clip. Use recognize or events."
        )
    return source.frames(FrameSampler(rate_hz)), isinstance(source, ImageSource)


def _pixels_of(shown: bytes | Image.Image | Pixels) -> Pixels:
    if isinstance(shown, bytes):
        return decode_image(io.BytesIO(shown), "The picture")
    return shown if isinstance(shown, np.ndarray) else image_pixels(shown)
