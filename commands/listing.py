"""A group of commands whose help has the whole first sentence of each, and which says what there is to a bare name."""

from __future__ import annotations

import click

__all__ = ["Group"]


class Group(click.Group):
    """They list in the order in which they were added."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands in their own order."""
        return list(self.commands)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands; a long sentence goes on in the next line, where click would cut it."""
        rows = [(name, command.get_short_help_str(limit=1000)) for name, command in self.commands.items()]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the command line; one without a command is told which there are."""
        if not args and not ctx.resilient_parsing and not self.invoke_without_command:
            ctx.fail(f"which command? There are {', '.join(self.commands)}")
        return super().parse_args(ctx, args)
