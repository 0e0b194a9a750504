from types import SimpleNamespace

from graphkit.core.context import GraphContext
from graphkit.core.event import Event
from graphkit.streams.memory import MemoryStream


def test_an_error_record_is_stored_even_when_the_body_is_no_json():
    stream = MemoryStream("memory://errors")
    context = GraphContext(server=SimpleNamespace(verbose=False, _error_stream_object=stream, function_uri="p/f"))
    context.push_error(Event({"x": 1, "odd": len}, event_id="7"), "broken", source="step", why=range)
    (record,) = stream.read()
    assert record["event"] == {"id": "7", "body": {"x": 1, "odd": "<built-in function len>"}}
    assert record["args"] == {"why": "<class 'range'>"}
    assert (record["source"], record["message"], record["function_uri"]) == ("step", "broken", "p/f")
