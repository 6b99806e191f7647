"""How often evidence of interference is right: on simulated queueing hosts, and on the kernel's own PSI.

`python -m benchmarks.interference` prints the table of the simulation, `python -m benchmarks.interference psi` that of
busy processes in cgroups (root, cgroup v2, about 8 minutes). Both have CPI2's score and plain correlation beside it.
The simulation knows nothing of the regression: jobs arrive, wait for cores or for the disk, and are served; what a VM
costs another is found by simulating the host again without it, with the same random numbers.
"""
