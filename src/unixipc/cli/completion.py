"""``ipc completion SHELL``: the line that sets up tab completion; and what bash, which splits at colons, needs."""

from __future__ import annotations

import os
import sys

import click
from click.shell_completion import BashComplete, add_completion_class, split_arg_string

LINES = {
    "bash": ("~/.bashrc", 'eval "$(_IPC_COMPLETE=bash_source ipc)"'),
    "zsh": ("~/.zshrc", 'eval "$(_IPC_COMPLETE=zsh_source ipc)"'),
    "fish": ("~/.config/fish/completions/ipc.fish", "_IPC_COMPLETE=fish_source ipc | source"),
}

BASH = """\
%(complete_func)s() {
    local IFS=$'\\n' line=${COMP_LINE:0:COMP_POINT} response completion type value word before=""
    response=$(env COMP_WORDS="$line" COMP_CWORD=$COMP_CWORD %(complete_var)s=bash_complete $1)
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
    return 0
}
complete -o nosort -F %(complete_func)s %(prog_name)s
"""
"""bash takes a colon for the end of a word: the whole line is passed on, and what stands before the colon cut off."""


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
