"""Settings of a class that apply to all of its fields: pydantic's configuration."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from upnext_codegen.handlers.constraints import Constraints, NotCertainError
from upnext_codegen.limits import MAX_TYPE_ALIASES
from upnext_codegen.names import values
from upnext_codegen.names.annotation_names import definitions
from upnext_codegen.names.evaluator import plain_arguments
from upnext_codegen.names.modules import ExternalName
from upnext_codegen.names.scopes import Assignment, ClassDefinition, Definition, Use
from upnext_codegen.types import ANY, ClassType, TupleType, Type, UnionType, constrained, unconstrained
from upnext_codegen.types.traversal import union

_SILENT = frozenset(
    [
        "allow_inf_nan",
        "arbitrary_types_allowed",
        "cache_strings",
        "coerce_numbers_to_str",
        "defer_build",
        "field_title_generator",
        "from_attributes",
        "frozen",
        "hide_input_in_errors",
        "ignored_types",
        "json_schema_extra",
        "json_schema_mode_override",
        "json_schema_serialization_defaults_required",
        "loc_by_alias",
        "model_title_generator",
        "orm_mode",
        "plugin_settings",
        "polymorphic_serialization",
        "protected_namespaces",
        "regex_engine",
        "revalidate_instances",
        "ser_json_inf_nan",
        "serialize_by_alias",
        "str_to_lower",
        "str_to_upper",
        "strict",
        "title",
        "url_preserve_empty_path",
        "use_attribute_docstrings",
        "use_enum_values",
        "validate_assignment",
        "validate_by_alias",
        "validate_default",
        "validate_return",
        "validation_error_cause",
    ]
)
"""Settings that do not change which JSON is read, as payloads read it, and which is written."""

_TIMES = frozenset({"datetime:date", "datetime:datetime", "datetime:time", "datetime:timedelta"})
_OF_TYPES = {
    "ser_json_bytes": frozenset({"builtins:bytes"}),
    "val_json_bytes": frozenset({"builtins:bytes"}),
    "ser_json_temporal": _TIMES,
    "ser_json_timedelta": _TIMES,
    "val_temporal_unit": _TIMES,
}
"""Settings that only change how values of some types are written or read."""

_OF_TEXTS = {
    "str_max_length": "max_length",
    "str_min_length": "min_length",
    "str_strip_whitespace": "strip_whitespace",
}
"""Settings that are limits of all texts of a class."""

_EXTRAS = frozenset({"allow", "forbid", "ignore"})
_BY_NAME = frozenset({"allow_population_by_field_name", "populate_by_name", "validate_by_name"})

Alias: TypeAlias = Callable[[str], str]
_STR = ClassType("builtins", "str")
_CONTAINERS = frozenset({"builtins", "collections", "collections.abc"})


@dataclass(slots=True)
class Config:
    """Settings that apply to all fields of a class.

    Attributes:
        extra: What is done with unknown keys.
        by_name: Whether fields are read by their names beside their aliases.
        written: Makes of a name the alias that a field is written under.
        read: Makes of a name the alias that a field is read from.
        loose: The names of fields that code of the user reads or writes, "*" for all.
        opaque: The types ("module:qualname") whose values are written or read in another way.
        of_texts: The limits of all texts that have none of the kind themselves, by name.
    """

    extra: str = "ignore"
    by_name: bool = False
    written: Alias | None = None
    read: Alias | None = None
    loose: set[str] = field(default_factory=set[str])
    opaque: frozenset[str] = frozenset()
    of_texts: dict[str, str] = field(default_factory=dict[str, str])

    def held(self, written: Type) -> Type:
        """Return the type of a field under the class's settings for all fields."""
        if not self.opaque and not self.of_texts:
            return written
        inner, limits = unconstrained(written)
        if limits:
            return constrained(self._limited(inner, limits) if inner == _STR else self.held(inner), limits)
        match written:
            case ClassType(module, qualname, ()):
                return ANY if f"{module}:{qualname}" in self.opaque else self._limited(written, limits)
            case ClassType(module, qualname, arguments) if module in _CONTAINERS:
                return ClassType(module, qualname, tuple(map(self.held, arguments)))
            case TupleType(items, variadic):
                return TupleType(tuple(map(self.held, items)), variadic)
            case UnionType(members):
                return union([self.held(each) for each in members])
            case _:
                return written

    def _limited(self, written: Type, limits: frozenset[str]) -> Type:
        own = {each.partition("=")[0] for each in limits}
        added = {f"{name}={text}" for name, text in self.of_texts.items() if name not in own and text}
        # Stripping blanks matters only if a text must not be empty; otherwise a lock need not mention it.
        is_needed = any(each.startswith("min_length=") for each in (*added, *limits))
        added = {each for each in added if is_needed or not each.startswith("strip_whitespace=")}
        return constrained(written, added) if written == _STR else written


@dataclass(frozen=True, slots=True)
class ConfigReader:
    """Reads the configuration of classes.

    Attributes:
        constraints: Knows the names of pydantic, and constants.
    """

    constraints: Constraints

    def apply(self, config: Config, node: ast.ClassDef, body: Iterable[Definition], use: Use, inside: Use) -> None:
        """Let a class override the settings of its bases.

        Args:
            config: What its bases say.
            node: Its `class` statement.
            body: The definitions in it.
            use: Where the statement stands.
            inside: Where its body stands.

        Raises:
            NotCertainError: If it says something that cannot be known.
        """
        evaluator = self.constraints.evaluator
        above = [each for base in node.bases for each in evaluator.ancestors(evaluator.value(_base(base), use))]
        settings = _Settings(self.constraints, config, above)
        for keyword in node.keywords:
            if keyword.arg not in {"metaclass", "total"}:
                settings.set(keyword.arg or "**", keyword.value, use)
        for each in body:
            match each.binding:
                case Assignment(ast.expr() as value, _) if each.name in {"model_config", "__pydantic_config__"}:
                    settings.read(value, inside)
                case ClassDefinition(inner) if each.name == "Config":
                    settings.of_class(inner, inside)
                case _:
                    pass


