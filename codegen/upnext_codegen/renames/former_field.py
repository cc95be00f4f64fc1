"""Former names in the annotation of a field: `Annotated[str, upnext.Formerly("order_id")]`, and the imports for it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import libcst as cst

from upnext_codegen.renames.edits import text_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from upnext_codegen.renames.edits import Edits

_ANNOTATED, _FORMERLY = "Annotated", "Formerly"
_TYPING = ("typing", "typing_extensions")
_UPNEXT_MODULE = ("upnext",)


@dataclass(slots=True)
class FormerNames:
    """Adds and removes former names in one file.

    Attributes:
        file: The file.
    """

    file: Edits
    _imports: dict[str, str] | None = None
    _dropped: bool = False

    @property
    def _imported(self) -> dict[str, str]:
        """The current and future top-level imports of the file, each with its name."""
        if self._imports is None:
            self._imports = dict(_imports(self.file.module))
        return self._imports

    def change(self, written: cst.Annotation, old: str, new: str, *, former: tuple[str, ...]) -> bool:
        """Record that a field was called `old`, or that it is called so again.

        Args:
            written: Its annotation.
            old: The name that it had.
            new: The name that it gets. If it is the latest former one, the last rename is taken back instead.
            former: The former names that it has, the latest first.

        Returns:
            Whether that can be done; not where a former name stands elsewhere.
        """
        if new not in former:
            self._add(written, self._formerly(written.annotation), old)
            return True
        if not self.drop(written, new):
            return False
        if former[0] != new:
            self._add(written, self._formerly(written.annotation), old)
        return True

    def drop(self, written: cst.Annotation, name: str) -> bool:
        """Remove a former name; False if it is written elsewhere."""
        given = self._formerly(written.annotation)
        if given is None or all(text_of(each.value) != name for each in given[1].args):
            return False
        self._drop(written, *given, name)
        return True

    def _add(self, written: cst.Annotation, given: tuple[cst.Subscript, cst.Call] | None, old: str) -> None:
        if given is not None:
            start, _ = self.file.span(given[1].args[0])
            self.file.put(start, start, f'"{old}", ')
            return
        made = f'{self._spelt(_FORMERLY, _UPNEXT_MODULE)}("{old}")'
        outer = written.annotation
        # An `Annotated` without metadata, which is an error, is nested in another: undoing that has to restore it.
        if isinstance(outer, cst.Subscript) and self._is(outer.value, _ANNOTATED) and len(outer.slice) > 1:
            _, end = self.file.span(outer.slice[-1])
            self.file.put(end, end, f", {made}")
            return
        start, end = self._whole(written)
        self.file.put(start, start, f"{self._spelt(_ANNOTATED, _TYPING)}[")
        self.file.put(end, end, f", {made}]")

    def _drop(self, written: cst.Annotation, outer: cst.Subscript, call: cst.Call, new: str) -> None:
        names = [text_of(each.value) for each in call.args]
        place = names.index(new)
        if len(names) > 1:
            start, end = self.file.span(call.args[place])
            if place + 1 < len(names):
                end, _ = self.file.span(call.args[place + 1])
            else:
                _, start = self.file.span(call.args[place - 1])
            self.file.put(start, end, "")
            return
        self._dropped = True
        elements = outer.slice
        number = next(
            number
            for number, each in enumerate(elements)
            if isinstance(each.slice, cst.Index) and each.slice.value is call
        )
        if len(elements) > 2:
            _, start = self.file.span(elements[number - 1])
            _, end = self.file.span(elements[number])
            self.file.put(start, end, "")
            return
        whole, inner = self._whole(written), self.file.span(elements[0])
        self.file.put(whole[0], inner[0], "")
        self.file.put(inner[1], whole[1], "")

    def _formerly(self, written: cst.BaseExpression) -> tuple[cst.Subscript, cst.Call] | None:
        """The annotation and the call in it with former names, None if they are not written there."""
        if not isinstance(written, cst.Subscript) or not self._is(written.value, _ANNOTATED):
            return None
        for element in written.slice[1:]:
            value = element.slice.value if isinstance(element.slice, cst.Index) else None
            if isinstance(value, cst.Call) and value.args and self._is(value.func, _FORMERLY):
                return written, value
        return None

    def _is(self, node: cst.BaseExpression, name: str) -> bool:
        """Whether a name is one of typing or upnext, also under an alias in the file."""
        modules = _TYPING if name == _ANNOTATED else _UPNEXT_MODULE
        called = {self._imported.get(f"{module}.{name}", name) for module in modules}
        return _name(node) == name or (isinstance(node, cst.Name) and node.value in called)

    def _whole(self, written: cst.Annotation) -> tuple[int, int]:
        """The start and end of an annotation, including parentheses but not the colon."""
        start, end = self.file.span(written)
        text = self.file.text[start:end]
        return start + len(text) - len(text.removeprefix(":").lstrip()), end

    def _spelt(self, name: str, modules: tuple[str, ...]) -> str:
        """Return how the file refers to a name that it imports, or will import."""
        for module in modules:
            if found := self._imported.get(f"{module}.{name}"):
                return found
        if prefix := self._imported.get(modules[0]):
            return f"{prefix}.{name}"
        self._imported[f"{modules[0]}.{name}"] = name
        self._import(f"from {modules[0]} import {name}")
        return name

    def _import(self, line: str) -> None:
        place, newline = _first_import(self.file), self.file.module.default_newline
        before = self.file.put_at(place)
        # The import of `Annotated` comes first, whichever order they are added in.
        lines = [line + newline, before] if _ANNOTATED in line else [before, line + newline]
        self.file.put(place, place, "".join(lines))

    def after(self) -> bytes:
        """Return the changed file, without imports that are no longer needed."""
        data = self.file.after
        if not self._dropped:
            return data
        encoding = self.file.module.encoding
        text = _without_imports(data.decode(encoding), self.file)
        return text.encode(encoding)


def _name(node: cst.BaseExpression) -> str:
    return node.attr.value if isinstance(node, cst.Attribute) else node.value if isinstance(node, cst.Name) else ""


def _imports(module: cst.Module) -> Iterator[tuple[str, str]]:
    """Yield the top-level imports of a module: "module" or "module.name", and the name there."""
    for statement in module.body:
        for small in statement.body if isinstance(statement, cst.SimpleStatementLine) else ():
            if isinstance(small, cst.Import):
                for alias in small.names:
                    yield alias.evaluated_name, alias.evaluated_alias or alias.evaluated_name
            elif (
                isinstance(small, cst.ImportFrom) and not small.relative and not isinstance(small.names, cst.ImportStar)
            ):
                source = _name(small.module) if isinstance(small.module, cst.Name) else ""
                for alias in small.names:
                    yield f"{source}.{alias.evaluated_name}", alias.evaluated_alias or alias.evaluated_name


def _first_import(file: Edits) -> int:
    """Return where imports can be added: before the first one, or the first statement that is not a docstring."""
    for statement in file.module.body:
        small = statement.body[0] if isinstance(statement, cst.SimpleStatementLine) else None
        is_docstring = isinstance(small, cst.Expr) and isinstance(small.value, cst.SimpleString)
        is_future = (
            isinstance(small, cst.ImportFrom) and small.module is not None and _name(small.module) == "__future__"
        )
        if not is_docstring and not is_future:
            decorators = statement.decorators if isinstance(statement, cst.FunctionDef | cst.ClassDef) else ()
            return file.span(decorators[0] if decorators else statement)[0]
    return len(file.text)


def _without_imports(text: str, file: Edits) -> str:
    newline = file.module.default_newline
    annotated, formerly = f"from typing import Annotated{newline}", f"from upnext import Formerly{newline}"
    for added in (annotated + formerly, formerly, annotated):
        words = [word for word in (_ANNOTATED, _FORMERLY) if word in added]
        place = text.find(added)
        is_line = place == 0 or text[place - 1 : place] == "\n" or text[place - 1 : place] == "\r"
        is_unused = all(len(re.findall(rf"\b{word}\b", text)) == 1 for word in words)
        is_first = added != annotated or not re.search(r"^(?:import|from (?!__future__))", text[:place], re.MULTILINE)
        if place >= 0 and is_line and is_unused and is_first:
            return text[:place] + text[place + len(added) :]
    return text
