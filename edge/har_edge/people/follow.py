"""Who is where from frame to frame, and whom to look at: locate, track, choose."""

from __future__ import annotations

from dataclasses import dataclass, replace

from har_edge.arrays import Pixels
from har_edge.frames.frame import Frame, Person
from har_edge.frames.preprocess import crop_box, cut_box, resize_frame
from har_edge.model.spec import ClipSpec, CropSpec
from har_edge.people.choose import Chooser, PeopleRule
from har_edge.people.locate import Locator, locate_ahead
from har_edge.people.track import Tracker


@dataclass(frozen=True)
class InView:
    """Who is in view in one frame.

    Attributes:
        frame: It, with all its people, who have numbers.
        chosen: Those who are looked at, the largest first.
        dropped: Numbers of those who were looked at before and are not now.
        gone: Numbers of those who will not be looked at again.
        left_out: How many others are in view.
    """

    frame: Frame
    chosen: tuple[Person, ...]
    dropped: frozenset[int]
    gone: frozenset[int]
    left_out: int


class Follower:
    """Follows the people of one source.

    Args:
        locator: What finds people in frames that were not looked at ahead.
        rule: How often, and how many.
        still: Whether the source is a still, which shows everybody only once.
    """

    def __init__(self, locator: Locator, rule: PeopleRule, *, still: bool = False) -> None:
        self._locator = locator
        self._rule = rule
        begin_score = locator.sure_score if still else locator.begin_score
        self._tracker = Tracker(locator.sure_score, begin_score)
        self._chooser = Chooser(rule.max_people)
        self._frames = 0

    def follow(self, frame: Frame) -> InView:
        """Take the next frame.

        Args:
            frame: RGB pixels of any size, located ahead or not; `timestamp_s` in the source's own
                time. After a gap all is begun anew, but numbers go on.
        """
        ended: tuple[int, ...] = ()
        if frame.after_gap:
            self._tracker.reset()
            ended = self._tracker.ended
            self._frames = 0
        before = set(self._chooser.chosen)
        people, frame = self._track(frame)
        chosen = self._chooser.choose(people)
        dropped = before - self._chooser.chosen
        in_view = {person.id for person in people}
        gone = {*ended, *self._tracker.ended, *(dropped & in_view)}
        return InView(
            frame, tuple(chosen), frozenset(dropped), frozenset(gone), self._chooser.left_out
        )

    def _track(self, frame: Frame) -> tuple[tuple[Person, ...], Frame]:
        """Find out who is where, and say so in the frame."""
        if frame.people is None and self._frames % self._rule.locate_every == 0:
            frame = locate_ahead(frame, self._locator)
        self._frames += 1
        now_s = frame.timestamp_s
        if frame.people is None:
            people = self._tracker.carry(now_s)
        else:
            people = self._tracker.update(frame.people, now_s)
        return people, replace(frame, people=people)


def person_crop(pixels: Pixels, person: Person, crop: CropSpec, clip: ClipSpec) -> Pixels:
    """Cut a person out of a picture, as a model sees them, (h, w, 3), uint8.

    Args:
        pixels: RGB, (H, W, 3), uint8.
        person: With a box in fractions of the picture.
        crop, clip: The model's rules.
    """
    cut = crop_box(person.box, (pixels.shape[0], pixels.shape[1]), crop)
    return resize_frame(cut_box(pixels, cut), clip)
