"""Teaching by a button: the next seconds of the live source become examples of an action."""

from __future__ import annotations

import threading
import time
from pathlib import Path

from har_edge.config import DecideConfig, FilePath
from har_edge.errors import DataError, HarError
from har_edge.files import check_writable
from har_edge.recognition.decide import pick_labels
from har_edge.recognition.taught import MIN_WINDOWS, NOTHING, Taught, report
from har_edge.recognition.taught_file import (
    changing,
    check_name,
    default_taught_path,
    model_checksum,
    packaged_background,
    read_taught,
    write_taught,
)
from har_edge.recognition.teachable import Lesson, TeachableModel
from har_edge.say import Say
from har_edge.sinks.base import Shot

# A source that gives no frames for so long, beside what is recorded, ends the lesson.
GRACE_S = 15.0
STEP_S = 0.1
UNWRITABLE = "Give another --taught FILE."
AFTER_A_START = "Uploads go by it once the server is started again."
CANCELLED = "It was cancelled; nothing was learned."


class RefusedError(Exception):
    """Why nothing can be taught at present."""


class Teacher:
    """Teaches the model of a live source from what the source shows.

    `see` is called on the thread of the run, the others on any.

    Args:
        model: What the run classifies with.
        path: File of taught actions; None for the user's own.
        decide: Which actions may be said.
        note: Takes lines for the user.
    """

    def __init__(
        self, model: TeachableModel, path: FilePath | None, decide: DecideConfig, note: Say
    ) -> None:
        self._model = model
        self._path = default_taught_path(model.base) if path is None else Path(path)
        self._decide = decide
        self._note = note
        self._lock = threading.Lock()
        self._lesson: Lesson | None = None
        self._cancelled = threading.Event()
        self._over = threading.Event()
        self._learned: Taught | None = None
        self._label: str | None = None
        self._state = "idle"
        self._detail = ""
        self._saving = False
        self._thread: threading.Thread | None = None

    def facts(self) -> dict[str, object]:
        """How far it is."""
        with self._lock:
            lesson = self._lesson
            return {
                "state": self._state,
                "label": self._label,
                "recorded_s": round(lesson.recorded_s, 2) if lesson else 0.0,
                "duration_s": lesson.duration_s if lesson else None,
                "windows": len(lesson.windows) if lesson else 0,
                "detail": self._detail,
            }

    def start(self, label: str, duration_s: float) -> dict[str, object]:
        """Begin to record.

        Raises:
            RefusedError: if it records already, or this model cannot be taught here.
            DataError: if the name cannot be taught, or the file of taught actions is damaged.
            OutputError: if that file cannot be written.
        """
        self._refuse_second()
        if self._thread is not None:  # it lets go of the file in a moment
            self._thread.join()
        base = self._model.base
        self._read()
        check_name(label, base)
        allowed = pick_labels(self._decide.allow, self._model.spec.labels)
        if label != NOTHING and allowed and label not in allowed:
            raise RefusedError(
                f"An action should be taught that may be reported. '{label}' is not in --allow "
                "of this server. Restart it without --allow."
            )
        check_writable(self._path, parents=True, advice=UNWRITABLE)
        lesson, over, cancelled = (
            Lesson(base.spec.clip.num_frames, duration_s),
            threading.Event(),
            threading.Event(),
        )
        work = (label, lesson, over, cancelled)
        with self._lock:
            self._refuse_second()
            self._lesson, self._over, self._cancelled = lesson, over, cancelled
            self._label, self._state, self._detail, self._saving = label, "recording", "", False
            self._thread = threading.Thread(target=self._teach, args=work, name="teach")
            self._thread.daemon = True
            self._thread.start()
        return self.facts()

    def _refuse_second(self) -> None:
        if self._state == "recording":
            raise RefusedError(
                f"One action can be taught at a time. '{self._label}' is being recorded. Wait for "
                "its end, or cancel it with DELETE /live/teach."
            )

    def cancel(self) -> dict[str, object]:
        """Stop recording and forget what was recorded; forget how the last lesson ended.

        What is being written already is learned.
        """
        with self._lock:
            if not self._saving:
                self._cancelled.set()
                self._state, self._label, self._detail, self._lesson = "idle", None, "", None
        return self.facts()

    def see(self, shot: Shot) -> None:
        """Take a frame of the run; take over what was learned, before the next."""
        with self._lock:
            if self._learned is not None:
                self._model.know(self._learned)
                self._learned = None
            lesson, over = self._lesson, self._over
            recording = self._state == "recording" and lesson is not None and not lesson.over
            heard = self._model.heard()
            was_listening, self._model.listening = self._model.listening, recording
            if lesson is not None and recording and was_listening:
                lesson.take(shot.frame, shot.people, heard)
                if lesson.over:
                    over.set()

    def _teach(
        self, label: str, lesson: Lesson, over: threading.Event, cancelled: threading.Event
    ) -> None:
        try:
            with changing(self._path):
                taught = self._read()
                _wait(lesson, over, cancelled)
                if len(lesson.windows) < MIN_WINDOWS:
                    raise DataError(
                        f"An action needs at least {MIN_WINDOWS} windows of "
                        f"{self._model.base.spec.clip.num_frames} frames. Received "
                        f"{len(lesson.windows)}. Record for longer, with somebody in view."
                    )
                with self._lock:
                    if cancelled.is_set():
                        return
                    self._saving = True
                taught = taught.with_action(label, lesson.stacked())
                write_taught(self._model.base, taught, self._path)
                said = f"{report(taught, label)} {AFTER_A_START}"
            with self._lock:
                self._learned, self._saving = taught, False
                self._state, self._detail = "done", said
            self._note(said)
        except (HarError, RefusedError) as error:
            self._fail(str(error), cancelled)
        except Exception:
            self._fail("The server failed to teach it; see its output. Try again.", cancelled)
            raise

    def _fail(self, detail: str, cancelled: threading.Event) -> None:
        with self._lock:
            self._saving = False
            if not cancelled.is_set():
                self._state, self._detail = "failed", detail

    def _read(self) -> Taught:
        """What is taught now, or the background to begin with."""
        base = self._model.base
        if self._path.exists():
            return read_taught(base, self._path)
        background = packaged_background(base)
        if background is None:
            raise RefusedError(
                f"To be taught, {base.spec.name} needs examples of other scenes. This model comes "
                "without any. Teach it once with har-edge teach --background FOLDER --taught FILE, "
                "and start the server with that file."
            )
        return Taught(model_checksum(base), background)


def _wait(lesson: Lesson, over: threading.Event, cancelled: threading.Event) -> None:
    """Wait until a lesson is over.

    Raises:
        DataError: if it was cancelled, or the source gives no frames any more.
    """
    last, since_s = -1.0, time.monotonic()
    while not over.wait(STEP_S):
        if cancelled.is_set():
            raise DataError(CANCELLED)
        if lesson.recorded_s != last:
            last, since_s = lesson.recorded_s, time.monotonic()
        if time.monotonic() - since_s > GRACE_S:
            raise DataError(
                f"The live source should give {lesson.duration_s:g} s to learn from. Received "
                f"{lesson.recorded_s:.1f} s, and nothing for {GRACE_S:g} s. Check the camera, and "
                "try again."
            )
