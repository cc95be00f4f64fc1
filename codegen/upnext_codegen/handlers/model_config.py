"""What a class says of its fields as a whole: pydantic's configuration, and validators that stand between."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from upnext_codegen.handlers.constraints import Constraints, NotCertainError
from upnext_codegen.names.annotation_names import definitions
from upnext_codegen.names.evaluator import plain_arguments
from upnext_codegen.names.modules import ExternalName
from upnext_codegen.names.scopes import Assignment, ClassDefinition, Definition, FunctionDefinition, FunctionNode, Use

_SILENT = frozenset(
    [
        "arbitrary_types_allowed",
        "cache_strings",
        "defer_build",
        "from_attributes",
        "frozen",
        "hide_input_in_errors",
        "json_schema_extra",
        "json_schema_mode_override",
        "json_schema_serialization_defaults_required",
        "loc_by_alias",
        "orm_mode",
        "protected_namespaces",
        "regex_engine",
        "revalidate_instances",
        "strict",
        "str_strip_whitespace",
        "title",
        "use_attribute_docstrings",
        "use_enum_values",
        "validate_assignment",
        "validate_by_alias",
        "validate_default",
        "validate_return",
    ]
)
"""Settings that do not change which JSON is read, as payloads read it, and which is written."""

_EXTRAS = frozenset({"allow", "forbid", "ignore"})
_BY_NAME = frozenset({"allow_population_by_field_name", "populate_by_name", "validate_by_name"})
_WRITES = frozenset({"field_serializer", "serializer"})
_READS = frozenset({"field_validator", "validator"})
_WHOLE = frozenset({"model_serializer", "root_validator"})


@dataclass(slots=True)
class Config:
    """What holds for all fields of a class.

    Attributes:
        extra: What is done with unknown keys.
        by_name: Whether fields are read by their names beside their aliases.
        alias: Makes an alias of a name.
        loose: The names of fields that code of the user reads or writes, "*" for all.
    """

    extra: str = "ignore"
    by_name: bool = False
    alias: Callable[[str], str] | None = None
    loose: set[str] = field(default_factory=set[str])


@dataclass(frozen=True, slots=True)
class ConfigReader:
    """Reads the configuration of classes.

    Attributes:
        constraints: Knows the names of pydantic, and constants.
    """

    constraints: Constraints

    def apply(self, config: Config, node: ast.ClassDef, body: Iterable[Definition], use: Use, inside: Use) -> None:
        """Let a class change what its bases say.

        Args:
            config: What its bases say.
            node: Its `class` statement.
            body: The definitions in it.
            use: Where the statement stands.
            inside: Where its body stands.

        Raises:
            NotCertainError: If it says something that cannot be known.
        """
        for keyword in node.keywords:
            if keyword.arg not in {"metaclass", "total"}:
                self._setting(config, keyword.arg or "**", keyword.value, use)
        for each in body:
            match each.binding:
                case Assignment(ast.expr() as value, _) if each.name in {"model_config", "__pydantic_config__"}:
                    self.settings(config, value, inside)
                case ClassDefinition(inner) if each.name == "Config":
                    self._config_class(config, inner, inside)
                case FunctionDefinition(function):
                    self._method(config, function, inside)
                case _:
                    pass

    def settings(self, config: Config, value: ast.expr, use: Use, depth: int = 0) -> None:
        """Read `ConfigDict(...)`, a dict, or a name for one of them.

        Raises:
            NotCertainError: If it is anything else.
        """
        match value:
            case ast.Call() if not value.args and self._makes_settings(value, use):
                for given in plain_arguments(value, use):
                    self._setting(config, given.keyword, given.value, given.use)
            case ast.Dict(keys, items):
                for key, item in zip(keys, items, strict=True):
                    name = key.value if isinstance(key, ast.Constant) and isinstance(key.value, str) else "**"
                    self._setting(config, name, item, use)
            case ast.Name() | ast.Attribute() if depth == 0:
                found = definitions(self.constraints.evaluator, value, use)
                one = found[0] if len(found) == 1 else None
                binding = one.binding if isinstance(one, Definition) else None
                if not isinstance(one, Definition) or not isinstance(binding, Assignment):
                    raise NotCertainError
                if not isinstance(binding.value, ast.expr):
                    raise NotCertainError
                self.settings(config, binding.value, one.use, 1)
            case _:
                raise NotCertainError

    def _makes_settings(self, call: ast.Call, use: Use) -> bool:
        made = self.constraints.evaluator.value(call.func, use)
        return isinstance(made, ExternalName) and made.name.endswith((".ConfigDict", "builtins.dict"))

    def _config_class(self, config: Config, node: ast.ClassDef, use: Use) -> None:
        if node.bases:
            raise NotCertainError
        for statement in node.body:
            match statement:
                case ast.Assign([ast.Name(name)], value):
                    self._setting(config, name, value, use)
                case ast.Expr(ast.Constant()) | ast.Pass():
                    pass
                case _:
                    raise NotCertainError

    def _setting(self, config: Config, name: str, value: ast.expr, use: Use) -> None:
        if name in _SILENT:
            return
        known = self.constraints.constant(value, use)
        if name == "extra" and isinstance(known, str) and known in _EXTRAS:
            config.extra = known
        elif name in _BY_NAME and isinstance(known, bool):
            config.by_name = known
        elif name == "alias_generator" and known is None:
            config.alias = None
        elif name == "alias_generator" and (maker := _alias_generator(self.constraints.name_of(value, use))):
            config.alias = maker
        else:
            raise NotCertainError

    def _method(self, config: Config, function: FunctionNode, use: Use) -> None:
        if function.name in {"__get_pydantic_core_schema__", "__get_validators__", "__new__"}:
            raise NotCertainError
        for decorator in function.decorator_list:
            call = decorator if isinstance(decorator, ast.Call) else None
            name = self.constraints.name_of(call.func if call else decorator, use)
            if name in _WHOLE:
                raise NotCertainError
            if name == "model_validator" and not (call and self._runs_after(call, use)):
                raise NotCertainError
            if name in _WRITES or (name in _READS and not (call and self._runs_after(call, use))):
                given = plain_arguments(call, use) if call else []
                named = [self.constraints.constant(each.value, each.use) for each in given if each.keyword == ""]
                config.loose |= {each if isinstance(each, str) else "*" for each in named}

    def _runs_after(self, call: ast.Call, use: Use) -> bool:
        """Whether a validator sees only what has its type already."""
        for each in plain_arguments(call, use):
            if each.keyword == "mode":
                return self.constraints.constant(each.value, each.use) == "after"
            if each.keyword == "pre":
                return self.constraints.constant(each.value, each.use) is False
        return self.constraints.name_of(call.func, use) != "model_validator"


def _alias_generator(name: str) -> Callable[[str], str] | None:
    """Return one of pydantic's own generators of aliases."""
    from pydantic import alias_generators  # noqa: PLC0415 - few projects use them, and pydantic takes a while to import

    return {
        "to_camel": alias_generators.to_camel,
        "to_pascal": alias_generators.to_pascal,
        "to_snake": alias_generators.to_snake,
    }.get(name)
