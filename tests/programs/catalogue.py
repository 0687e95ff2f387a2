"""The programs that nobody here wrote, at the versions that are tested. `docs/programs.md` lists the same."""

from __future__ import annotations

from tests.programs.environments import Package

PYTHON_SDK = Package("PyPI", "coingecko_sdk", "4.3.0")
TYPESCRIPT_SDK = Package("npm", "@coingecko/coingecko-typescript", "8.2.0")
CG = Package("npm", "@coingecko/cg", "1.1.7")
PYCOINGECKO = Package("PyPI", "pycoingecko", "3.2.0")
COINGECKO_API_V3 = Package("npm", "coingecko-api-v3", "0.0.31")
COINGECKO_API = Package("npm", "coingecko-api", "1.0.10")
HUMMINGBOT = Package(
    "PyPI",
    "hummingbot",
    "20260922",
    ("aiohttp", "ujson", "cachetools", "hexbytes", "pandas", "numpy", "pydantic"),
    source=True,
)
ELECTRUM = Package(
    "Debian", "python3-electrum", "4.3.4",
    ("aiohttp<4", "aiohttp-socks", "aiorpcx<0.23", "attrs", "bitstring<4.2", "certifi", "cryptography", "dnspython",
     "protobuf<4"),
    libraries=("libsecp256k1-1",),
)  # fmt: skip
MCP_SERVER = Package(
    "npm", "@coingecko/coingecko-mcp", "8.2.0", ("deno@2.3.7", "@modelcontextprotocol/sdk@latest"),
    {"jq-web": "npm:jq-web@0.6.2"},
)  # fmt: skip
BEANPRICE = Package("PyPI", "beanprice", "2.1.0")
PY3STATUS = Package("PyPI", "py3status", "3.64")
CMC_SDK = Package("PyPI", "coinmarketcap-sdk", "5.0.0")
COINMARKETCAP_JS = Package("npm", "coinmarketcap-js", "1.7.0")
COINMARKETCAP_API = Package("npm", "coinmarketcap-api", "3.1.1")
FREQTRADE = Package("PyPI", "freqtrade", "2026.9")
