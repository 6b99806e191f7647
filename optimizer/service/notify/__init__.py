"""Who is told what happened outside: webhooks and an Alertmanager.

Told are an imbalance that has opened, a plan that waits for its approval, and a stop. Whatever a receiver does, a cycle
never waits for it: each has a thread and a queue of its own, a deadline over the whole answer, and few tries.
"""
