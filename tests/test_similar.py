import time

import pytest

from optimizer.similar import misspelt, nearest, similar

HOSTS = [f"hv{n:02}.fra1.example.net" for n in range(24)] + ["Bertha", "r1/h1", "r1/h2"]


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("hv03", ["hv03.fra1.example.net"]),
        ("HV03", ["hv03.fra1.example.net"]),
        ("hv03.fra1", ["hv03.fra1.example.net"]),
        ("HV03.FRA1.EXAMPLE.NET", ["hv03.fra1.example.net"]),
        ("hv03_fra1_example_net", ["hv03.fra1.example.net"]),
        ("hv03.fra1.exmaple.net", ["hv03.fra1.example.net"]),
        ("bertha", ["Bertha"]),
        ("bertha.fra1.example.net", ["Bertha"]),
        ("h1", ["r1/h1"]),
        ("r1", ["r1/h1", "r1/h2"]),
        ("nothing like it", []),
        ("", []),
        (5, []),
        ("x" * 300, []),
    ],
)
def test_what_was_meant(given, meant):
    found = nearest(given, HOSTS)
    assert found == meant


def test_it_is_said_as_a_question():
    assert similar("r1", HOSTS) == "did you mean r1/h1 or r1/h2?"
    assert similar("fra1.example.net", [f"h{n}.fra1.example.net" for n in range(1, 5)]) == (
        "did you mean h1.fra1.example.net, h2.fra1.example.net or h3.fra1.example.net?"
    )
    assert similar("zzz", HOSTS) == ""


@pytest.mark.slow
def test_a_misspelt_name_is_found_among_many():
    names = [f"vm-{n:06}" for n in range(200_000)]
    assert nearest("vm-19999", names) != []
    assert nearest("VM_150000", names) == ["vm-150000"]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("web-fronted", "web-frontend"),
        ("web-frontendd", "web-frontend"),
        ("web-fromtend", "web-frontend"),
        ("web-frontnedd", None),
        ("web-frontned", "web-frontend"),
        ("Web_Frontend", "web-frontend"),
        ("webfrontend", "web-frontend"),
        ("wbe", "web"),
        ("es_7", "es-7"),
        ("es-8", None),
        ("shard-b", None),
        ("db-east", None),
        ("my-app", None),
        ("myapi", "my-api"),
        ("Webs", "web"),
        ("ap", "api"),
        ("x" * 300, None),
    ],
)
def test_a_slip_in_a_name_of_a_group(name, meant):
    assert (
        misspelt([name, "other"], ["web-frontend", "web", "es-7", "shard-a", "api", "db-west", "my-api"]).get(name)
        == meant
    )


def test_slips_are_found_among_many_names_at_once():
    names = [f"tenant-{n:06}" for n in range(20_000)]
    before = time.process_time()
    assert misspelt([*(f"{name}-x" for name in names), "Tenant_000007"], names) == {"Tenant_000007": "tenant-000007"}
    assert time.process_time() - before < 30
