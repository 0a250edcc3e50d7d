"""The sentence that says what to take."""

from __future__ import annotations

from har_benchmarks.results.recommend import Constraints, recommend
from tests.support.made_up import made_case, made_table

ANY = Constraints()


def choose(*cases: dict[str, object], limits: Constraints = ANY) -> tuple[str | None, str]:
    (found,) = recommend(made_table(*cases), limits)
    return found["case"], found["sentence"]


def variants(**summary: float) -> list[dict[str, object]]:
    drops = {"float32": 0.0, "float16": 0.0, "int8": 0.3}
    times = {"float32": 4.0, "float16": 4.1, "int8": 2.0}
    return [
        made_case(v, [times[v]] * 3, drop_points=drops[v], accuracy=0.8 - drops[v] / 100, **summary)
        for v in times
    ]


def test_the_fastest_that_loses_little_is_taken() -> None:
    case, sentence = choose(*variants())
    assert case == "made-int8/litert/1"
    assert sentence.startswith("int8 on litert, 1 thread: 2.0")
    assert "−0.3 points against float32" in sentence
    assert "float32 takes 2.0 times as long" in sentence
    assert "float16 gains nothing here but a file of 3.6 MB" in sentence


def test_one_that_loses_too_much_is_not() -> None:
    cases = variants()
    summary = cases[2]["summary"]
    summary.update(drop_points=1.4, drop_low_points=0.2, drop_high_points=2.9)  # type: ignore
    case, sentence = choose(*cases)
    assert case == "made-float32/litert/1"
    assert sentence.endswith("; out: int8 loses 1.4 points.")
    allowed = choose(*cases, limits=Constraints(max_accuracy_drop=2.0))
    assert allowed[0] == "made-int8/litert/1"
    summary["drop_low_points"] = -0.5  # type: ignore[index]
    case, sentence = choose(*cases)
    assert case == "made-int8/litert/1"  # the loss may be chance
    assert "−1.4 points (−2.9 to +0.5) against float32" in sentence
    strict = choose(*cases, limits=Constraints(max_accuracy_drop=1.0))
    assert strict[0] == "made-float32/litert/1"


def test_fewer_threads_win_where_more_bring_nothing() -> None:
    one, two = made_case(rounds_ms=[2.0] * 3), made_case(rounds_ms=[1.95] * 3, threads=2)
    assert choose(one, two)[0] == "made-int8/litert/1"
    better = made_case(rounds_ms=[1.2] * 3, threads=2)
    assert choose(one, better)[0] == "made-int8/litert/2"
    assert "2 threads" in choose(one, better)[1]


def test_limits_are_kept_and_what_breaks_them_is_said() -> None:
    case, sentence = choose(*variants(), limits=Constraints(max_latency_ms=1.0))
    assert case is None
    assert sentence.startswith("No case meets the limits: int8 on litert, 1 thread is closest")
    assert "it takes 2.0" in sentence
    case, sentence = choose(*variants(), limits=Constraints(max_memory_mb=50))
    assert case is None
    assert "it needs 60.0 MB" in sentence
    assert choose(*variants(), limits=Constraints(3.0, 0.5, 100))[0] == "made-int8/litert/1"


def test_a_limit_on_accuracy_wants_it_measured() -> None:
    cases = [made_case("int8", [2.0] * 3), made_case("float32", [4.0] * 3)]
    assert choose(*cases)[0] == "made-int8/litert/1"
    assert "accuracy not measured here" in choose(*cases)[1]
    case, sentence = choose(*cases, limits=Constraints(max_accuracy_drop=1.0))
    assert case == "made-float32/litert/1"
    assert "out: int8 was not measured on data (give --data)" in sentence


def test_every_model_gets_its_own() -> None:
    report = made_table(made_case(model="one"), made_case(model="two"))
    assert [r["model"] for r in recommend(report, ANY)] == ["one", "two"]
    failed = {**made_case(), "status": "failed"}
    assert recommend(made_table(failed), ANY) == []
