"""The files of a new function, rendered from `function/*.txt`; either all are written or none.

A template has the name of the file that it makes. `$function`, `$domain`, `$area`, `$Area` and
`$collection` are replaced by the names; `$$` is a dollar sign.
"""

from __future__ import annotations

import ast
import json
import keyword
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from string import Template

from bootstrap import ROOT
from house import DOMAINS, FOUNDATIONS, LAYER
from huitou.runtime.declarations import declarations

TEMPLATES = Path(__file__).with_name("function")
# In characters. The platform requires two; longer names would make the templates' lines too long.
FEWEST, MOST = 2, 30
_BUNDLE = ROOT / "cloudbaserc.json"
_ROW = re.compile(r"^\| `[a-z0-9-]+` \| .*\(functions/.*\) \|\n", re.M)
_ROWS = {
    "README.md": "| `$function` | members; internal | [notes that staff leave and members read]"
    "(functions/$function/README.md) |\n",
    "README.zh-CN.md": "| `$function` | 会员；内部 | [员工留言，会员查看]"
    "(functions/$function/README.md) |\n",
}


class NotPossible(Exception):  # noqa: N818
    """The function can't be written; the message says why and what to do."""


@dataclass(frozen=True)
class Names:
    """The names of the function, its area, and the area's domain."""

    function: str
    domain: str
    area: str

    @classmethod
    def of(cls, function: str, domain: str, area: str | None) -> Names:
        """Check a developer's names; NotPossible says which name is wrong, and why."""
        names = cls(function, domain, area or function.replace("-", "_"))
        if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", function):
            raise NotPossible(
                f"{function}: a function's name is lower-case words joined by hyphens,"
                " such as prep-dispatch"
            )
        if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", names.area) or keyword.iskeyword(
            names.area
        ):
            raise NotPossible(
                f"{names.area}: an area's name is lower-case words joined by underscores, and no"
                " word of Python's own: choose one with --area"
            )
        for name in (function, names.area):
            if not FEWEST <= len(name) <= MOST:
                raise NotPossible(f"{name}: a name has {FEWEST} to {MOST} characters")
        if domain not in DOMAINS or domain in FOUNDATIONS:
            known = ", ".join(one for one in DOMAINS if one not in FOUNDATIONS)
            raise NotPossible(
                f"{domain}: no such domain; these are: {known}. A new domain is a folder with an"
                " __init__.py that says what it is about, and its place in scripts/house.py"
            )
        return names

    @property
    def collection(self) -> str:
        return f"{self.area}_notes"

    def fill(self, template: str) -> str:
        """Replace the names in a template's text."""
        return Template(template).substitute(
            function=self.function,
            domain=self.domain,
            area=self.area,
            collection=self.collection,
            Area="".join(word.capitalize() for word in self.area.split("_")),
        )


@dataclass(frozen=True)
class File:
    """One file with its new text; `before` is its present text, None for a new file."""

    path: Path
    text: str
    why: str
    before: str | None = None

    @property
    def is_new(self) -> bool:
        return self.before is None


