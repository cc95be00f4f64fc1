"""Published contracts in the form that the scanner produces: handlers, and the events they make up."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

from upnext_codegen.contract import Contract, Field, Upcast
from upnext_codegen.deployed.json_types import JsonTypes, mapping
from upnext_codegen.deployed.tasks import event_of_task
from upnext_codegen.merging.merge import merge
from upnext_codegen.merging.subtyping import Hierarchy
from upnext_codegen.records import Handler, Parameter, Place
from upnext_codegen.types import ClassFacts


class PublishedContract(NamedTuple):
    """A worker's published contract of one handler or task.

    Attributes:
        worker: The worker's name.
        event: The event's name, "" for a task.
        name: The handler's name.
        module: The module that defines it.
        schema: The JSON Schema of its payload, None where its worker does not say.
        releases: The releases that it is deployed in.
        since: When the first process with it started, in seconds since 1970.
        upcasts: The upcasters that it has: name, and the JSON Schemas of what they take and give.
    """

    worker: str
    event: str
    name: str
    module: str
    schema: Mapping[str, Any] | None
    releases: tuple[str, ...] = ()
    since: float = 0.0
    upcasts: tuple[Mapping[str, Any], ...] = ()

    @property
    def identity(self) -> tuple[str, str, str]:
        """Worker, event and name, which identify a handler."""
        return self.worker, self.event, self.name


@dataclass(frozen=True, slots=True)
class DeployedHandlers:
    """The handlers and tasks that are deployed, each with one contract.

    Attributes:
        handlers: Those whose contracts are known. Their places are not places of sources; each is another one.
        classes: Facts of the classes that their fields are typed with.
        upcasts: The upcasters of their events.
    """

    handlers: tuple[Handler, ...]
    classes: dict[str, ClassFacts]
    upcasts: Mapping[str, tuple[Upcast, ...]]

    def contract(self) -> Contract:
        """Return the contract of every event, as the senders to these handlers know it.

        Where handlers disagree a field is anything.
        """
        by_event: defaultdict[str, list[Handler]] = defaultdict(list)
        for handler in self.handlers:
            by_event[handler.event].append(handler)
        hierarchy = Hierarchy(self.classes)
        merged = [merge(event, by_event[event], hierarchy, open_to_extras=True) for event in sorted(by_event)]
        events = (each.contract for each in merged)
        return Contract(tuple(each._replace(upcasts=self.upcasts.get(each.name, ())) for each in events), self.classes)


def generations(published: Iterable[PublishedContract]) -> list[DeployedHandlers]:
    """Read the published contracts of workers.

    While two releases are deployed, a handler may have two contracts. Senders of each release know one of them.

    Returns:
        One for each release in such a case, the earliest first.
    """
    versions: defaultdict[tuple[str, str, str], list[PublishedContract]] = defaultdict(list)
    for each in sorted(published, key=lambda one: (one.since, one.releases)):
        if each.schema is not None:
            versions[each.identity].append(each)
    count = max(map(len, versions.values()), default=1)
    return [
        deployed_handlers(having[min(number, len(having) - 1)] for _, having in sorted(versions.items()))
        for number in range(count)
    ]


def deployed_handlers(published: Iterable[PublishedContract]) -> DeployedHandlers:
    """Read the published contracts of handlers or tasks, each once."""
    classes: dict[str, ClassFacts] = {}
    upcasts: defaultdict[str, dict[Upcast, None]] = defaultdict(dict)
    handlers: list[Handler] = []
    for number, each in enumerate(published, 1):
        handlers.append(_handler(number, each, classes))
        upcasts[each.event] |= dict.fromkeys(_upcast(one, classes) for one in each.upcasts if mapping(one.get("takes")))
    found = {event: tuple(each) for event, each in upcasts.items() if each}
    return DeployedHandlers(tuple(handlers), classes, found)


def _upcast(published: Mapping[str, Any], classes: dict[str, ClassFacts]) -> Upcast:
    def fields(schema: Any) -> tuple[Field, ...]:
        found = mapping(schema)
        types = JsonTypes(mapping(found.get("$defs")), classes)
        asked: object = found.get("required")
        required = set(map(str, cast("list[object]", asked))) if isinstance(asked, list) else set[str]()
        read = ((name, types.read(each)) for name, each in sorted(mapping(found.get("properties")).items()))
        return tuple(Field(name, written, name in required, ()) for name, written in read)

    gives = published.get("gives")
    return Upcast(
        str(published.get("name", "")), fields(published.get("takes")), None if gives is None else fields(gives)
    )


def _texts(value: object) -> tuple[str, ...]:
    return tuple(map(str, cast("list[object]", value))) if isinstance(value, list) else ()


def _handler(number: int, published: PublishedContract, classes: dict[str, ClassFacts]) -> Handler:
    schema = mapping(published.schema)
    types = JsonTypes(mapping(schema.get("$defs")), classes)
    properties = mapping(schema.get("properties"))
    required = set(_texts(schema.get("required")))
    further: object = schema.get("additionalProperties")
    former = mapping(schema.get("x-upnext-formerly"))
    parameters = tuple(
        Parameter(
            name,
            types.read(each),
            annotated=True,
            required=name in required,
            place=Place("", number, column),
            formerly=_texts(former.get(name)),
        )
        for column, (name, each) in enumerate(properties.items(), 2)
    )
    return Handler(
        event=published.event or event_of_task(published.worker, published.name),
        worker=published.worker,
        name=published.name,
        module=published.module,
        parameters=parameters,
        extras=None if further is False else types.read(further),
        extras_place=None if further is False else Place("", number, len(parameters) + 2),
        place=Place("", number, 1),
    )
