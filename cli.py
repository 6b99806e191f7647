"""The command line: parse, call `optimizer.pipeline`, print. No logic."""


def main() -> None:
    """Run the command."""