class Skeleton:
    """All files of a new function, checked and rendered; only `write` writes them."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._refuse_existing_names()
        self.files = [_formatted(file) for file in (*self._new_files(), *self._changed_files())]

    def write(self) -> None:
        """Write every file; if one can't be written, undo the others and raise NotPossible."""
        written: list[File] = []
        made: list[Path] = []
        try:
            for file in self.files:
                made += _folders_to_make(file.path.parent)
                file.path.parent.mkdir(parents=True, exist_ok=True)
                with file.path.open("x" if file.is_new else "w", encoding="utf-8") as out:
                    written.append(file)
                    out.write(file.text)
        except OSError as failed:
            _undo(written, made)
            raise NotPossible(f"nothing was written: {failed}") from failed

    def _refuse_existing_names(self) -> None:
        names = self._names
        for folder in (ROOT / "functions" / names.function, LAYER / names.domain / names.area):
            if folder.exists():
                raise NotPossible(f"{folder.relative_to(ROOT)} is there: choose another name")
        tests = {path.name for path in (ROOT / "tests").rglob("test_*.py")}
        for name in (f"test_{names.area}.py", f"test_{names.area}_rules.py"):
            if name in tests:
                raise NotPossible(f"tests have a {name} already: choose another --area")
        if names.collection in {declaration.name for declaration in declarations()}:
            raise NotPossible(f"there is a collection {names.collection}: choose another --area")

    def _new_files(self) -> list[File]:
        names, tests = self._names, ROOT / "tests"
        function, area = ROOT / "functions" / names.function, LAYER / names.domain / names.area
        rules_tests, service_tests = (tests / kind / names.domain for kind in ("rules", "services"))
        return [
            self._file(function / "index.py", "who may call it, for what"),
            self._file(function / "README.md", "what it does; its commands are tested"),
            File(area / "__init__.py", "", "makes the area a package"),
            self._file(area / "models.py", "what is stored, asked and answered"),
            self._file(area / "rules.py", "what is decided; pure"),
            self._file(area / "schema.py", "its collection, its index, how long documents stay"),
            self._file(area / "repository.py", "every query on its collection"),
            self._file(area / "service.py", "its use cases"),
            self._file(rules_tests / f"test_{names.area}_rules.py", "its rules", "test_rules.py"),
            self._file(
                service_tests / f"test_{names.area}.py",
                "its use cases, and a race of writers",
                "test_service.py",
            ),
        ]

    def _changed_files(self) -> list[File]:
        return [
            self._bundle(),
            *(self._row(readme, row) for readme, row in _ROWS.items()),
            self._answers(),
        ]

    def _file(self, path: Path, why: str, template: str | None = None) -> File:
        return File(path, self._rendered(template or path.name), why)

    def _rendered(self, template: str) -> str:
        text = (TEMPLATES / f"{template}.txt").read_text(encoding="utf-8")
        return self._names.fill(text)

    def _bundle(self) -> File:
        """Add the function and the rule that lets members call it, in the file's own format."""
        before = _BUNDLE.read_text(encoding="utf-8")
        entry = self._rendered("cloudbaserc.json").rstrip("\n")
        text = _insert_before(before, "\n  ],\n", f",\n{entry}", after='"functions": [')
        rule = self._names.fill(',\n      "$function": { "invoke": "auth != null" }')
        text = _insert_before(text, "\n    }\n", rule, after='"securityRules": {')
        wanted = json.loads(before)
        wanted["functions"].append(json.loads(entry))
        wanted["securityRules"]["function"][self._names.function] = {"invoke": "auth != null"}
        if json.loads(text) != wanted:
            raise NotPossible("cloudbaserc.json is laid out in a way this command doesn't know")
        return File(_BUNDLE, text, "its place in the bundle, open to members", before)

    def _row(self, readme: str, row: str) -> File:
        path = ROOT / readme
        before = path.read_text(encoding="utf-8")
        rows = list(_ROW.finditer(before))
        if not rows:
            raise NotPossible(f"{readme} has no table of functions")
        end = rows[-1].end()
        text = before[:end] + self._names.fill(row) + before[end:]
        return File(path, text, "its row in the table of functions", before)

    def _answers(self) -> File:
        """Add calls of the new actions to the test that checks every answer against its model."""
        path = ROOT / "tests" / "cloud" / "test_answers.py"
        before = path.read_text(encoding="utf-8")
        for node in ast.parse(before).body:
            if isinstance(node, ast.FunctionDef) and node.name == "as_member":
                lines = before.splitlines(keepends=True)
                lines.insert(node.end_lineno or 0, self._rendered("test_answers.py"))
                return File(path, "".join(lines), "calls of its actions in the cloud", before)
        raise NotPossible("tests/cloud/test_answers.py has no function as_member")


def _insert_before(text: str, mark: str, addition: str, *, after: str = "") -> str:
    """Insert an addition before the first `mark` that follows `after`."""
    place = text.find(mark, text.find(after))
    if place < 0:
        raise NotPossible(f"found no place for a new entry: {mark.strip()!r} is missing")
    return text[:place] + addition + text[place:]


def _formatted(file: File) -> File:
    """Format a Python file with ruff, as line breaks depend on the length of the names."""
    if file.path.suffix != ".py":
        return file
    text = file.text
    # The area doesn't exist yet, so ruff would treat its modules as third-party ones.
    ours = "lint.isort.known-first-party=['huitou']"
    for command in (("check", "--select", "I", "--fix", "--config", ours), ("format",)):
        text = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--stdin-filename", str(file.path), "-"],
            input=text,
            capture_output=True,
            text=True,
            check=True,
            cwd=ROOT,
        ).stdout
    return File(file.path, text, file.why, file.before)


def _folders_to_make(folder: Path) -> list[Path]:
    """Return the missing folders, the outermost first."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    return missing[::-1]


def _undo(written: list[File], made: list[Path]) -> None:
    for file in written:
        if file.before is not None:
            file.path.write_text(file.before, encoding="utf-8")
        else:
            file.path.unlink(missing_ok=True)
    for folder in reversed(made):
        if folder.is_dir():
            folder.rmdir()
