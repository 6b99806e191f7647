"""Write into the pages what their commands really print: ``python -m tests.update_documents [PAGE ...]``.

What changed is for a human to read before it is committed: a command that has broken is written down as faithfully as
one that was made better.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.documents import pages, run_page, updated


def main(names: list[str]) -> None:
    """Update the pages named, or all."""
    for page in [Path(n).resolve() for n in names] or pages():
        text = page.read_text("utf-8")
        with tempfile.TemporaryDirectory() as directory:
            results = run_page(page, Path(directory))
        new = updated(text, results)
        if new != text:
            page.write_text(new, "utf-8")
        wrong = [r for r in results if not r.as_written]
        print(f"{page}: {len(results)} commands, {len(wrong)} updated")
        for ran in wrong:
            print(f"  line {ran.example.line + 1}: $ {ran.example.command} -> exit {ran.exit_code}")


if __name__ == "__main__":
    main(sys.argv[1:])
