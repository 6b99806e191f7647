"""What is measured: an inventory joined with series of Prometheus becomes a snapshot.

A host whose signals are missing, too old, not numbers, ambiguous or from a skewed clock neither gives nor takes, with
the reason in the snapshot (`hosts[].unobserved`); so does the reading as a whole where Prometheus does not answer.
Nothing that Prometheus says or does not say is an error of the caller's: it is in the report.

The signature that the periodic run calls (`optimizer.signals.reading`)::

    def read_fleet(config: Config, clock: Clock, environ: Mapping[str, str]) -> FleetReading: ...

    class FleetReading:
        document: dict[str, Any]      # the joined `remora-fleet/1`
        fleet: Fleet                  # the same, checked
        report: SignalsReport         # host by host and signal by signal: there, how old, in what scale, by which query

    # raises InputError where the configuration is wrong, or the inventory cannot be read

May not enter: planning, what a rule makes of a value.
"""