@dataclass(frozen=True, slots=True)
class _Settings:
    """Reads the settings of one class.

    Attributes:
        constraints: Knows the names of pydantic, and constants.
        config: What they change.
        above: The classes that it inherits from.
    """

    constraints: Constraints
    config: Config
    above: Sequence[values.Value]

    def read(self, value: ast.expr, use: Use, depth: int = 0) -> None:
        """Read `ConfigDict(...)`, a dict, a name for one of them, or a union of two.

        Raises:
            NotCertainError: If it is anything else.
        """
        match value:
            case ast.Call() if not value.args and self._makes_settings(value, use):
                for given in plain_arguments(value, use):
                    self.set(given.keyword, given.value, given.use)
            case ast.Dict(keys, items):
                for key, item in zip(keys, items, strict=True):
                    name = key.value if isinstance(key, ast.Constant) and isinstance(key.value, str) else "**"
                    self.set(name, item, use)
            case ast.BinOp(left, ast.BitOr(), right) if depth < MAX_TYPE_ALIASES:
                self.read(left, use, depth + 1)
                self.read(right, use, depth + 1)
            case ast.Attribute(owner, "model_config") if self.constraints.evaluator.value(owner, use) in self.above:
                pass  # It is inherited in any case.
            case ast.Name() | ast.Attribute() if depth < MAX_TYPE_ALIASES:
                self._named(value, use, depth)
            case _:
                raise NotCertainError("its configuration is not written out")

    def _named(self, value: ast.Name | ast.Attribute, use: Use, depth: int) -> None:
        found = definitions(self.constraints.evaluator, value, use)
        one = found[0] if len(found) == 1 else None
        binding = one.binding if isinstance(one, Definition) else None
        # The configuration of a class includes that of its bases.
        is_config = isinstance(value, ast.Attribute) and value.attr == "model_config"
        if (
            is_config
            or not isinstance(one, Definition)
            or not isinstance(binding, Assignment)
            or not isinstance(binding.value, ast.expr)
        ):
            raise NotCertainError("its configuration is not written out")
        self.read(binding.value, one.use, depth + 1)

    def _makes_settings(self, call: ast.Call, use: Use) -> bool:
        made = self.constraints.evaluator.value(call.func, use)
        return isinstance(made, ExternalName) and made.name.endswith((".ConfigDict", "builtins.dict"))

    def of_class(self, node: ast.ClassDef, use: Use) -> None:
        """Read `class Config:`, pydantic's original form."""
        if node.bases:
            raise NotCertainError("its class Config has a base class")
        for statement in node.body:
            match statement:
                case ast.Assign([ast.Name(name)], value):
                    self.set(name, value, use)
                case ast.Expr(ast.Constant()) | ast.Pass():
                    pass
                case _:
                    raise NotCertainError("its class Config holds more than settings")

    def set(self, name: str, value: ast.expr, use: Use) -> None:
        """Read one setting; `**` unpacks several."""
        if name == "**":
            self.read(value, use, 1)
            return
        if name in _SILENT:
            return
        known = self.constraints.constant(value, use)
        if name in _OF_TYPES and isinstance(known, str):
            self.config.opaque |= frozenset() if known in {"utf8", "iso8601"} else _OF_TYPES[name]
        elif name in _OF_TEXTS and (known is None or isinstance(known, int)):
            self.config.of_texts[_OF_TEXTS[name]] = "" if known is None or known is False else str(known)
        elif name == "extra" and isinstance(known, str) and known in _EXTRAS:
            self.config.extra = known
        elif name in _BY_NAME and isinstance(known, bool):
            self.config.by_name = known
        elif name == "alias_generator" and (makers := self._alias_makers(value, use)):
            self.config.written, self.config.read = makers
        else:
            raise NotCertainError(f'it sets "{name}"')

    def _alias_makers(self, value: ast.expr, use: Use) -> tuple[Alias | None, Alias | None] | None:
        """The generators of the aliases under which fields are written and read; None if unknown."""
        if self.constraints.constant(value, use) is None:
            return None, None
        if not isinstance(value, ast.Call) or self.constraints.name_of(value.func, use) != "AliasGenerator":
            maker = _alias_generator(self.constraints.name_of(value, use))
            return maker and (maker, maker)
        names = iter(("alias", "validation_alias", "serialization_alias"))
        makers: dict[str, Alias | None] = {}
        for given in plain_arguments(value, use):
            name = given.keyword or next(names, "")
            makers[name] = _alias_generator(self.constraints.name_of(given.value, given.use))
            if makers[name] is None and self.constraints.constant(given.value, given.use) is not None:
                return None
        alias = makers.get("alias")
        return makers.get("serialization_alias") or alias, makers.get("validation_alias") or alias


def _base(expr: ast.expr) -> ast.expr:
    return expr.value if isinstance(expr, ast.Subscript) else expr


def _alias_generator(name: str) -> Alias | None:
    """Return one of pydantic's own alias generators."""
    from pydantic import alias_generators  # noqa: PLC0415 - few projects use them, and pydantic takes a while to import

    return {
        "to_camel": alias_generators.to_camel,
        "to_pascal": alias_generators.to_pascal,
        "to_snake": alias_generators.to_snake,
    }.get(name)
