"""Contracts as JSON and back, as `upnext.lock` keeps them and other tools read them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from upnext_codegen.contract import Asker, Contract, EventContract, Field, Receiver, Upcast
from upnext_codegen.types import MODEL_KINDS, ClassFacts, ClassType, Doubt, ModelFacts, ModelField
from upnext_codegen.types.format import full_name, full_text
from upnext_codegen.types.parse import TypeReader
from upnext_codegen.types.traversal import classes_in


def to_json(contract: Contract) -> dict[str, Any]:
    """Return a contract as JSON values; the writer sorts the keys."""
    return {
        "classes": {
            full_name(owner.module, owner.qualname): _class_json(owner, contract.classes)
            for owner in _classes(contract)
        },
        "events": {event.name: _event_json(event) for event in contract.events},
    }


def from_json(data: dict[str, Any]) -> Contract:
    """Return the contract that `to_json` wrote.

    Raises:
        ValueError: If the data is none.
    """
    try:
        reader = TypeReader({name: facts["module"] for name, facts in data["classes"].items()})
        events = tuple(_event(name, event, reader) for name, event in sorted(data["events"].items()))
        classes = {
            f"{facts['module']}:{name.removeprefix(facts['module'] + '.')}": _facts(facts, reader)
            for name, facts in data["classes"].items()
            if "kind" in facts
        }
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError("it is damaged: its events or classes are not as `upnext gen` writes them") from error
    return Contract(events, classes)


def _event_json(event: EventContract) -> dict[str, Any]:
    seldom: dict[str, Any] = {"owner": event.owner} if event.owner else {}
    if event.upcasts:
        seldom["upcasts"] = [_upcast_json(each) for each in event.upcasts]
    return seldom | {
        "extras": None if event.extras is None else full_text(event.extras),
        "fields": {
            field.name: {
                "asked_by": {asker.identity: "required" if asker.required else "optional" for asker in field.asked_by},
                "required": field.required,
                "type": full_text(field.type),
                **({"formerly": list(field.formerly)} if field.formerly else {}),
            }
            for field in event.fields
        },
        "handlers": {
            receiver.identity: {
                "closed": receiver.closed,
                "module": receiver.module,
                "name": receiver.name,
                "worker": receiver.worker,
            }
            for receiver in event.receivers
        },
    }


def _upcast_json(upcast: Upcast) -> dict[str, Any]:
    def fields(given: Iterable[Field]) -> dict[str, Any]:
        return {field.name: {"required": field.required, "type": full_text(field.type)} for field in given}

    gives = None if upcast.gives is None else fields(upcast.gives)
    return {"name": upcast.name, "takes": fields(upcast.takes), "gives": gives}


def _upcast(data: dict[str, Any], reader: TypeReader) -> Upcast:
    def fields(given: dict[str, Any]) -> tuple[Field, ...]:
        return tuple(Field(name, reader.read(each["type"]), each["required"], ()) for name, each in given.items())

    return Upcast(data["name"], fields(data["takes"]), None if data["gives"] is None else fields(data["gives"]))


def _event(name: str, data: dict[str, Any], reader: TypeReader) -> EventContract:
    fields = [
        Field(
            name=field_name,
            type=reader.read(field["type"]),
            required=field["required"],
            asked_by=tuple(Asker(who, how == "required") for who, how in sorted(field["asked_by"].items())),
            formerly=tuple(field.get("formerly", ())),
        )
        for field_name, field in data["fields"].items()
    ]
    return EventContract(
        name=name,
        fields=tuple(sorted(fields, key=lambda field: (not field.required, field.name))),
        extras=None if data["extras"] is None else reader.read(data["extras"]),
        receivers=tuple(
            sorted(
                Receiver(item["worker"], item["name"], item["module"], item["closed"])
                for item in data["handlers"].values()
            )
        ),
        owner=str(data.get("owner", "")),
        upcasts=tuple(_upcast(each, reader) for each in data.get("upcasts", ())),
    )


def _class_json(owner: ClassType, classes: dict[str, ClassFacts]) -> dict[str, Any]:
    facts = classes.get(f"{owner.module}:{owner.qualname}")
    if facts is None:
        return {"module": owner.module}
    return {
        "bases": [full_text(base) for base in facts.bases],
        "json": facts.json,
        "kind": facts.kind,
        "module": owner.module,
        "payload": None if facts.model is None else _model_json(facts.model),
        "type_parameters": [list(parameter) for parameter in facts.type_parameters],
    }


def _model_json(model: ModelFacts) -> dict[str, Any]:
    if model.form == "enum":
        return {"form": model.form, "members": {member.name: full_text(member.type) for member in model.fields}}
    is_ordered = model.form == "namedtuple"
    return {
        "extra": model.extra,
        "fields": {
            field.name: {
                "required": field.required,
                "type": full_text(field.type),
                **({"position": position} if is_ordered else {}),
                **({"read": list(field.read)} if field.read else {}),
                **({"written": list(field.written)} if field.written else {}),
                **({"left_out": field.left_out} if field.left_out else {}),
            }
            for position, field in enumerate(model.fields)
        },
        "form": model.form,
    }


def _model(data: dict[str, Any], reader: TypeReader) -> ModelFacts:
    if data["form"] == "enum":
        return ModelFacts("enum", tuple(ModelField(name, reader.read(text)) for name, text in data["members"].items()))
    fields = sorted(data["fields"].items(), key=lambda item: (item[1].get("position", 0), item[0]))
    return ModelFacts(
        data["form"],
        tuple(
            ModelField(
                name,
                reader.read(item["type"]),
                item["required"],
                tuple(item.get("written", ())),
                tuple(item.get("read", ())),
                left_out=str(item.get("left_out", "")),
            )
            for name, item in fields
        ),
        data["extra"],
    )


def _facts(data: dict[str, Any], reader: TypeReader) -> ClassFacts:
    payload = data.get("payload")  # absent in format 1
    is_doubtful = "payload" in data and payload is None and data["kind"] in MODEL_KINDS
    return ClassFacts(
        bases=tuple(reader.read(base) for base in data["bases"]),
        kind=data["kind"],
        type_parameters=tuple((name, variance) for name, variance in data["type_parameters"]),
        json=data["json"],
        model=None if payload is None else _model(payload, reader),
        doubt=Doubt("the earlier lock does not say what payloads carried of it") if is_doubtful else None,
    )


def _classes(contract: Contract) -> list[ClassType]:
    """Return the classes for which a name is not enough: the project's, and nested ones."""
    found: dict[str, ClassType] = {}
    waiting = [
        written
        for event in contract.events
        for written in (
            *(field.type for field in event.fields),
            *([event.extras] if event.extras else []),
            *(field.type for upcast in event.upcasts for field in (*upcast.takes, *(upcast.gives or ()))),
        )
    ]
    while waiting:
        for owner in classes_in(waiting.pop()):
            name = f"{owner.module}:{owner.qualname}"
            if name not in found and (name in contract.classes or "." in owner.qualname):
                found[name] = owner
                facts = contract.classes.get(name, ClassFacts())
                waiting.extend(facts.bases)
                waiting.extend(field.type for field in (facts.model.fields if facts.model else ()))
    return list(found.values())
