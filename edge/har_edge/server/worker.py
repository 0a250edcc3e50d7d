"""The processes that look into uploads: one that has the model loaded, and its copies that work.

    python -m har_edge.server.worker DESCRIPTOR

The first process, the nursery, loads all that a worker needs, and then forks one whenever the
server asks for one. So a worker shares its memory with the others, and is there within some
milliseconds: what hangs, crashes or grows in native code costs one process, and nobody else.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import gc
import os
import resource
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple, NoReturn, TypeVar, cast

from har_edge.children import end_with_parent, offer_memory
from har_edge.config import DecideConfig, ModelConfig, PeopleConfig, RequestLimits
from har_edge.errors import HarError, SourceError
from har_edge.server.choice import suited
from har_edge.server.messages import Kind, Upload, nameless_file, receive, send, spell_answer
from har_edge.settings import Settings

if TYPE_CHECKING:
    from har_edge.model.loaded import LoadedModel
    from har_edge.people.locate import PeopleParts

Group = TypeVar("Group", bound=Settings)

# M_TRIM_THRESHOLD, M_TOP_PAD and M_MMAP_THRESHOLD, by their numbers in malloc.h; in bytes.
MALLOC_SETTINGS = {-1: 128 * 2**20, -2: 16 * 2**20, -3: 32 * 2**20}
# What a worker may keep from one upload to the next.
KEPT_BYTES = 64 * 2**20
# What takes more is decoded by one worker at a time.
SHARED_BYTES = 64 * 2**20
# For each pixel that a picture may have: what decoders of video take for it and those before it.
BYTES_PER_PIXEL = 24
LEAST_BYTES = 256 * 2**20
TOO_LARGE = (
    "The file should be decoded with less memory. It takes more than the server has for one. Make "
    "it smaller."
)


def main() -> None:
    """Load what the server names, and fork workers until it goes."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # the server ends us, once all is answered
    control = socket.socket(fileno=int(sys.argv[1]))
    found = receive(control)
    if found is None:
        return
    settings = found[0]
    try:
        loaded = _load(
            [_model_config(values) for values in cast("list[object]", settings["models"])]
        )
    except HarError as error:
        send(control, {"error": type(error).__name__, "message": str(error)})
        return
    send(control, {"models": [_facts(model) for model in loaded.models]})
    gc.collect()
    gc.freeze()  # or looking for garbage would copy what the workers share
    with nameless_file(in_memory=True) as turn:
        Nursery(control, loaded, settings, turn.fileno()).run()


class Loaded(NamedTuple):
    """What the workers share.

    Attributes:
        models: What encodes and classifies, the server's own first.
        people: What finds people; None for whole pictures.
    """

    models: tuple[LoadedModel, ...]
    people: PeopleParts | None


def _facts(model: LoadedModel) -> dict[str, object]:
    return {
        "spec": model.spec.to_json(),
        "path": os.fspath(model.path),
        "size_bytes": model.size_bytes,
        "backend": model.backend.name,
        "version": model.backend.version,
    }


def _load(configs: Sequence[ModelConfig]) -> Loaded:
    from har_edge.frames.opencv import import_cv2
    from har_edge.run.parts import build_model, build_people
    from har_edge.server.answers import warm_up

    # Uploads share the cores; a frame is too small for OpenCV to share it out too.
    import_cv2().setNumThreads(1)
    keep_memory()
    people = build_people(configs[0], note=lambda line: None)  # the server has said it
    if people is not None:
        people.open()
    return Loaded(tuple(warm_up(build_model(config)) for config in configs), people)


def _model_config(values: object) -> ModelConfig:
    named = dict(cast(Mapping[str, object], values))
    people = _group(PeopleConfig, named.pop("people"))
    return _group(partial(ModelConfig, people=people), named)


def _group(kind: Callable[..., Group], values: object) -> Group:
    """Make settings of what `dataclasses.asdict` made of them, and JSON of that."""
    named = cast(Mapping[str, object], values)
    return kind(**{k: tuple(v) if isinstance(v, list) else v for k, v in named.items()})


def keep_memory() -> None:
    """Let glibc keep what pictures free for the next ones, as far as it has such settings.

    Else it returns some megabytes to the system with each picture, and pays for every page of the
    next one with a fault: a third of a worker's time. Source: mallopt(3).
    """
    if (mallopt := _of_libc("mallopt")) is not None:
        for parameter, value in MALLOC_SETTINGS.items():
            mallopt(parameter, value)


def _of_libc(name: str) -> Callable[..., object] | None:
    try:
        found: Callable[..., object] = getattr(ctypes.CDLL(None), name)
    except (AttributeError, OSError):  # another C library
        return None
    return found


