"""``ipc completion SHELL``: the line that sets up tab completion."""

from __future__ import annotations

import sys

import click

LINES = {
    "bash": ("~/.bashrc", 'eval "$(_IPC_COMPLETE=bash_source ipc)"'),
    "zsh": ("~/.zshrc", 'eval "$(_IPC_COMPLETE=zsh_source ipc)"'),
    "fish": ("~/.config/fish/completions/ipc.fish", "_IPC_COMPLETE=fish_source ipc | source"),
}


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
