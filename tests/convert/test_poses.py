"""Models of poses alone: every variant says what Keras says, on tracks, with `classify` alone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from har_convert.auditing.audit import audit
from har_convert.calibration import load_calibration
from har_convert.conversion import Options, convert_run
from har_convert.recipe import VARIANTS, Recipe, fallbacks
from har_convert.results import Report
from har_convert.run_folder import find_run, iter_clips, load_run
from har_convert.worker import Maker, load_parts
from har_edge.errors import DataError, ModelFileError
from har_edge.model.file import read_model_file
from har_edge.model.loaded import load_model
from tests.support.once import made_once
from tests.support.pose_run import LABELS, SPEC, TEST, TRAIN, make_pose_run

pytest.importorskip("tensorflow")
pytestmark = pytest.mark.train


@pytest.fixture(scope="session")
def pose_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder of a model of poses; its data lies beside it."""
    return made_once(tmp_path_factory.getbasetemp(), "poses", make_pose_run) / "walks"


@pytest.fixture
def copied(pose_run: Path, tmp_path: Path) -> Path:
    """A copy of the run folder that a test may damage."""
    return Path(shutil.copytree(pose_run, tmp_path / "walks"))


@pytest.fixture(scope="module")
def made(pose_run: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Report, list[str]]:
    """All variants, and what was said meanwhile."""
    said: list[str] = []
    out = tmp_path_factory.mktemp("poses") / "models"
    options = Options(max_accuracy_drop=20)
    report = convert_run(load_run(pose_run), VARIANTS, out, options, say=said.append)
    return report, said


def test_every_variant_says_what_keras_says(made: tuple[Report, list[str]]) -> None:
    report, _ = made
    assert [c.recipe.variant for c in report.passed] == list(VARIANTS)
    for conversion in report.conversions:
        result = conversion.result
        assert result.held_out
        assert result.clips == len(LABELS) * TEST
        assert result.encode_ms == 0
        assert result.classify_ms > 0
        exact = conversion.recipe.variant in ("float32", "onnx")
        assert result.max_difference < (1e-4 if exact else 0.25)
        assert result.agreement > 0.9
    assert "classify" in str(report)
    assert "encode" not in str(report)


def test_files_have_classify_alone(made: tuple[Report, list[str]]) -> None:
    report, _ = made
    names = [[path.name for path in c.paths] for c in report.conversions]
    assert names[-2:] == [["walks-onnx.classify.onnx"], ["walks-onnx-int8.classify.onnx"]]
    for (path,) in (c.paths for c in report.conversions):
        model = load_model(path)
        assert set(model.backend.shapes) == {"classify"}  # type: ignore[attr-defined]
        assert model.spec.feature_size == 0
        assert model.spec.float_layers == ()
        assert "feature_cosine" not in model.spec.metrics
        with pytest.raises(Exception, match="has no encode"):
            model.encode(np.zeros((224, 224, 3), np.uint8))
        found = audit(path)
        assert [signature.name for signature in found.signatures] == ["classify"]
        assert found.not_builtin == found.flex_ops == ()
        assert set(found.runtimes.values()) == {"loads and runs"}


def test_files_say_what_keras_says_on_a_track(
    made: tuple[Report, list[str]], pose_run: Path
) -> None:
    run = load_run(pose_run)
    maker = Maker(run, *load_parts(run))
    clip = next(iter_clips(run, run.held_out(1)))
    assert clip.rows is not None
    rows, expected = maker.predict(clip)
    assert np.array_equal(rows, clip.rows)
    for conversion in made[0].conversions:
        model = load_model(conversion.paths[0])
        given = np.stack([model.classify(rows[window]) for window in clip.windows])
        assert np.abs(given - expected).max() < 0.25, conversion.recipe


def test_int8_takes_rows_as_they_are(made: tuple[Report, list[str]]) -> None:
    """In float32, which its first op rounds."""
    (int8,) = (c for c in made[0].conversions if c.recipe.variant == "int8")
    kinds = {op.name for s in audit(int8.paths[0]).signatures for op in s.ops}
    assert "QUANTIZE" in kinds
    (given,) = audit(int8.paths[0]).signatures[0].inputs
    assert given.dtype == "float32"


def test_skeletons_are_passed_over_and_counted(made: tuple[Report, list[str]]) -> None:
    assert "skeletons in the held-out data are passed over: 1" in made[1]


