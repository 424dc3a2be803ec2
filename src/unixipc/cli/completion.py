"""``ipc completion SHELL``: the line that sets up tab completion; and what bash, which splits at colons, needs."""

from __future__ import annotations

import os
import sys

import click
from click.shell_completion import BashComplete, add_completion_class, split_arg_string

TYPE_CHECKING = False
if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

LINES = {
    "bash": ("~/.bashrc", 'eval "$(_IPC_COMPLETE=bash_source ipc)"'),
    "zsh": ("~/.zshrc", 'eval "$(_IPC_COMPLETE=zsh_source ipc)"'),
    "fish": ("~/.config/fish/completions/ipc.fish", "_IPC_COMPLETE=fish_source ipc | source"),
}

BASH = """\
%(complete_func)s() {
    local IFS=$'\\n' line=${COMP_LINE:0:COMP_POINT} response completion type value word before=""
    response=$(env COMP_WORDS="$line" COMP_CWORD=$COMP_CWORD COMP_TYPE=$COMP_TYPE %(complete_var)s=bash_complete $1)
    word=${line##*[[:space:]]}
    [[ $COMP_WORDBREAKS == *:* && $word == *:* ]] && before=${word%%:*}:
    COMPREPLY=()
    for completion in $response; do
        type=${completion%%%%,*} value=${completion#*,}
        case $type in
            dir) compopt -o dirnames ;;
            file) compopt -o default ;;
            *) COMPREPLY+=("${value#"$before"}") ; [[ $value == *[:/] ]] && compopt -o nospace 2>/dev/null ;;
        esac
    done
    [[ ${#COMPREPLY[@]} == 1 ]] && COMPREPLY=("${COMPREPLY[0]%%%%  (*}")
    return 0
}
complete -o nosort -F %(complete_func)s %(prog_name)s
"""
"""bash takes a colon for the end of a word: the whole line is passed on, and what stands before the colon cut off."""


LISTING = str(ord("?"))
"""COMP_TYPE when the candidates are shown and nothing is inserted. -- bash(1)"""


class Bash(BashComplete):
    """Completion that knows addresses: ``channel:fr`` is one word."""

    source_template = BASH

    @staticmethod
    def _check_version() -> None:
        """What is used here bash has had since 4.4; an older one says so itself."""

    def get_completion_args(self) -> tuple[list[str], str]:
        """The words before the one that is being written, and that one."""
        line = os.environ["COMP_WORDS"]
        words = split_arg_string(line)[1:]
        return (words, "") if line[-1:].isspace() or not words else (words[:-1], words[-1])

    def format_completion(self, item: CompletionItem) -> str:
        """What bash reads. When it only shows the candidates (the second Tab), what each is stands behind it."""
        told = f"  ({item.help})" if item.help and os.environ.get("COMP_TYPE") == LISTING else ""
        return f"{item.type},{item.value}{told}"


add_completion_class(Bash, "bash")


@click.command()
@click.argument("shell", type=click.Choice(sorted(LINES)))
def completion(shell: str) -> None:
    """Print the line that sets up tab completion for SHELL.

    For example:  ipc completion bash >> ~/.bashrc
    """
    where, line = LINES[shell]
    click.echo(line)
    if sys.stdout.isatty():
        click.echo(f"put this line into {where}", err=True)
