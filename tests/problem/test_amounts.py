import random

import pytest

from optimizer.problem.amounts import amount, amount_of, pair, percent, spoken

MIB = {"MiB": 1, "GiB": 1024, "TiB": 1024**2, "PiB": 1024**3}


@pytest.mark.parametrize(
    ("resource", "value", "limit", "said"),
    [
        ("disk_mib", 8160170, 7864320, ("7.78 TiB", "7.50 TiB")),
        ("memory_mib", 65536, 61440, ("64 GiB", "60 GiB")),
        ("memory_mib", 1100, 1000, ("1,100 MiB", "1,000 MiB")),
        ("disk_mib", 7864321, 7864320, ("7,680.001 GiB", "7,680 GiB")),
        ("memory_mib", 61441, 61440, ("60.001 GiB", "60 GiB")),
        ("cpu_millicores", 39300, 38400, ("39.3 cores", "38.4 cores")),
        ("cpu_millicores", 38401, 38400, ("38.401 cores", "38.400 cores")),
        ("licences", 12, 10, ("12", "10")),
        ("memory_mib", 5, 0, ("5 MiB", "0 MiB")),
    ],
)
def test_a_value_and_its_limit_are_said_in_one_unit(resource, value, limit, said):
    assert pair(resource, value, limit) == said


@pytest.mark.parametrize("seed", range(40))
def test_what_differs_looks_different_and_is_near_the_truth(seed):
    rng = random.Random(seed)
    limit = rng.randint(1, 10 ** rng.randint(1, 12))
    value = max(0, limit + rng.choice([1, -1, rng.randint(1, limit), 0]))
    for resource in ("memory_mib", "cpu_millicores", "tokens"):
        said = pair(resource, value, limit)
        assert (said[0] == said[1]) == (value == limit)
        for text, true in zip(said, (value, limit), strict=True):
            number, _, unit = text.partition(" ")
            size = MIB.get(unit, {"cores": 1000, "core": 1000}.get(unit, 1))
            assert abs(float(number.replace(",", "")) * size - true) <= size / 10 + 1e-6
        assert said[0].split()[1:] in ([], said[1].split()[1:], ["core"], ["cores"])


def test_names_and_shares():
    names = ("memory_mib", "disk_mib", "cpu_millicores", "cpu_load_millicores", "swap_mib", "gpus")
    assert [spoken(r) for r in names] == ["memory", "disk", "CPU", "CPU load", "swap", "gpus"]
    assert percent(3, 2) == "150.0 %"
    assert (percent(1, 0), percent(0, 0)) == ("over", "-")
    assert amount("cpu_millicores", 1000) == "1 core"


@pytest.mark.parametrize(
    ("resource", "needed", "said"),
    [
        ("memory_mib", 1000, "1,000 MiB of memory"),
        ("memory_mib", 1025, "1.1 GiB of memory"),
        ("disk_mib", 3775488, "3.61 TiB of disk"),
        ("memory_mib", 2048, "2 GiB of memory"),
        ("cpu_millicores", 20, "0.1 cores of CPU"),
        ("cpu_millicores", 1000, "1 core of CPU"),
        ("gpus", 3, "3 gpus"),
        ("vms", 1, "1 VM"),
        ("vms", 2, "2 VMs"),
    ],
)
def test_what_is_needed_is_rounded_up(resource, needed, said):
    assert amount_of(resource, needed) == said
