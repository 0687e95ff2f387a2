"""The module of a status bar for two coins, in py3status' own test mode, which runs it until it is ended."""

import json
import sys

from py3status.module_test import module_test
from py3status.modules.coin_market import Py3status

(key,) = json.loads(sys.argv[1])
sys.argv = sys.argv[:1]
module_test(Py3status, config={"api_key": key, "markets": ["btc", "eth"]})
