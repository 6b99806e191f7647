"""The live page: what the service sees and does, for people; read-only unless a token says otherwise.

Server-rendered, so that it can be read without JavaScript; htmx only renews a part of it every two seconds. It reads
the ledger and the service's directory, and no fleet, hypervisor or Prometheus. What it writes, it writes to the ledger:
an approval, a stop, its end.
"""