class Nursery:
    """Forks workers and ends them, as it is told."""

    def __init__(
        self, control: socket.socket, loaded: Loaded, settings: Mapping[str, object], turn: int
    ) -> None:
        self._control = control
        self._loaded = loaded
        self._settings = settings
        self._turn = turn
        self._pids: dict[int, int] = {}

    def run(self) -> None:
        """Do what the server says until it goes, and end all workers then."""
        try:
            while (told := receive(self._control)) is not None:
                command, files = told
                number = int(str(command["number"]))
                if number in self._pids:
                    self._end(number)
                if files:
                    self._fork(number, *files)
        finally:
            for number in list(self._pids):
                self._end(number)

    def _fork(self, number: int, descriptor: int, desk: int) -> None:
        with socket.socket(fileno=descriptor) as link, os.fdopen(desk, "rb", 0) as shared:
            try:
                pid = os.fork()
            except OSError:  # no room for one: the server learns it by the closed link
                return
            if pid == 0:
                self._work(link, shared)
            self._pids[number] = pid

    def _end(self, number: int) -> None:
        # A process that ended keeps its number until it was waited for: it is never another's.
        pid = self._pids.pop(number)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)

    def _work(self, link: socket.socket, desk: IO[bytes]) -> NoReturn:
        """Answer uploads in the process that was just forked."""
        code = 1
        try:
            end_with_parent()
            offer_memory()
            self._control.close()
            Worker(link, desk, self._loaded, self._settings, self._turn).run()
            code = 0
        finally:
            # Not by the interpreter's own end, in which native libraries wait for their threads.
            os._exit(code)


class Worker:
    """Answers uploads, one after another."""

    def __init__(
        self,
        link: socket.socket,
        desk: IO[bytes],
        loaded: Loaded,
        settings: Mapping[str, object],
        turn: int,
    ) -> None:
        from har_edge.run.parts import build_decider
        from har_edge.server.answers import Answering

        limits = _group(RequestLimits, settings["limits"])
        decide = _group(DecideConfig, settings["decide"])
        self._link = link
        self._desk = desk
        self._turn = turn
        self._models = {model.spec.name: (model.spec, model) for model in loaded.models}
        self._answering = Answering(
            lambda spec: build_decider(spec, decide),
            decide.min_duration_s,
            limits,
            loaded.people,
            keypoints=bool(settings["keypoints"]),
            room=self._room,
        )
        self._before_bytes = _own_bytes()
        _bound_memory(limits.max_pixels, int(str(settings["workers"])))

    def run(self) -> None:
        """Answer until the server goes, or so much memory is kept that another one must begin."""
        last = False
        while not last and (asked := receive(self._link)) is not None:
            task, files = asked
            if files:
                with os.fdopen(files[0], "rb", 0) as file:
                    told, body = self._answer(task, file)
            else:
                told, body = self._answer(task, self._desk)
            last = self._keeps_too_much()
            send(self._link, {**told, "last": last}, body=body)

    def _answer(
        self, task: Mapping[str, object], file: IO[bytes]
    ) -> tuple[Mapping[str, object], bytes]:
        """What the server is told, and what it hands on."""
        file.seek(0)
        kind: Kind = "clip" if task["kind"] == "clip" else "image"
        upload = Upload(file, kind, str(task["format"]), int(str(task["size_bytes"])))
        try:
            model = suited(self._models, kind, cast("str | None", task["model"]))
            answer = self._answering.answer(upload, cast("int | None", task["top_k"]), model)
            body = spell_answer(answer).encode()
        except SourceError as error:
            return {"refused": str(error)}, b""
        except MemoryError:
            return {"refused": TOO_LARGE}, b""
        except Exception:  # it is for the server to say
            return {"failed": traceback.format_exc()}, b""
        return {"kind": kind, "latency_ms": answer["latency_ms"]}, body

    @contextlib.contextmanager
    def _room(self, size_bytes: int) -> Iterator[None]:
        """Wait until nobody else decodes what is large, if this is."""
        if size_bytes <= SHARED_BYTES:
            yield
            return
        # A lock of the whole file, which goes with the process, however it ends.
        fcntl.lockf(self._turn, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.lockf(self._turn, fcntl.LOCK_UN)

    def _keeps_too_much(self) -> bool:
        """Give memory back, if much of it is kept; whether it could not be."""
        if _own_bytes() - self._before_bytes <= KEPT_BYTES:
            return False
        if (trim := _of_libc("malloc_trim")) is not None:
            trim(0)
        return _own_bytes() - self._before_bytes > KEPT_BYTES


def _own_bytes() -> int:
    """Memory of this process that is no file's. Source: proc(5), statm."""
    with open("/proc/self/statm", "rb", buffering=0) as file:  # noqa: PTH123 - after each upload
        fields = file.read(200).split()
    return (int(fields[1]) - int(fields[2])) * resource.getpagesize()


def _bound_memory(max_pixels: int, workers: int) -> None:
    """Bound what this process may take beside what it has, by the machine's memory at most."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[5])
    all_bytes = os.sysconf("SC_PHYS_PAGES") * resource.getpagesize()
    room = max(LEAST_BYTES, min(BYTES_PER_PIXEL * max_pixels, all_bytes // (2 * workers)))
    most = pages * resource.getpagesize() + room
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    main()
