"""The gateway: orders for agents on the hypervisors, which fetch them by long polling and report what came of them.

`gateway` answers HTTP and alone opens the tables (`schema`; `store_sqlite`, `store_postgres`). `worker` is the agent of
one host. The driver `agents` (`optimizer.execute.drivers.agents`) gives orders and looks at them, through the gateway.

An order is claimed once and never again: a claim whose lease ran out is unknown, since the move may still run, until
the agent that has it reports.
"""
