"""The command line: where the program starts. What is interrupted while it loads ends as what is interrupted later."""

import sys

try:
    from commands.group import remora
except KeyboardInterrupt:
    print("remora: interrupted", file=sys.stderr)
    sys.exit(130)

__all__ = ["main", "remora"]


def main() -> None:
    """Run `remora` and leave with an exit code of the contract."""
    remora.main(prog_name="remora")


if __name__ == "__main__":
    main()
