"""Real hypervisors on this machine, and what Remora does with them.

`hosts` starts libvirt hosts, each in its own namespaces; `guest` makes guests that count. All of it needs root, a few
packages and the right to make namespaces: `missing` says what is not there, and the tests are skipped with that.
"""
