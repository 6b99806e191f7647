"""Signals at scale: tens of thousands of series joined into a snapshot, as a whole process, beside a plain reading."""
