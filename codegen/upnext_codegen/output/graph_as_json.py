"""The graph of events as JSON. Keys are only ever added to it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from upnext_codegen.graph.build import Graph
    from upnext_codegen.records import Handler, Send, Task


def graph_as_json(graph: Graph) -> str:
    """Write a graph for other programs; places are relative to the project root, lines count from 1."""
    whole = {
        "events": [
            {
                "name": event,
                "handlers": [_function(each, graph) for each in graph.handlers.get(event, ())],
                "sends": [_send(each) for each in graph.sends.get(event, ())],
            }
            for event in graph.events
        ],
        "tasks": [
            {**_function(each, graph), "sends": [_send(send) for send in graph.submissions_of(each)]}
            for each in graph.tasks
        ],
        "chains": graph.chains(),
        "unknown_sends": [_send(each) for each in graph.unknown],
    }
    return json.dumps(whole, indent=2) + "\n"


def _function(found: Handler | Task, graph: Graph) -> dict[str, Any]:
    return {
        "worker": found.worker,
        "name": found.name,
        "module": found.module,
        "file": found.place.file,
        "line": found.place.line,
        "leads_to": sorted(graph.follow_ups(found)),
    }


def _send(send: Send) -> dict[str, Any]:
    return {
        "file": send.place.file,
        "line": send.place.line,
        "function": send.function,
        "fields": list(send.fields),
        "unknown_fields": send.unknown_fields,
    }
