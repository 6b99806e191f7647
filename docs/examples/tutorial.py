"""What is wrong with a fleet, what repairs it, and what else fits."""

import remora

fleet = remora.read_fleet("quickstart.json")
policy = remora.read_policy("default")
print(fleet.id, len(fleet.hosts), "hosts", len(fleet.vms), "VMs")

found = remora.check(fleet, policy)
for violation in found.violations:
    print("wrong:", violation.why)

plan = remora.plan(fleet, policy, seconds=20)
moving = next(stage for stage in plan.objective if stage.stage == "moving")
print(plan.status.value, len(plan.moves), "moves, at least", moving.bound)
for move in plan.moves[:2]:
    print(move.id, move.vm, move.source, "->", move.target, move.after)
print("verified:", remora.verify(fleet, policy, plan).findings == ())

empty = remora.plan(fleet, policy, seconds=20, drain=["h1"], exclude=["v7"])
print("without h1:", len(empty.moves), "moves")

more = remora.whatif.fit(fleet, policy, size="cpu=4,memory=16GiB,disk=100GiB")
print(more.value, "more fit,", more.status, "-", more.stopped_by[0].text)

new = remora.whatif.place(fleet, policy, like="v7", number=3)
print(new.placements)

try:
    remora.plan(fleet, policy, drain=["h01"])
except remora.InputError as error:
    print("refused:", error)
