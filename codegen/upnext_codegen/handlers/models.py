"""What payloads carry of the project's classes: fields, keys and members, read from the sources alone.

Either everything about a class is certain, or it is left out: a comparison with an earlier state must be reliable.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field, replace

from upnext_codegen.handlers.annotations import Annotations, UnwritableError, Variables
from upnext_codegen.handlers.constraints import Constraints, NotCertainError
from upnext_codegen.handlers.enum_members import members
from upnext_codegen.handlers.model_code import CodeReader
from upnext_codegen.handlers.model_config import Config, ConfigReader
from upnext_codegen.handlers.model_fields import FieldReader, Options, with_keys
from upnext_codegen.names import values
from upnext_codegen.names.annotation_names import definitions
from upnext_codegen.names.evaluator import Evaluator
from upnext_codegen.names.modules import ExternalName
from upnext_codegen.names.scopes import Assignment, ClassDefinition, Definition, Scope, Use
from upnext_codegen.names.type_parameters import names_of, statement_of
from upnext_codegen.types import ANY, MODEL_KINDS, ClassType, Doubt, ModelFacts, ModelField

_ROOTS = frozenset({"pydantic.RootModel", "pydantic.root_model.RootModel"})
_NO_FIELDS = frozenset(
    {
        *("abc.ABC", "builtins.object", "pydantic.BaseModel", "pydantic.main.BaseModel"),
        *("typing.Generic", "typing.NamedTuple", "typing.Protocol", "typing.TypedDict"),
        *("typing_extensions.Generic", "typing_extensions.NamedTuple"),
        *("typing_extensions.Protocol", "typing_extensions.TypedDict"),
    }
)
"""Bases outside the project that add no fields."""

_DATACLASSES = {"dataclasses.dataclass": "dataclass", "pydantic.dataclasses.dataclass": "pydantic-dataclass"}
_HARMLESS_DECORATORS = frozenset(
    {
        *("functools.total_ordering", "typing.final", "typing_extensions.final"),
        *("typing_extensions.deprecated", "warnings.deprecated"),
    }
)
_ABSTRACT = ("collections.abc.", "typing.")
"""Modules whose classes annotate nothing that might be a field."""


@dataclass(frozen=True, slots=True)
class _Collected:
    """The fields of a class and its bases, while they are collected.

    Attributes:
        kind: The kind of the class, as `ClassFacts` has it.
        below: The classes that inherit from the one which is looked at.
        config: What holds for all fields.
        fields: The fields, in their order.
        options: What is said of each field beside its type.
    """

    kind: str
    below: tuple[values.ClassRef, ...] = ()
    config: Config = field(default_factory=Config)
    fields: dict[str, ModelField] = field(default_factory=dict[str, ModelField])
    options: dict[str, Options] = field(default_factory=dict[str, Options])


@dataclass(slots=True)
class Models:
    """Reads what payloads carry of classes.

    Attributes:
        evaluator: Knows the values of names.
    """

    evaluator: Evaluator
    _fields: FieldReader = field(init=False)
    _config: ConfigReader = field(init=False)
    _code: CodeReader = field(init=False)

    def __post_init__(self) -> None:
        constraints = Constraints(self.evaluator)
        self._fields = FieldReader(constraints, Annotations(self.evaluator, constraints))
        self._config = ConfigReader(constraints)
        self._code = CodeReader(constraints)

    def facts(self, ref: values.ClassRef, kind: str) -> ModelFacts | Doubt | None:
        """Return what a payload carries of a class, or why that is unknown; None for a class of another kind.

        Args:
            ref: The class.
            kind: As `ClassFacts` has it.
        """
        if kind not in MODEL_KINDS:
            return None
        module = ref.definition.scope.module
        place = module.name_place(statement_of(ref)[0])
        try:
            if kind == "enum":
                found = ModelFacts("enum", members(self.evaluator, ref))
            else:
                found = self._model(ref, _Collected(kind))
        except (NotCertainError, UnwritableError) as error:
            return Doubt(str(error), module.file, place)
        return found._replace(file=module.file, place=place)

    def facts_of_call(self, definition: Definition, call: ast.Call, kind: str) -> ModelFacts | Doubt | None:
        """Return what a payload carries of `TypedDict("Order", {"id": int})`; unknown for other calls.

        Args:
            definition: The name of the class.
            call: What makes it.
            kind: As `ClassFacts` has it.
        """
        module = definition.scope.module
        place = module.place(call)
        maker = self.evaluator.value(call.func, Use(definition.scope, definition.line))
        keys = call.args[1] if len(call.args) > 1 else None
        if (
            not isinstance(maker, ExternalName)
            or not maker.name.endswith(".TypedDict")
            or not isinstance(keys, ast.Dict)
        ):
            return Doubt("a call makes it", module.file, place) if kind in MODEL_KINDS else None
        total = not _is_false(call.keywords, "total")
        pairs = zip(keys.keys, keys.values, strict=True)
        try:
            found = [self._key(definition, key, value, total=total) for key, value in pairs]
        except (NotCertainError, UnwritableError) as error:
            return Doubt(str(error), module.file, place)
        return ModelFacts("typeddict", tuple(sorted(found)), file=module.file, place=place)

    def _key(self, owner: Definition, key: ast.expr | None, annotation: ast.expr, *, total: bool) -> ModelField:
        if not isinstance(key, ast.Constant) or not isinstance(key.value, str):
            raise NotCertainError("a key of it is not a constant")
        written = replace(owner, name=key.value, binding=Assignment(None, annotation), line=key.lineno)
        read = self._fields.read(written, "typeddict", {}, total=total)
        if read is None:
            raise NotCertainError("a key of it has no type")
        return with_keys(*read, Config(), "typeddict")

    def _model(self, ref: values.ClassRef, found: _Collected) -> ModelFacts:
        self._collect(ref, {name: ClassType("", name) for name in names_of(self.evaluator, ref)}, found)
        form = self._form(ref, found.kind) or "dataclass"
        fields = [
            with_keys(each, found.options.get(each.name, Options()), found.config, form)
            for each in found.fields.values()
        ]
        if form == "namedtuple":
            return ModelFacts(form, tuple(fields))
        if any(isinstance(each, ExternalName) and each.name in _ROOTS for each in self.evaluator.ancestors(ref)):
            if [each.name for each in fields] != ["root"]:
                raise NotCertainError("it has more fields than a root model may have")
            form = "root"
        return ModelFacts(form, tuple(sorted(fields)), found.config.extra)

    def _collect(self, ref: values.ClassRef, variables: Variables, found: _Collected) -> None:
        """Add the fields of a class to those of its bases.

        Raises:
            NotCertainError: If something of them cannot be known.
        """
        if ref in found.below:
            raise NotCertainError("it inherits from itself")
        node, use = statement_of(ref)
        for base in reversed(node.bases):
            self._inherit(base, use, variables, replace(found, below=(*found.below, ref)))
        form = self._form(ref, found.kind)
        body = self.evaluator.body_of(ref)
        self._config.apply(found.config, node, body.every(), use, Use(body))
        found.config.loose.update(self._code.loose(found.kind, body.every(), Use(body)))
        if form:  # In a class that only inherits from a dataclass, annotations are not fields.
            self._own_fields(body, variables, found, total=not _is_false(node.keywords, "total"))

    def _own_fields(self, body: Scope, variables: Variables, found: _Collected, *, total: bool) -> None:
        is_private = found.kind in {"model", "namedtuple"}
        for name, of_name in body.definitions.items():
            annotated = [each for each in of_name if _is_annotated(each)]
            if not annotated or name == "model_config" or (is_private and name.startswith("_")):
                if name in found.fields:
                    raise NotCertainError(f'its "{name}" takes the place of a field that it inherits')
                continue
            if len(of_name) > 1 or of_name[0].branches:
                raise NotCertainError(f'its "{name}" depends on a condition, or is there twice')
            read = self._fields.read(of_name[0], found.kind, variables, total=total)
            if read is not None:
                found.fields[name], found.options[name] = read

    def _inherit(self, base: ast.expr, use: Use, variables: Variables, found: _Collected) -> None:
        inner = base.value if isinstance(base, ast.Subscript) else base
        index = base.slice if isinstance(base, ast.Subscript) else None
        given = index.elts if isinstance(index, ast.Tuple) else [] if index is None else [index]
        known = definitions(self.evaluator, inner, use)
        one = known[0] if len(known) == 1 else None
        if isinstance(one, ExternalName):
            if one.name in _ROOTS and given:
                # The one field of a root model is annotated by the argument.
                found.fields["root"] = ModelField("root", self._fields.type(given[0], use, variables))
            if one.name not in _NO_FIELDS | _ROOTS and not one.name.startswith(_ABSTRACT):
                raise NotCertainError(f'its base class "{one.name}" is not of the project')
            return
        # In a subclass of a named tuple, annotations are not items; the functional form is not read here.
        if (
            not isinstance(one, Definition)
            or not isinstance(one.binding, ClassDefinition)
            or found.kind == "namedtuple"
        ):
            raise NotCertainError(f'what it inherits from "{ast.unparse(base)}" cannot be known')
        above = values.ClassRef(one)
        arguments = [self._fields.type(each, use, variables) for each in given]
        names = names_of(self.evaluator, above)
        self._collect(above, {**dict.fromkeys(names, ANY), **dict(zip(names, arguments, strict=False))}, found)

    def _form(self, ref: values.ClassRef, kind: str) -> str:
        """Return the form of a class, by its decorators; "" for one that only inherits from a dataclass.

        Raises:
            NotCertainError: If something else decorates it.
        """
        form = "" if kind == "dataclass" else kind
        node, use = statement_of(ref)
        for decorator in node.decorator_list:
            call = decorator if isinstance(decorator, ast.Call) else None
            found = self.evaluator.value(call.func if call else decorator, use)
            name = found.name if isinstance(found, ExternalName) else ""
            is_dataclass = kind == "dataclass" and name in _DATACLASSES
            if not is_dataclass and name not in _HARMLESS_DECORATORS:
                raise NotCertainError("another decorator may make another class of it")
            form = _DATACLASSES.get(name, form)
            if call and is_dataclass and any(each.arg in {"config", "init", None} for each in call.keywords):
                raise NotCertainError("its decorator configures it")
        return form


def _is_annotated(definition: Definition) -> bool:
    return isinstance(definition.binding, Assignment) and definition.binding.annotation is not None


def _is_false(keywords: list[ast.keyword], name: str) -> bool:
    return any(
        each.arg == name and isinstance(each.value, ast.Constant) and each.value.value is False for each in keywords
    )
