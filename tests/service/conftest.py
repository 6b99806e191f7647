"""What tests of the service share: a PostgreSQL of their own, where there is one."""

from tests.execute.conftest import new_schema

__all__ = ["new_schema"]
