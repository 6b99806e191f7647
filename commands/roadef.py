"""."""

import click


@click.command("roadef")
def command() -> int:
    """Stub."""
    return 0
