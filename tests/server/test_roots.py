"""Tests of the roots that a server can have."""

from __future__ import annotations

import pytest

from graphkit import V2ModelServer, create_graph_server, new_router


@pytest.mark.parametrize(("given", "expected"), [({}, "VotingEnsemble"), ({"name": "zoo"}, "zoo")])
def test_a_root_router_is_called_as_given_else_by_its_class(given: dict[str, str], expected: str) -> None:
    router = new_router("VotingEnsemble", executor_type="array", **given)
    router.add_route("a", class_name=V2ModelServer, model=1)
    server = create_graph_server(graph=router)
    assert server.test("/v2/models/")["models"] == ["a", expected]


def test_a_body_in_the_place_of_the_path_is_told_where_it_belongs() -> None:
    with pytest.raises(TypeError, match=r"found dict; a body is given as test\(body=\.\.\.\)"):
        create_graph_server().test({"amount": 1})
