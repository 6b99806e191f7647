"""The one way to a Prometheus: a thin adapter over prometheus-api-client that adds what it lacks.

Deadlines over the whole answer however slowly it comes, a limit on its size, `warnings` and partial answers noticed,
result types and numbers checked, TLS, credentials from files or variables, no redirects, no secret in a message.

What comes back is a whole and clear answer or an `Unclear` that says why there is none; what a number means is no
matter of this room. The packages of the extra `prometheus` are loaded where the first query is sent.

May not enter: what a number means.
"""