def test_the_card_speaks_of_poses(made: tuple[Report, list[str]]) -> None:
    card = (made[0].folder / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "pose and motion, 45 numbers" in card
    assert "walks-onnx.classify.onnx" in card
    assert "Backbone" not in card
    sums = (made[0].folder / "SHA256SUMS").read_text(encoding="utf-8")
    assert sums.count("walks-") == len(VARIANTS)


def test_rows_are_kept_in_the_run_or_read_from_its_tracks(copied: Path) -> None:
    kept = load_run(copied).representative()
    assert kept.rows is not None
    assert kept.rows.shape[1] == SPEC.row_size
    (copied / "representative.npz").unlink()
    assert find_run(copied) == copied
    said: list[str] = []
    read = load_run(copied).representative(said.append)
    assert said == ["skeletons in the calibration data are passed over: 1"]
    assert read.rows is not None
    assert len(read.windows) == len(LABELS) * TRAIN
    # A window of each track of the training part, and no row that is none of theirs.
    assert {row.tobytes() for row in read.rows[read.windows[:, -1]]} <= {
        row.tobytes() for row in kept.rows
    }


def test_without_data_kept_rows_are_compared(copied: Path) -> None:
    (copied / "config.toml").unlink()
    run = load_run(copied)
    assert run.held_out(0) == []
    (clip,) = iter_clips(run, [])
    assert clip.rows is not None
    (copied / "representative.npz").unlink()
    with pytest.raises(DataError, match=r"there is no file|not say where"):
        load_run(copied).representative()


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"rows": np.zeros((20, 44), np.float32)}, "rows of 45 finite numbers"),
        ({"rows": np.full((20, 45), np.nan, np.float32)}, "rows of 45 finite numbers"),
        ({"rows": np.zeros((20, 45), np.int32)}, "rows of 45 finite numbers"),
        ({"rows": np.zeros((15, 45), np.float32)}, "windows of 16 frame indices"),
        ({"windows": np.zeros((2, 15), np.intp)}, "windows of 16 frame indices"),
        ({"windows": np.zeros((2, 16))}, "windows of 16 frame indices"),
    ],
)
def test_damaged_kept_rows_are_refused(
    arrays: dict[str, np.ndarray], message: str, copied: Path
) -> None:
    whole = {"rows": np.zeros((20, 45), np.float32), "windows": np.arange(16)[np.newaxis]}
    np.savez(copied / "representative.npz", **(whole | arrays))  # type: ignore[arg-type]
    with pytest.raises(DataError, match=message):
        load_run(copied).representative()


def test_skeletons_alone_cannot_be_calibrated_on(pose_run: Path, tmp_path: Path) -> None:
    data = pose_run.parent / "data"
    (tmp_path / "list.csv").write_text("path,label\nskeletons.npz#0,falling\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"should hold tracks of videos.*Received 1 skeletons"):
        load_calibration(tmp_path / "list.csv", SPEC, root=data)
    (tmp_path / "list.csv").write_text("path,label\ntracks.npz#999,falling\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"has the tracks 0 to 29\. Received 999"):
        load_calibration(tmp_path / "list.csv", SPEC, root=data)


def test_a_model_that_does_not_fit_its_spec_is_refused(copied: Path) -> None:
    spec = json.loads((copied / "spec.json").read_text(encoding="utf-8"))
    spec["head_inputs"] = ["pose"]
    (copied / "spec.json").write_text(json.dumps(spec), encoding="utf-8")
    with pytest.raises(DataError, match=r"does not fit spec.json.*windows of pose.*16, 39.*16, 45"):
        load_parts(load_run(copied))


def test_spec_and_network_must_fit_each_other(
    made: tuple[Report, list[str]], tmp_path: Path
) -> None:
    from har_edge.model.file import pack_model_file

    file = read_model_file(made[0].conversions[0].paths[0])
    motion = file.spec.with_(head_inputs=("motion",))
    (tmp_path / "a.tflite").write_bytes(pack_model_file(file.flatbuffer, motion))
    with pytest.raises(ModelFileError, match="by its spec, classify has a tensor of shape"):
        load_model(tmp_path / "a.tflite")


def test_nothing_is_left_of_a_file_of_poses_with_classify_in_float() -> None:
    tried = fallbacks(Recipe("int8"), (), encodes=False)
    assert [str(recipe) for recipe in tried] == ["int16", "dynamic", "float16"]
    assert fallbacks(Recipe("onnx-int8"), (), encodes=False) == [Recipe("onnx")]
