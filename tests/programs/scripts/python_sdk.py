"""Every call of the list, by the official Python SDK, which checks the answers against its models."""

import functools
import json
import sys

from coingecko_sdk import APIError, Coingecko

root, key, calls = json.loads(sys.argv[1])
client = Coingecko(base_url=root, demo_api_key=key, max_retries=0, _strict_response_validation=True)


def outcome(call: str, arguments: dict) -> dict:
    method = functools.reduce(getattr, call.split("."), client)
    try:
        answer = method(**arguments)
    except APIError as error:
        return {
            "error": type(error).__name__,
            "status": getattr(error, "status_code", None),
            "said": error.body,
            "why": f"{error} {error.__cause__ or ''}"[:1500],
        }
    text = answer.to_json(indent=None) if hasattr(answer, "to_json") else json.dumps(answer, default=str)
    return {"length": len(text), "begins": text[:300]}


print(json.dumps([outcome(call, arguments) for call, arguments in calls]))
