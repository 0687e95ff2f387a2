"""A pytest plugin (`-p tests.environment`): gives this process a state folder and a Redis address of its own.

The product reads both from the environment when its settings are imported, and pytest-django imports them before any
conftest, hence a plugin. Every xdist worker loads it too, and overrides what it inherited from the controller.
"""

import os
import shutil
import tempfile
from pathlib import Path

import providers

# A worker's folder is in its controller's, which outlives it: a worker that is interrupted cleans nothing up.
_above = os.environ.get("TESTS_HOME") if "PYTEST_XDIST_WORKER" in os.environ else None
# Short names: the path of a unix socket has room for 104 characters.
_home = Path(tempfile.mkdtemp(prefix="w-" if _above else "spot-test-", dir=_above))
os.environ["TESTS_HOME"] = str(_home)
(_home / "static").mkdir()
_ours = ("SPOT_", *(f"{provider.name.upper()}_" for provider in providers.all()))
for _name in [name for name in os.environ if name.startswith(_ours) and name != "SPOT_SAMPLES"]:
    del os.environ[_name]  # a developer's own settings must not change what the tests prove
os.environ["SPOT_HOME"] = str(_home)
os.environ["REDIS_URL"] = f"unix://{_home}/redis.sock"
os.environ.pop("DATABASE_URL", None)
_keyless = [provider for provider in providers.all() if provider.keyless and not provider.simulated]
# Providers that need no key would be asked over the internet. (Tests give the first one an address of their own.)
os.environ |= {f"{provider.name.upper()}_BASE_URL": "http://127.0.0.1:9" for provider in _keyless[1:]}


def pytest_unconfigure() -> None:
    shutil.rmtree(_home, ignore_errors=True)
