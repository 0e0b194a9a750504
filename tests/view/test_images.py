from __future__ import annotations

from typing import Any

from graphkit.core.errors import GraphkitError
from graphkit.view.images import image_bundle, outline_html


class Pipe:
    """Counts what is drawn."""

    def __init__(self, error: Exception | None = None) -> None:
        self.asked: list[str] = []
        self.error = error

    def __call__(self, format: str) -> bytes:
        self.asked.append(format)
        if self.error is not None:
            raise self.error
        return f"<{format}/>".encode()


def test_only_what_is_wanted_is_drawn() -> None:
    pipe = Pipe()
    assert image_bundle(pipe, "alt", "text", include=["text/plain"]) == {"text/plain": "text"}
    assert pipe.asked == []
    bundle = image_bundle(pipe, "alt", "text", exclude=["image/png"])
    assert list(bundle) == ["text/html", "image/svg+xml", "text/plain"]
    assert pipe.asked == ["svg"]


def test_exclude_wins_over_include() -> None:
    bundle = image_bundle(Pipe(), "alt", "text", include=["image/png", "text/html"], exclude=["text/html"])
    assert bundle == {"image/png": b"<png/>"}


def test_jpeg_is_drawn_on_demand_and_unknown_forms_are_left_out() -> None:
    bundle = image_bundle(Pipe(), "alt", "text", include=["image/jpeg", "application/pdf"])
    assert bundle == {"image/jpeg": b"<jpeg/>"}


def test_the_alternative_text_is_escaped() -> None:
    html = image_bundle(Pipe(), '"><script>alert(1)</script>', "text")["text/html"]
    assert "<script>" not in html
    assert html.count('"') % 2 == 0


def test_the_ground_is_white_in_dark_themes() -> None:
    assert "background:white" in image_bundle(Pipe(), "alt", "text")["text/html"]


def test_a_picture_that_cannot_be_drawn_becomes_its_outline() -> None:
    error = GraphkitError("install <something>")
    bundle = image_bundle(Pipe(error), "alt", "a -> <b>")
    assert list(bundle) == ["text/html", "text/plain"]
    assert "a -&gt; &lt;b&gt;" in bundle["text/html"]
    assert "install &lt;something&gt;" in bundle["text/html"]


def test_any_other_error_is_named() -> None:
    assert "OSError: disk" in image_bundle(Pipe(OSError("disk")), "alt", "text")["text/html"]


def test_a_note_is_shown_and_escaped() -> None:
    assert image_bundle(Pipe(), "alt", "text", note="a<b")["text/html"].endswith("<div>a&lt;b</div>")


def test_svg_is_kept_when_only_the_bitmap_fails() -> None:
    def pipe(format: str) -> Any:
        if format == "png":
            raise GraphkitError("no bitmaps")
        return b"<svg/>"

    bundle = image_bundle(pipe, "alt", "text")
    assert list(bundle) == ["text/html", "image/svg+xml", "text/plain"]
    assert "<img" in bundle["text/html"]


def test_outlines_are_escaped() -> None:
    assert "<i>" not in outline_html("<i>", "<i>")
