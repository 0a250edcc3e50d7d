"""From frames to what each person does: locate, track, cut out, encode, classify a window each.

Streaming is exact for a person as it is for a picture: each crop is encoded once, and a person's
window shares nothing with the one before it, nor with anybody else's, but feature vectors.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from har_edge.arrays import FloatArray
from har_edge.errors import ModelFileError
from har_edge.frames.frame import Frame, Person
from har_edge.model.loaded import LoadedModel
from har_edge.model.spec import ModelSpec
from har_edge.people.choose import PeopleRule
from har_edge.people.follow import Follower, person_crop
from har_edge.people.locate import Locator, PeopleParts
from har_edge.recognition.head_row import head_row
from har_edge.recognition.look import Looker, Seen, nobody_in, prediction_for
from har_edge.recognition.motion import MotionGate
from har_edge.recognition.prediction import Prediction
from har_edge.recognition.recognizer import Recognizer, WholePicture
from har_edge.recognition.window import Window


def check_view(spec: ModelSpec, people: PeopleParts | None) -> None:
    """Check that a model gets what it was made for.

    Raises:
        ModelFileError: if it needs to know where people are, and nothing finds them; or their
            joints, and only boxes are found.
        BackendError: if what finds people does not load.
    """
    if not spec.needs_people:
        return
    needs = (
        f"{spec.name} recognises people by {' and '.join(spec.head_inputs)}, so that they have to "
        "be found first"
    )
    if people is None:
        raise ModelFileError(
            f"{needs}. Received nothing that finds them. Give --people FILE, and leave "
            "--whole-picture out."
        )
    if "pose" in spec.head_inputs and not people.locator.gives_keypoints:
        raise ModelFileError(
            f"{needs}, with their keypoints. Received {people.locator.name}, which gives boxes "
            "alone. Leave --people out for the bundled network, or add --pose FILE."
        )


def new_looker(
    model: LoadedModel,
    people: PeopleParts | None,
    *,
    still: bool = False,
    new_gate: Callable[[], MotionGate] | None = None,
) -> Looker:
    """Make what looks at one source, on the thread that will use it.

    Args:
        model: What encodes and classifies.
        people: What finds people; None for whole pictures.
        still: Whether the source is a still: what it shows besides people is half of what it says,
            so that the whole of it is classified, too, if the model can do without people.
        new_gate: Makes motion gates; None for none.

    Raises:
        ModelFileError: if the model needs people and nothing finds them.
    """
    check_view(model.spec, people)
    if people is None:
        return WholePicture(Recognizer(model, new_gate() if new_gate else None))
    whole = Recognizer(model) if still and not model.spec.needs_people else None
    return PeopleRecognizer(
        model, people.locator, people.rule, new_gate=new_gate, whole=whole, still=still
    )


# A model of poses answers once it has seen a window's so many-th part of somebody.
EARLY = 4


class _Followed:
    """A person who is looked at: the window, and the frame whose features came last."""

    def __init__(self, window: Window, gate: MotionGate | None) -> None:
        self.window = window
        self.gate = gate
        self.features: FloatArray | None = None
        self.encoded_frame = 0
        self.before: tuple[Person, float] | None = None
        self.seen = 0
        self.last: Prediction | None = None
        self.answered = False


class PeopleRecognizer:
    """Classifies each person of one source with a ring of the last T feature vectors.

    Args:
        model: What encodes crops and classifies windows.
        locator: What finds people in frames that were not looked at ahead.
        rule: How often, and how many.
        new_gate: Makes the motion gate of one person's crops; None to encode all of them.
        whole: Classifies the whole picture beside its people, as for stills; None for people alone.
        still: Whether the source is a still.
    """

    def __init__(
        self,
        model: LoadedModel,
        locator: Locator,
        rule: PeopleRule,
        *,
        new_gate: Callable[[], MotionGate] | None = None,
        whole: Recognizer | None = None,
        still: bool = False,
    ) -> None:
        self.model = model
        self._whole = whole
        self._new_gate = new_gate
        self._follower = Follower(locator, rule, still=still)
        self._followed: dict[int, _Followed] = {}
        num_frames = model.spec.clip.num_frames
        # Where people are lost and found anew as they fall, a whole window comes too late. A row
        # of a pose is whole by itself, and such models learn from windows that were filled.
        self._least = num_frames if model.spec.encodes else max(1, num_frames // EARLY)
        self._skipped = 0
        self._answered = False

    @property
    def skipped(self) -> int:
        """Crops that motion gates spared the encoder."""
        return self._skipped

    def look(self, frame: Frame, *, predict: bool = True) -> Seen:
        """Take the next frame.

        Args:
            frame: RGB pixels of any size, located ahead or not; `timestamp_s` in the source's own
                time. After a gap all is begun anew, but numbers go on.
            predict: Whether predictions are wanted; without it the windows only move on.
        """
        view = self._follower.follow(frame)
        frame, people = view.frame, view.frame.people
        for number in view.dropped:
            self._followed.pop(number, None)
        predictions = [self._look_at(person, frame, predict=predict) for person in view.chosen]
        if people and self._whole is not None:
            predictions.insert(0, self._whole.push(frame, predict=predict))
        if not people and predict:
            predictions.append(nobody_in(frame))
        made = tuple(p for p in predictions if p is not None)
        return Seen(
            frame, made, tuple(sorted(view.dropped)), tuple(sorted(view.gone)), view.left_out
        )

    def finish(self) -> tuple[Prediction, ...]:
        """One prediction of each person in view whose window never was full, and of the picture.

        Who came in at the very end, after others were answered for, was not seen for long enough:
        without half a window of them nothing is said.
        """
        whole = None if self._whole is None else self._whole.flush()
        found = [] if whole is None else [whole]
        least = min(self._least, self.model.spec.clip.num_frames // 2) if self._answered else 1
        for number in sorted(self._followed):
            followed = self._followed[number]
            if followed.answered or followed.last is None or followed.seen < least:
                continue
            found.append(self._classify(followed, followed.last))
            followed.answered = True
        return tuple(found)

    def _look_at(self, person: Person, frame: Frame, *, predict: bool) -> Prediction | None:
        """Take one person's crop into the window; classify it if enough was seen."""
        assert person.id is not None
        followed = self._followed.get(person.id)
        if followed is None:
            spec = self.model.spec
            window = Window(spec.clip.num_frames, spec.row_size)
            followed = _Followed(window, self._new_gate() if self._new_gate else None)
            self._followed[person.id] = followed
        made = self._encode(person, frame, followed)
        followed.last = made
        if followed.seen < self._least or not predict:
            return None
        followed.answered = self._answered = True
        return self._classify(followed, made)

    def _encode(self, person: Person, frame: Frame, followed: _Followed) -> Prediction:
        """Take a person's crop and pose up; gives all of the prediction but its probabilities."""
        spec, now_s = self.model.spec, frame.timestamp_s
        rows, columns = frame.pixels.shape[:2]
        cost_ms = (0.0, 0.0)
        if "features" in spec.head_inputs:
            cost_ms = self._encode_crop(person, frame, followed)
        else:
            followed.encoded_frame = frame.index
        before, before_s = followed.before or (None, now_s)
        followed.before = person, now_s
        row = head_row(
            spec.head_inputs,
            followed.features,
            person,
            before=before,
            seconds=now_s - before_s,
            aspect=columns / rows,
        )
        followed.window.add(row)
        followed.seen += 1
        reused = followed.encoded_frame != frame.index
        return replace(
            prediction_for(frame, row, spec.labels),
            preprocess_ms=cost_ms[0],
            encode_ms=cost_ms[1],
            reused_frame=followed.encoded_frame if reused else None,
            person=person.id,
            box=person.box,
            keypoints=person.keypoints,
            located=person.located,
        )

    def _encode_crop(
        self, person: Person, frame: Frame, followed: _Followed
    ) -> tuple[float, float]:
        """Encode a person's crop, unless nothing moved in it; milliseconds for both steps."""
        started = time.perf_counter()
        spec = self.model.spec
        crop = person_crop(frame.pixels, person, spec.crop, spec.clip)
        preprocess_ms = (time.perf_counter() - started) * 1e3
        moved = followed.gate is None or followed.gate.needs_encoding(crop, frame.timestamp_s)
        if not moved and followed.features is not None:
            self._skipped += 1
            return preprocess_ms, 0.0
        started = time.perf_counter()
        followed.features = self.model.encode(crop)
        followed.encoded_frame = frame.index
        return preprocess_ms, (time.perf_counter() - started) * 1e3

    def _classify(self, followed: _Followed, made: Prediction) -> Prediction:
        started = time.perf_counter()
        probabilities = self.model.classify(followed.window.filled())
        classify_ms = (time.perf_counter() - started) * 1e3
        return replace(
            made,
            probabilities=probabilities,
            window_frames=min(followed.seen, followed.window.num_frames),
            classify_ms=classify_ms,
        )
