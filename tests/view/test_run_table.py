from __future__ import annotations

import datetime as dt
import xml.etree.ElementTree as ET
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from graphkit.view.run_table import duration, run_html, run_text


def step(name: str = "a", **fields: Any) -> SimpleNamespace:
    given = {"kind": "task", "input": 1, "output": 2, "duration_us": 10.0, "error": None, **fields}
    return SimpleNamespace(name=name, **given)


def run(*steps: Any, **fields: Any) -> SimpleNamespace:
    given = {
        "id": "7f",
        "path": "/",
        "method": "POST",
        "status": 200,
        "started": dt.datetime(2026, 1, 2, 3, 4, 5),
        "duration_us": 1234.5,
        "answer": 2,
        **fields,
    }
    return SimpleNamespace(steps=list(steps), **given)


@pytest.mark.parametrize(
    ("us", "text"),
    [
        (0, "0 µs"),
        (0.04, "0 µs"),
        (3.14, "3.1 µs"),
        (99.94, "99.9 µs"),
        (123.4, "123 µs"),
        (999.4, "999 µs"),
        (999.7, "1 ms"),
        (1500, "1.5 ms"),
        (250_000, "250 ms"),
        (1_000_000, "1 s"),
        (12_345_678, "12.3 s"),
        (60_000_000, "1 min 0 s"),
        (3_723_000_000, "62 min 3 s"),
        (None, "-"),
    ],
)
def test_times_are_in_the_unit_that_reads_best(us: float | None, text: str) -> None:
    assert duration(us) == text


def test_text_is_aligned() -> None:
    text = run_text(run(step("clean"), step("a longer name", kind="router", input={"x": 1}, duration_us=1500.0)))
    assert text.splitlines() == [
        "POST / -> 200 in 1.2 ms, 2 steps",
        "  step           kind    time    input     output",
        "  clean          task    10 µs   1         2",
        "  a longer name  router  1.5 ms  {'x': 1}  2",
        "  answer: 2",
    ]


def test_text_tells_how_a_step_failed() -> None:
    text = run_text(run(step(error="ValueError: no\nmore"), status=500, answer="failed"))
    assert "failed: ValueError: no more" in text
    assert text.startswith("POST / -> 500")


def test_text_without_steps() -> None:
    assert run_text(run(method="", path=None)) == "/ -> 200 in 1.2 ms, 0 steps\n  answer: 2"


def test_text_is_stable() -> None:
    class Thing:
        pass

    assert run_text(run(step(input=Thing(), output=Thing()))) == run_text(run(step(input=Thing(), output=Thing())))


def test_many_steps_are_cut_and_those_that_were_dropped_are_counted() -> None:
    record = run(*(step(f"s{i}") for i in range(250)), dropped=7)
    assert "257 steps" in run_text(record)
    assert "... and 57 more steps" in run_text(record)
    assert "… 57 more steps" in run_html(record)


def parsed(record: Any) -> ET.Element:
    return ET.fromstring(run_html(record))


def test_html_has_one_row_for_each_step() -> None:
    table = parsed(run(step("a"), step("b", output=pd.DataFrame({"c": [1]}))))
    body = table.find(".//tbody")
    assert body is not None
    assert ["".join(row[0].itertext()) for row in body.findall("tr")] == ["a", "b"]


def test_html_marks_the_row_that_failed() -> None:
    table = parsed(run(step("good"), step("bad", error="ValueError: <no>\nTraceback")))
    good, bad = table.findall(".//tbody/tr")
    assert "background:rgba" in bad.get("style", "")
    assert "background" not in good.get("style", "")
    assert "".join(bad[4].itertext()).startswith("failed ValueError: <no>")


def test_html_bars_show_each_steps_share_of_the_longest() -> None:
    html = run_html(run(step(duration_us=50.0), step(duration_us=100.0), step(duration_us=0.0)))
    assert all(f"{share}%,transparent {share}%" in html for share in (0, 50, 100))


def test_html_of_steps_that_took_no_time() -> None:
    assert "transparent 0%" in run_html(run(step(duration_us=0.0), step(duration_us=None)))


def test_html_tells_status_request_and_answer() -> None:
    text = "".join(parsed(run(path="/v2/models/m", status=404, answer={"error": "no"})).itertext())
    assert text == "404 POST /v2/models/m in 1.2 ms, 0 stepsanswer {'error': 'no'}"


def test_html_colours_suit_light_and_dark_themes() -> None:
    """Only see-through tints and the theme's own colours, but for the badge, which brings both of its own."""
    html = run_html(run(step(), step(error="x"))).replace("background:#00795A;color:#fff", "")
    assert "#" not in html.replace("&#x27;", "")
    assert "var(--jp-content-font-color1,inherit)" in html


def test_nothing_in_a_record_reaches_the_page_as_markup() -> None:
    evil = "<script>alert(1)</script>"
    record = run(
        step(evil, kind=evil, input=evil, output={evil: evil}),
        step(error=f"{evil}\n{evil}"),
        id=evil,
        path=evil,
        method=evil,
        status=evil,
        started=evil,
        answer=[evil] * 50,
    )
    html = run_html(record)
    assert "<script" not in html
    parsed(record)


def test_values_that_raise_are_shown_as_such() -> None:
    class Failing:
        def __repr__(self) -> str:
            raise ValueError

    record = run(step(input=Failing()), answer=Failing())
    assert "Failing (its repr raised ValueError)" in run_text(record)
    assert "Failing (its repr raised ValueError)" in run_html(record)


def test_control_characters_do_not_break_the_table() -> None:
    parsed(run(step("a\x00\n", error="\x1b[31mred"), id="\x00", path="/\n\x07"))


def test_long_names_are_cut_in_the_middle_and_stay_whole_in_the_title() -> None:
    name = "outer/" + "x" * 60 + "/leaf"
    table = parsed(run(step(name)))
    cell = table.find(".//tbody/tr/td/div")
    assert cell is not None
    assert cell.get("title") == name
    assert len(cell.text or "") == 40
    assert (cell.text or "").endswith("/leaf")
    assert "/leaf" in run_text(run(step(name)))


def test_a_note_on_the_answer_stands_beneath_it() -> None:
    record = run(step("a"))
    record.note = "Several <ends>."
    assert run_text(record).endswith("  Several <ends>.")
    assert "Several &lt;ends&gt;." in run_html(record)


def test_a_replay_says_which_steps_were_taken_over_and_which_ran() -> None:
    replay = run(step("a", replayed=True), step("b", replayed=False))
    lines = run_text(replay).splitlines()
    assert "10 µs, as recorded" in lines[2]
    assert "10 µs, ran" in lines[3]
    html = run_html(replay)
    assert html.count("10 µs, as recorded<") == html.count("10 µs, ran<") == 1
    assert "ran" not in run_text(run(step("a", replayed=False)))
