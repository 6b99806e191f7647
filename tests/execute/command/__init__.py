"""Tests of the driver `command`: against programs that only seem to migrate, in `fake_programs`."""
