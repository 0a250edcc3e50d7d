"""Settings of a run or a server: frozen, and checked when they are created.

Nothing is opened or loaded here. The defaults are those of the command line, whose options are
made of these fields.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Literal, get_args

from har_edge.access import check_access
from har_edge.errors import ConfigError
from har_edge.settings import Range, Settings
from har_edge.stdin_format import StdinFormat as StdinFormat  # noqa: PLC0414 - others take it here

BackendName = Literal["auto", "litert", "tflite-runtime", "onnxruntime"]
BACKENDS: tuple[str, ...] = get_args(BackendName)
Emit = Literal["predictions", "events", "all", "files"]
OutputFormat = Literal["text", "jsonl", "csv"]
Private = Literal["skeletons", "blur"]
FilePath = str | os.PathLike[str]

_FROM_0 = {"range": Range(0)}
_ABOVE_0 = {"range": Range(0, open=True)}
_COUNT = {"range": Range(1, whole=True)}


def default_num_threads() -> int:
    """Default number of threads for a model: the cores, but at most 4."""
    return min(4, os.cpu_count() or 1)


@dataclass(frozen=True)
class LiveOptions(Settings):
    """Time limits and retries of live sources.

    Attributes:
        stall_timeout_s: After this long without a frame, a source counts as lost and is reopened.
        frozen_after_s: After this long without change, a picture counts as frozen; 0 for never.
        max_retries: Failed attempts in a row before a lost source is given up; None for no limit.
        wait_for_source: Whether to wait for a source that is not there at the start.
    """

    stall_timeout_s: float = field(default=5.0, metadata=_ABOVE_0)
    frozen_after_s: float = field(default=5.0, metadata=_FROM_0)
    max_retries: int | None = field(default=None, metadata={"range": Range(0, whole=True)})
    wait_for_source: bool = False


@dataclass(frozen=True)
class SourceConfig(Settings):
    """The sources to read.

    Attributes:
        names: Sources as a user names them: files, folders, globs, lists, cameras, URLs, `-`; see
            `har_edge.sources.names.expand_sources`. Kept out of `repr`: URLs may hold passwords.
        camera: A camera by its number or device file, as one more source; or several.
        demo: Whether to read the bundled pictures and clip.
        watch: Folders whose files are processed as they arrive.
        stdin_format: Format of `-`; None for pictures at 25 frames/s.
        live: Time limits and retries of cameras and streams.
    """

    names: tuple[str, ...] = field(default=(), repr=False)
    camera: str | tuple[str, ...] | None = None
    demo: bool = False
    watch: tuple[str, ...] = ()
    stdin_format: StdinFormat | None = None
    live: LiveOptions = LiveOptions()

    @property
    def cameras(self) -> tuple[str, ...]:
        """All that `camera` names."""
        return (
            (self.camera,)
            if isinstance(self.camera, str) and self.camera
            else tuple(self.camera or ())
        )

    @property
    def is_empty(self) -> bool:
        """Whether no source is named."""
        return not (self.names or self.camera or self.demo or self.watch)


@dataclass(frozen=True)
class DecideConfig(Settings):
    """How predictions become reported actions and events.

    Attributes:
        smoothing_s: Time constant over which probabilities are averaged; 0 leaves the model's own.
        score_threshold: Probability below which the action is `unknown`; None for the model's own
            threshold, 0 to always report an action.
        allow: Actions that may be reported, none means all; a text with a comma is one action, if
            the model has one of that name, or else a list.
        deny: Actions that are never reported; likewise.
        min_duration_s: An action begins once it lasted so long, and ends once it was away as long.
    """

    smoothing_s: float = field(default=0.5, metadata=_FROM_0)
    score_threshold: float | None = field(default=None, metadata={"range": Range(0, 1)})
    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    min_duration_s: float = field(default=0.5, metadata=_FROM_0)


@dataclass(frozen=True)
class SinkConfig(Settings):
    """What is written, and where it goes; sinks that are None are not opened.

    Attributes:
        output: File of the main output; None for standard output.
        output_format: `text`, `jsonl` or `csv`.
        emit: What the main output holds.
        top_k: Number of actions to list with each prediction.
        keypoints: Whether to list the keypoints of each person.
        save_video: File for an annotated video.
        save_events: Folder for a clip of each action.
        event_padding_s: Seconds in a clip before and after the action.
        save_events_max_mb: Disk space for all clips, in MB.
        save_events_max_days: Age at which clips are deleted, in days; None for any age.
        totals: File with the time of each action per day.
        mqtt: URL of a broker; kept out of `repr`, as it may hold a password.
        mqtt_discovery: Where Home Assistant looks for configurations; "" for nowhere.
        webhook: URL to post events to; kept out of `repr`, too.
    """

    output: FilePath | None = None
    output_format: OutputFormat = field(
        default="text", metadata={"choices": get_args(OutputFormat)}
    )
    emit: Emit = field(default="predictions", metadata={"choices": get_args(Emit)})
    top_k: int = field(default=3, metadata=_COUNT)
    keypoints: bool = False
    save_video: FilePath | None = None
    save_events: FilePath | None = None
    event_padding_s: float = field(default=3.0, metadata={"range": Range(0, 60)})
    save_events_max_mb: float = field(default=1000.0, metadata={"range": Range(1)})
    save_events_max_days: float | None = field(default=None, metadata={"range": Range(0.01)})
    totals: FilePath | None = None
    mqtt: str | None = field(default=None, repr=False)
    mqtt_discovery: str = "homeassistant"
    webhook: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        """Check that the settings go together.

        Raises:
            ConfigError: if a table is asked to hold both predictions and events.
        """
        super().__post_init__()
        if self.output_format == "csv" and self.emit == "all":
            raise ConfigError(
                "A CSV table should have one kind of row. Received both. Use --emit "
                "predictions or --emit events, or jsonl."
            )


@dataclass(frozen=True)
class PeopleConfig(Settings):
    """How people are found and followed.

    Attributes:
        detector: `people` for the bundled network, or a `.tflite` file of one that finds people;
            None for the model's own, if any.
        pose: One that finds the keypoints of each, MoveNet single pose; None for none.
        whole_picture: Whether to look for nobody and to classify whole pictures.
        locate_every: People are looked for in each so many-th sampled frame; None for each second,
            or for each where the model looks at nothing but their poses.
        max_people: Most people who are looked at in one source at a time, the largest.
    """

    detector: FilePath | None = None
    pose: FilePath | None = None
    whole_picture: bool = False
    locate_every: int | None = field(default=None, metadata={"range": Range(1, 100, whole=True)})
    max_people: int = field(default=5, metadata={"range": Range(1, 50, whole=True)})

    def __post_init__(self) -> None:
        """Check that the settings go together.

        Raises:
            ConfigError: if there is a second stage without a first.
        """
        super().__post_init__()
        if self.detector is not None and self.whole_picture:
            raise ConfigError(
                "--whole-picture looks for nobody. Received --people too. Leave one of them out."
            )
        if self.pose is not None and self.detector is None:
            raise ConfigError(
                "--pose needs --people, which finds whose pose it is. Received --pose alone. Add "
                "--people FILE."
            )


@dataclass(frozen=True)
class SceneConfig(Settings):
    """What is watched for besides actions, and what pictures may show of people.

    Attributes:
        zones: File of zones and rules; see `har_edge.recognition.zones_file`.
        fall_alarm: Whether to tell of falls, after a second look.
        private: How people are covered in all pictures that are stored, shown or sent; None for
            not at all.
    """

    zones: FilePath | None = None
    fall_alarm: bool = False
    private: Private | None = field(default=None, metadata={"choices": get_args(Private)})


@dataclass(frozen=True)
class ModelConfig(Settings):
    """The model, and the runtime that executes it.

    Attributes:
        model: `har15`, `clips`, a `.tflite` or an `.onnx` file, or a folder with one; None for
            the bundled one that suits the sources, see `har_edge.model.catalogue`.
        taught: File of taught actions; None for the user's own file for this model.
        backend: Runtime that executes the model.
        people: How people are found and followed.
        scene: What is watched for besides, and what pictures may show.
    """

    model: FilePath | None = None
    taught: FilePath | None = None
    backend: BackendName = field(default="auto", metadata={"choices": BACKENDS})
    people: PeopleConfig = field(default_factory=PeopleConfig)
    scene: SceneConfig = field(default_factory=SceneConfig)


@dataclass(frozen=True)
class RunLimits(Settings):
    """When to stop early.

    Attributes:
        max_frames: Frames in total; None for no limit.
        duration_s: Seconds of each source's own time; None for no limit.
    """

    max_frames: int | None = field(default=None, metadata=_COUNT)
    duration_s: float | None = field(default=None, metadata=_ABOVE_0)


@dataclass(frozen=True)
class RunConfig(ModelConfig):
    """A whole run: its sources, its model, and where its results go.

    Attributes:
        num_threads: Threads for the model; `auto` measures once what suits this machine.
        inference_hz: Predictions per second of a source's time; None for the model's rate.
        motion_gate: Whether to skip encoding frames in which nothing moved.
        show: Whether to open a window with the frames.
        limits: When to stop early.
        source: The sources to read.
        decide: How predictions become reported actions and events.
        sink: Where the results go.

    Raises:
        ConfigError: if no source is named, or a value is not allowed.

    Example:
        >>> config = RunConfig(source=SourceConfig(demo=True), limits=RunLimits(max_frames=3))
        >>> config.model, config.sink.output_format, config.decide.smoothing_s
        (None, 'text', 0.5)
    """

    num_threads: int | Literal["auto"] = field(
        default_factory=default_num_threads,
        metadata={"range": Range(1, whole=True), "choices": ("auto",)},
    )
    inference_hz: float | None = field(default=None, metadata=_ABOVE_0)
    motion_gate: bool = False
    show: bool = False
    limits: RunLimits = RunLimits()
    source: SourceConfig = SourceConfig()
    decide: DecideConfig = DecideConfig()
    sink: SinkConfig = SinkConfig()

    def __post_init__(self) -> None:
        """Check that there is something to do."""
        super().__post_init__()
        if self.source.is_empty:
            raise ConfigError("Nothing to do: give SOURCES, --camera N, --watch DIR or --demo.")


@dataclass(frozen=True)
class RequestLimits(Settings):
    """What a request to a server may cost.

    Attributes:
        max_upload_bytes: Largest upload.
        max_pixels: Most pixels of a picture or a frame of a clip; checked before decoding.
        max_clip_s: Longest clip.
        upload_timeout_s: Time limit for the upload to arrive.
        request_timeout_s: Time limit for the prediction after that.
        max_requests: Most uploads at the same time, including those still arriving.
        max_streams: Most clients of the live view, and of the live events, at the same time.
        max_frames: Most frames of a clip that are decoded, whatever their time stamps say.
    """

    max_upload_bytes: int = field(default=64 * 2**20, metadata={"range": Range(0, whole=True)})
    max_pixels: int = field(default=25_000_000, metadata={"range": Range(0, whole=True)})
    max_clip_s: float = field(default=120.0, metadata=_ABOVE_0)
    upload_timeout_s: float = field(default=30.0, metadata=_ABOVE_0)
    request_timeout_s: float = field(default=60.0, metadata=_ABOVE_0)
    max_requests: int = field(default=64, metadata=_COUNT)
    max_streams: int = field(default=16, metadata=_COUNT)
    max_frames: int = field(default=30_000, metadata=_COUNT)


@dataclass(frozen=True)
class ServeConfig(ModelConfig):
    """A whole server: where it listens, who has access, and what it reads.

    Attributes:
        host: Address to listen on; anything but this machine's loopback needs a token.
        port: Port to listen on; 0 takes a free one.
        also: Other models that uploads may be shown to, beside `model`; without that, the bundled
            ones.
        token: Token that clients must send; None for no check. Kept out of `repr`.
        allow_origins: Origins of other sites whose pages may use the server; `*` for all.
        tls_cert: File with a certificate, and those that vouch for it; None for no TLS.
        tls_key: File with its key; None if that is in the same file.
        workers: Uploads processed at the same time; None for the cores, but at most 4.
        limits: What a request may cost.
        source: One camera or stream, or none.
        decide: How predictions become actions and events, for uploads and the live source.
        sink: Other sinks; a server has no main output (`output`, `output_format`, `emit`).

    Raises:
        ConfigError: if everybody in the network would be answered, a token is short or common, the
            source is none for a server, or a value is not what it may be.

    Example:
        >>> ServeConfig(port=0, source=SourceConfig(camera="0"), token="sesame-open").host
        '127.0.0.1'
    """

    host: str = "127.0.0.1"
    port: int = field(default=8000, metadata={"range": Range(0, 65535, whole=True)})
    also: tuple[FilePath, ...] = ()
    token: str | None = field(default=None, repr=False)
    allow_origins: tuple[str, ...] = ()
    tls_cert: FilePath | None = None
    tls_key: FilePath | None = None
    workers: int | None = field(default=None, metadata=_COUNT)
    limits: RequestLimits = RequestLimits()
    source: SourceConfig = SourceConfig()
    decide: DecideConfig = DecideConfig()
    sink: SinkConfig = SinkConfig()

    def __post_init__(self) -> None:
        """Check that not everybody in the network is answered, and that settings go together."""
        super().__post_init__()
        check_access(self.host, self.token, self.allow_origins, self.tls_cert, self.tls_key)
        if self.source.demo or self.source.watch:
            raise ConfigError(
                "A server takes one camera or stream. Received the demo or a folder to watch. "
                "Use har-edge run for them."
            )
