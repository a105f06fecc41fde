"""The whole program from outside: real `xmon` processes against a real Kafka and a real Redis, set up by their environment."""

import pytest

pytest.register_assert_rewrite("tests.e2e.monitor")
