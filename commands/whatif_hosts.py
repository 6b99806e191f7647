"""The what-if questions about hosts that go: lost, emptied, rolled through maintenance."""

from __future__ import annotations

from commands.whatif_drain import drain_command
from commands.whatif_empty import empty_command
from commands.whatif_lose import lose_command
from commands.whatif_roll import roll_command

__all__ = ["HOST_QUESTIONS"]

HOST_QUESTIONS = (lose_command, drain_command, empty_command, roll_command)
"""In the order of the help."""
