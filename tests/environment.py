"""A pytest plugin (`-p tests.environment`): gives this process a state folder and a Redis address of its own.

The product reads both from the environment when its settings are imported, and pytest-django imports them before any
conftest, hence a plugin. Every xdist worker loads it too, and overrides what it inherited from the controller.
"""

import os
import shutil
import tempfile
from pathlib import Path

_home = Path(tempfile.mkdtemp(prefix="spot-test-"))  # a short path: a unix socket's has room for 104 characters
(_home / "static").mkdir()
for _name in [
    name for name in os.environ if name.startswith(("SPOT_", "COINGECKO_", "SANDBOX_")) and name != "SPOT_SAMPLES"
]:
    del os.environ[_name]  # a developer's own settings must not change what the tests prove
os.environ["SPOT_HOME"] = str(_home)
os.environ["REDIS_URL"] = f"unix://{_home}/redis.sock"
os.environ.pop("DATABASE_URL", None)


def pytest_unconfigure() -> None:
    shutil.rmtree(_home, ignore_errors=True)
