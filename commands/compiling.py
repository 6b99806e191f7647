"""`remora compile`: what plans need compiled, before there is a plan."""

from __future__ import annotations

from dataclasses import asdict

import click

from commands.boundary import Exit
from commands.common import json_option, say_json

__all__ = ["command"]


@click.command("compile")
@json_option
def command(as_json: bool) -> Exit:
    """Compile the searches of plans once, for the user who runs this; set-up does it.

    A plan whose time limit is too short to compile a search does without it, and says so. They are kept beside the
    program where this user may write there, else in a directory of the user's own (or NUMBA_CACHE_DIR). Exits with 1
    where they can be kept nowhere: then each process compiles for itself, or does without.
    """
    from optimizer.planning.compile_ahead import compile_ahead

    found = compile_ahead()
    if as_json:
        say_json([asdict(one) for one in found])
    else:
        for one in found:
            click.echo(f"{one.search}: {one}" + (f" ({one.cache})" if one.cache else ""))
    return Exit.DONE if all(one.cache for one in found) else Exit.ATTENTION
