import pytest

from optimizer.report.words import amount, clean, count, duration, percent, shortened


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("plain é 漢", "plain é 漢"),
        ("a\nb\tc", "a\\nb\\tc"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("\x9b31m", "\\x9b31m"),
        ("abc\u202edcba", "abc\\u202edcba"),
        ("\ud800", "\\ud800"),
        ("[bold]x[/bold]", "[bold]x[/bold]"),
    ],
)
def test_a_name_comes_out_harmless(name, shown):
    assert clean(name) == shown
    assert clean(name).isprintable()


@pytest.mark.parametrize(
    ("resource", "value", "shown"),
    [
        ("memory_mib", 512, "512 MiB"),
        ("memory_mib", 36864, "36 GiB"),
        ("disk_mib", 2_027_902, "1.93 TiB"),
        ("disk_mib", 30 * 2**20, "30 TiB"),
        ("disk_mib", -2048, "-2 GiB"),
        ("cpu_millicores", 1500, "1.5 cores"),
        ("licences", 12345, "12,345"),
    ],
)
def test_amounts_have_the_unit_of_their_name(resource, value, shown):
    assert amount(resource, value) == shown


def test_what_is_over_its_limit_does_not_look_the_same():
    assert amount("disk_mib", 2_027_902) != amount("disk_mib", 1_966_080)


@pytest.mark.parametrize(("part", "whole", "shown"), [(1, 2, "50.0 %"), (3, 2, "150.0 %"), (0, 0, "-"), (1, 0, "over")])
def test_shares(part, whole, shown):
    assert percent(part, whole) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.25, "0.2 s"), (41.0, "41 s"), (61, "1 min 1 s"), (3720, "1 h 2 min"), (90000, "1 d 1 h"), (59.99, "60 s")],
)
def test_durations(seconds, shown):
    assert duration(seconds) == shown


def test_counts_and_cuts():
    assert [count(n, "batch", "batches") for n in (0, 1, 1200)] == ["0 batches", "1 batch", "1,200 batches"]
    assert shortened("abcdef", 6) == "abcdef"
    assert shortened("abcdefg", 6) == "abcde…"
