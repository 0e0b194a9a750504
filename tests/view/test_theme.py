from __future__ import annotations

from itertools import combinations
from typing import Any

from graphkit.plan.topology import EdgeKind
from graphkit.spec.steps import Kind
from graphkit.view import theme


def test_each_kind_has_the_shape_that_mlrun_users_know(build: Any) -> None:
    topology = build.graph(
        build.task("t"), build.router("r", ["m"], "t"), build.queue("q", "r"), build.error("e"), on_error="e"
    )
    shapes = {path: theme.look(node).shape for path, node in topology.nodes.items() if path}
    assert shapes == {"t": "ellipse", "r": "doubleoctagon", "r/m": "ellipse", "q": "cds", "e": "ellipse"}
    assert theme.START.shape == "egg"


def test_a_steps_own_shape_wins(build: Any) -> None:
    topology = build.graph(build.queue("q", shape="cylinder"))
    assert theme.look(topology.nodes["q"]).shape == "cylinder"


def _luminance(color: str) -> float:
    """Relative luminance as in WCAG 2.2."""
    parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(first: str, second: str) -> float:
    light, dark = sorted((_luminance(first), _luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_text_is_readable_on_every_fill() -> None:
    fills = [look.fill for look in (*theme.KINDS.values(), *theme.FUNCTIONS, theme.START, theme.ROUTE)]
    assert all(_contrast(theme.INK, fill) >= 7 for fill in [*fills, theme.WRONG_FILL])


def test_borders_and_captions_stand_out_from_their_fills() -> None:
    assert all(_contrast(look.line, look.fill) >= 3 for look in theme.KINDS.values() if look.shape)
    # the names of functions and the small lines below names are text in these colours
    assert all(_contrast(look.line, look.fill) >= 4.5 for look in theme.FUNCTIONS)
    assert all(_contrast(theme.QUIET, look.fill) >= 4.5 for look in (*theme.KINDS.values(), theme.ROUTE))
    assert all(_contrast(theme.WRONG_TEXT, fill) >= 4.5 for fill in (theme.PAPER, theme.WRONG_FILL))
    assert _contrast(theme.DOUBT_TEXT, theme.PAPER) >= 4.5
    assert all(_contrast(line, theme.PAPER) >= 3 for line in (theme.WRONG, theme.DOUBT))
    assert all(_contrast("#FFFFFF", sign) >= 4.5 for sign in (theme.GOOD_SIGN, theme.WRONG_SIGN))


def test_what_a_run_shows_can_be_read() -> None:
    warm = [theme.mixed(theme.HOT, share) for share in theme.HEAT]
    assert all(_contrast(theme.INK, fill) >= 7 for fill in warm)
    assert _contrast(theme.WRONG_TEXT, theme.mixed(theme.WRONG, theme.FAILED_FILL)) >= 4.5
    idle = [theme.mixed(look.fill, theme.IDLE_NODE) for look in theme.KINDS.values()]
    assert all(_contrast(theme.QUIET, fill) >= 4.5 for fill in idle)
    strokes = (theme.PASSED, theme.FAILED, theme.TAKEN, theme.TAKEN_ERROR)
    assert all(_contrast(stroke.color, theme.PAPER) >= 3 for stroke in strokes)


def test_no_two_kinds_look_the_same_without_colour() -> None:
    # an error handler is told apart by the dashed edge that leads to it
    shapes = [theme.KINDS[kind].shape for kind in (Kind.TASK, Kind.ROUTER, Kind.QUEUE)]
    assert all(first != second for first, second in combinations([*shapes, theme.START.shape], 2))
    assert theme.STROKES[EdgeKind.ERROR].style == "dashed"
    assert {stroke.style for kind, stroke in theme.STROKES.items() if kind is not EdgeKind.ERROR} == {"solid"}


def test_functions_are_tinted_in_order_and_begin_again(build: Any) -> None:
    names = [f"fn{i}" for i in range(len(theme.FUNCTIONS) + 1)]
    topology = build.graph(*(build.task(f"t{name}", function=name) for name in names), build.task("own"))
    looks = theme.function_looks(topology.nodes)
    assert list(looks) == names
    assert looks[names[0]] == looks[names[-1]] != looks[names[1]]
