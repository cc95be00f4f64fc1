"""What payloads carry of the classes in one file, worked out from that file and those that its names lead to.

As in `analyze_file`, no result for one file is used for another, so that results can be cached.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from upnext_codegen.handlers.annotations import Annotations
from upnext_codegen.handlers.classes import Classes
from upnext_codegen.handlers.models import Models
from upnext_codegen.names.evaluator import Evaluator
from upnext_codegen.names.lookup import Lookup
from upnext_codegen.names.modules import ModuleRef, RecordedModules
from upnext_codegen.names.scopes import Assignment, ClassDefinition
from upnext_codegen.names.values import ClassRef
from upnext_codegen.records import FileModels
from upnext_codegen.types import ClassFacts, ClassType, Doubt
from upnext_codegen.types.traversal import classes_in

if TYPE_CHECKING:
    from upnext_codegen.names.modules import Modules
    from upnext_codegen.names.scopes import SourceModule
    from upnext_codegen.sources import Sources


def analyze_models(sources: Sources, modules: Modules, file: str, asked: Iterable[str]) -> FileModels:
    """Work out what payloads carry of classes in a file, and of the classes that they contain in the same file.

    Args:
        sources: Parses files.
        modules: The project's module names.
        file: The file.
        asked: Its classes that are asked for, by "module:qualname".
    """
    read: set[str] = set()

    def load(path: str) -> SourceModule | None:
        read.add(path)
        return sources.load(path)

    recorded = RecordedModules(modules)
    evaluator = Evaluator(Lookup(recorded, load))
    classes = Classes(Annotations(evaluator))
    models = Models(evaluator)
    found: dict[str, ClassFacts] = {}
    seen = set(asked)
    waiting = sorted(seen)
    while waiting:
        name = waiting.pop()
        facts = _facts(classes, models, name)
        if facts is None:
            continue
        found[name] = facts
        held = [item.type for item in facts.model.fields] if facts.model else []
        inside = {f"{each.module}:{each.qualname}" for each in (*facts.bases, *held) for each in classes_in(each)}
        for each in sorted(inside - seen):
            source = recorded.named(each.partition(":")[0])
            if isinstance(source, ModuleRef) and source.file == file:
                waiting.append(each)
                seen.add(each)
    answers = json.dumps(sorted(recorded.answers.items()), separators=(",", ":"))
    return FileModels(frozenset(seen), dict(sorted(found.items())), tuple(sorted(read)), answers)


def _facts(classes: Classes, models: Models, name: str) -> ClassFacts | None:
    module, _, qualname = name.partition(":")
    try:
        definition = classes.find(ClassType(module, qualname))
        if definition is None:
            return None
        facts = classes.facts_of(definition)
        found = None
        if isinstance(definition.binding, ClassDefinition):
            found = models.facts(ClassRef(definition), facts.kind)
        elif isinstance(definition.binding, Assignment) and isinstance(definition.binding.value, ast.Call):
            found = models.facts_of_call(definition, definition.binding.value, facts.kind)
        if isinstance(found, Doubt):
            return replace(facts, doubt=found)
        return facts if found is None else replace(facts, model=found)
    except RecursionError:
        return None  # Its names cannot be followed to their end: nothing about it is certain.
