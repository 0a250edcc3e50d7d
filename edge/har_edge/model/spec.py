"""What a model file says about itself: the one contract between training and the edge.

`ClipSpec` fixes what goes in (frames, rate, size, resize rule); `ModelSpec` adds what
comes out and where the model came from. Training writes it, conversion stamps the variant
on it, the edge reads it and has no defaults of its own.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal, get_args

from har_edge.errors import SpecError
from har_edge.model.checks import (
    MAX_BYTES,
    MAX_FEATURES,
    MAX_FRAMES,
    MAX_NAME,
    MAX_SIDE,
    MAX_TEMPERATURE,
    MAX_WINDOW,
    MIN_TEMPERATURE,
    check_checksum,
    check_labels,
    check_number,
    check_table,
    check_text,
    check_texts,
    check_whole,
    shorten,
)

SCHEMA_VERSION = 1

Resize = Literal["stretch", "crop"]
# What `encode` looks at: all of a picture, or one person's crop of it.
View = Literal["picture", "person"]
# What of a person `classify` takes: the crop's features, where the joints are, how the box moves.
HeadInput = Literal["features", "pose", "motion"]
# `dynamic` has 8-bit weights alone, `int16` 8-bit weights with 16-bit activations.
Variant = Literal["keras", "float32", "float16", "dynamic", "int8", "int16", "onnx", "onnx-int8"]

# Frame interval tolerance: timestamps in containers are rounded to their time base.
MIN_FRAME_RATE_HZ, MAX_FRAME_RATE_HZ = 1e-6, 1000.0
CROP_SCALES = 0.5, 4.0
# Numbers of a person's pose and motion. Source: `har_edge.people.pose`.
POSE_SIZE, MOTION_SIZE = 39, 6
PEOPLE_FIELDS = ("view", "crop", "head_inputs", "falls")


@contextlib.contextmanager
def _spec_errors() -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise SpecError(str(error)) from error


@dataclass(frozen=True)
class ClipSpec:
    """The pixels and the instants that a model expects.

    Attributes:
        num_frames: Frames in one window, T; 1 for a still-image model.
        frame_rate_hz: Rate at which frames are sampled, by timestamp.
        height: Frame height H in pixels.
        width: Frame width W in pixels.
        resize: `stretch` ignores the aspect ratio; `crop` first cuts the centre
            to the aspect ratio of H x W.
    """

    num_frames: int
    frame_rate_hz: float
    height: int
    width: int
    resize: Resize = "stretch"

    def __post_init__(self) -> None:
        with _spec_errors():
            self._check()

    def _check(self) -> None:
        check_whole("num_frames", self.num_frames, 1, MAX_FRAMES)
        check_whole("height", self.height, 1, MAX_SIDE)
        check_whole("width", self.width, 1, MAX_SIDE)
        rate = self.frame_rate_hz
        number = isinstance(rate, int | float) and not isinstance(rate, bool)
        # Below the smallest one, a window lasts longer than a clock counts.
        if not number or not MIN_FRAME_RATE_HZ <= rate <= MAX_FRAME_RATE_HZ:
            raise SpecError(
                f"frame_rate_hz must be above 0 and at most {MAX_FRAME_RATE_HZ:g}. "
                f"Received {shorten(rate)}."
            )
        if self.resize not in get_args(Resize):
            raise SpecError(
                f"resize must be one of {get_args(Resize)}. Received {shorten(self.resize)}."
            )

    @property
    def frame_shape(self) -> tuple[int, int, int]:
        """Shape of one preprocessed frame, (H, W, 3)."""
        return (self.height, self.width, 3)

    @property
    def windowed(self) -> bool:
        """Whether a window shows how things move; else it is a single picture."""
        return self.num_frames > 1

    @property
    def window_s(self) -> float:
        """Seconds between the first and the last frame of a window."""
        return (self.num_frames - 1) / self.frame_rate_hz


@dataclass(frozen=True)
class CropSpec:
    """How a person's crop is made of a box; the rule is that of `har_edge.frames.preprocess`.

    Attributes:
        scale: Its sides, in those of the box.
        square: Whether it is a square of the longer side, in pixels.
    """

    scale: float = 1.25
    square: bool = True

    def __post_init__(self) -> None:
        with _spec_errors():
            check_number("scale", self.scale, *CROP_SCALES)
            if not isinstance(self.square, bool):
                raise SpecError(f"square must be true or false. Received {shorten(self.square)}.")


@dataclass(frozen=True)
class ModelSpec:
    """A model file's own description; stored in it as `har.json`.

    Attributes:
        name: Short name, used for file names.
        labels: One label a class, in output order, (C,).
        clip: What goes in.
        feature_size: Length D of the vector that `encode` gives; 0 without `encode`.
        view: What `encode` was trained on: `picture`, or `person`, crops of single people.
        crop: How such a crop is made of a box.
        head_inputs: What `classify` takes of each frame, side by side in this order: `features`
            (D), `pose` and `motion` (see `har_edge.people.pose`). Without `features` the model has
            no `encode`, and looks at no pixels.
        variant: Numeric form of the file.
        backbone: Image network behind `encode`, or "".
        temperature: Divides log-probabilities before the final softmax; 1 changes nothing.
        reject_threshold: Confidence below which an action counts as unknown; 0 rejects none.
        data_fingerprint: SHA-256 over the training files' hashes and labels.
        metrics: Measured figures, fractions in 0..1 unless the name has a unit.
        tool_versions: Package name to version, as used to make the file.
        float_layers: Layers that a quantized file computes in float, beyond the stem.
        min_runtime: Oldest runtime the file is known to load in, or "".
        description: What the model is for, in a sentence or two.
        license: Terms of the weights and of the data behind them.
        model_bytes: Size of the network in the file without the metadata, 0 if unknown.
        model_sha256: SHA-256 of those bytes, "" if unknown.
        schema_version: Version of this layout.
        falls: What the alarm for falls should take for one with this model: single settings of
            `har_edge.recognition.falls`.
    """

    name: str
    labels: tuple[str, ...]
    clip: ClipSpec
    feature_size: int
    variant: Variant = "keras"
    backbone: str = ""
    temperature: float = 1.0
    reject_threshold: float = 0.0
    data_fingerprint: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)
    tool_versions: Mapping[str, str] = field(default_factory=dict)
    float_layers: tuple[str, ...] = ()
    min_runtime: str = ""
    description: str = ""
    license: str = ""
    model_bytes: int = 0
    model_sha256: str = ""
    schema_version: int = SCHEMA_VERSION
    view: View = "picture"
    crop: CropSpec = CropSpec()
    head_inputs: tuple[HeadInput, ...] = ("features",)
    falls: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        with _spec_errors():
            self._check()

    def _check(self) -> None:
        check_text("name", self.name, MAX_NAME)
        if not self.name or self.name in (".", "..") or set(self.name) & set("/\\\0\n\r"):
            raise SpecError(
                f"name becomes a file name, without slashes. Received {shorten(self.name)}."
            )
        check_labels(self.labels)
        if not isinstance(self.clip, ClipSpec):
            raise SpecError(f"clip must be a table. Received {shorten(self.clip)}.")
        self._check_view()
        self._check_encoder()
        check_whole("A window of features", self.clip.num_frames * self.row_size, 1, MAX_WINDOW)
        if self.variant not in get_args(Variant):
            raise SpecError(
                f"variant must be one of {get_args(Variant)}. Received {shorten(self.variant)}."
            )
        check_number("temperature", self.temperature, MIN_TEMPERATURE, MAX_TEMPERATURE)
        check_number("reject_threshold", self.reject_threshold, 0, 1)
        for name in ("backbone", "data_fingerprint", "min_runtime", "description", "license"):
            check_text(name, getattr(self, name))
        check_table("metrics", self.metrics, numbers=True)
        check_table("falls", self.falls, numbers=True)
        check_table("tool_versions", self.tool_versions, numbers=False)
        check_texts("float_layers", self.float_layers)
        check_whole("model_bytes", self.model_bytes, 0, MAX_BYTES)
        check_checksum("model_sha256", self.model_sha256)

    def _check_view(self) -> None:
        if self.view not in get_args(View):
            raise SpecError(f"view must be one of {get_args(View)}. Received {shorten(self.view)}.")
        if not isinstance(self.crop, CropSpec):
            raise SpecError(f"crop must be a table. Received {shorten(self.crop)}.")
        check_texts("head_inputs", self.head_inputs)
        known = get_args(HeadInput)
        if list(self.head_inputs) != [name for name in known if name in self.head_inputs]:
            raise SpecError(
                f"head_inputs must be some of {known}, in this order. Received "
                f"{shorten(self.head_inputs)}."
            )
        if not self.head_inputs or (self.head_inputs != ("features",) and self.view == "picture"):
            raise SpecError(
                "head_inputs must be features alone, unless view is person. Received "
                f"{shorten(self.head_inputs)}."
            )

    def _check_encoder(self) -> None:
        if self.encodes:
            check_whole("feature_size", self.feature_size, 1, MAX_FEATURES)
            return
        size = self.feature_size
        if isinstance(size, bool) or not isinstance(size, int) or size != 0 or self.backbone:
            raise SpecError(
                "feature_size must be 0 and backbone empty where head_inputs are without features: "
                f"nothing is encoded. Received {shorten(size)} and {shorten(self.backbone)}."
            )

    @property
    def encodes(self) -> bool:
        """Whether it looks at pixels; else it has `classify` alone, for poses and motion."""
        return "features" in self.head_inputs

    @property
    def needs_people(self) -> bool:
        """Whether people have to be found before it can recognise anything."""
        return self.head_inputs != ("features",)

    @property
    def row_size(self) -> int:
        """Length D' of what `classify` takes of each frame."""
        sizes = {"features": self.feature_size, "pose": POSE_SIZE, "motion": MOTION_SIZE}
        return sum(sizes[name] for name in self.head_inputs)

    def with_(self, **changes: Any) -> ModelSpec:
        """Copy with some fields changed."""
        return replace(self, **changes)

    def to_json(self) -> str:
        """Serialise as stable, readable JSON.

        What was added for people is left out where it says nothing new, so that a file of whole
        pictures is the same to the byte as one of earlier releases.
        """
        values = asdict(self)
        for each in fields(self):
            if each.name in PEOPLE_FIELDS and getattr(self, each.name) in (each.default, {}):
                del values[each.name]
        return json.dumps(values, indent=2, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes, *, where: str = "har.json") -> ModelSpec:
        """Read a spec that `to_json` wrote.

        Args:
            text: The JSON document.
            where: Where it came from, for messages.

        Raises:
            SpecError: if it is not JSON, has another schema version or misses a field.
        """
        try:
            raw = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise SpecError(f"The spec in {where} is not valid JSON: {error}.") from error
        version = raw.get("schema_version") if isinstance(raw, dict) else None
        if version != SCHEMA_VERSION:
            raise SpecError(
                f"The spec in {where} should have schema version {SCHEMA_VERSION}. "
                f"Received {shorten(version)}. Convert the model again with this release, "
                "or install the har-edge release that wrote it."
            )
        # Unknown keys are later additions that this release can do without.
        known = {f.name for f in fields(cls)} & raw.keys()
        try:
            values = {key: raw[key] for key in known}
            values["clip"] = ClipSpec(**raw["clip"])
            if "crop" in known:
                values["crop"] = CropSpec(**raw["crop"])
            for key in {"labels", "float_layers", "head_inputs"} & known:
                entries = raw[key]
                values[key] = tuple(entries) if isinstance(entries, list) else entries
            return cls(**values)
        except (KeyError, TypeError) as error:
            raise SpecError(f"The spec in {where} is incomplete: {shorten(error)}.") from error
