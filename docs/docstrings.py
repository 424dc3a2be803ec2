"""What the reference needs beyond mkdocstrings: docstrings of compiled modules; prompts and drawn tables as code."""

import re
from pathlib import Path

import griffe

SOURCE = Path(__file__).resolve().parents[1] / "src"
OWNER = re.compile(r"^(?:cdef )?class (\w+)")
NAMED = re.compile(r'(?:^(?:cdef )?class |^( *)def )(\w+).*\n\s+"""((?:[^"]|"(?!""))*)"""', re.M)
PROMPT = re.compile(r"(?:^>>> .*\n?(?:^(?!>>> |\s*$).+\n?)*)+", re.M)
DRAWN = re.compile(r"^(=+(?: +=+)+)\n(?:.*\n)*?\1\n.*?\1$", re.M | re.S)
LITERAL = re.compile(r"::\n\n((?: {4}.*\n?|\n)+)")


def compiled(module: str) -> dict[str, str]:
    """Docstrings of a Cython source, by qualified name: its stub has only signatures."""
    source = SOURCE.joinpath(*module.split(".")).with_suffix(".pyx")
    found, owner = {}, ""
    for match in NAMED.finditer(source.read_text() if source.exists() else ""):
        if starts := OWNER.match(match[0]):
            owner = starts[1]
        found[f"{owner}.{match[2]}" if match[1] else match[2]] = re.sub(r"\n +", "\n", match[3]).strip()
    return found


def readable(text: str) -> str:
    """The docstring with doctests, drawn tables and literal blocks fenced."""
    text = PROMPT.sub(lambda found: f"```pycon\n{found[0].rstrip()}\n```\n", text)
    text = DRAWN.sub(lambda found: f"```text\n{found[0]}\n```", text)
    return LITERAL.sub(lambda found: f":\n\n```text\n{found[1].rstrip()}\n```\n\n", text)


class Docstrings(griffe.Extension):
    """Used by mkdocstrings, see mkdocs.yml."""

    def on_object(self, *, obj: griffe.Object, **_: object) -> None:
        """Find or rewrite one object's docstring before it is parsed."""
        module = obj.module.path
        if obj.docstring is None and "._native." in module:
            name = obj.path.removeprefix(f"{module}.")
            if text := compiled(module).get(name):
                obj.docstring = griffe.Docstring(text, parent=obj)
        if obj.docstring:
            obj.docstring.value = readable(obj.docstring.value)
