"""The OpenAPI document is right, and what it says is what the running API does."""

import json
import subprocess
import sys

import pytest
from openapi_spec_validator import validate

from connhub.usage.api.runtime import api

# With a condition any answer is right that says it doesn't hold. That no two steps have the same
# name is the one rule that a JSON schema can't say.
SETTINGS = """
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "3xx", 401, 403, 404, 409, 412, 429, "5xx"]
[[operations]]
include-operation-id = "declare_flow"
[operations.checks.positive_data_acceptance]
expected-statuses = ["2xx", 401, 403, 404, 409, 412, 422, 429, "5xx"]
"""
OF_ONE_CONNECTION = """
[parameters]
"path.link_name" = "crm"
"""


def test_document_is_valid_openapi():
    document = json.loads(json.dumps(api.get_openapi_schema()))

    assert document["openapi"] == "3.1.0"
    validate(document)


@pytest.fixture
def examined(tmp_path, flow, reach):
    """What Schemathesis finds, with a key that may use one connection; its settings as TOML."""
    reach("crm", where={"path": "/echo"}, access_mode="credentials")

    def examined(config: str, *options: str) -> subprocess.CompletedProcess:
        (tmp_path / "schemathesis.toml").write_text(config + SETTINGS)
        return subprocess.run(
            [
                *(sys.executable, "-m", "schemathesis.cli", "run"),
                *("--seed", "1", "--no-color", "--generation-database", "none"),
                *("--request-timeout", "20", "--checks", "all"),
                *("--suppress-health-check", "all"),
                *("--header", f"Authorization: Bearer {flow.token}"),
                *options,
                f"{flow.server.url}/api/v1/openapi.json",
            ],
            capture_output=True,
            text=True,
            cwd=tmp_path,
        )

    return examined


PROXY = "/api/v1/connections/{link_name}/proxy/{path}"


@pytest.mark.parametrize(
    ("config", "options"),
    [
        # Methods that OpenAPI has no name for pass through as well.
        (
            OF_ONE_CONNECTION,
            ["--include-path", PROXY, "--exclude-checks", "unsupported_method", "-n", "6"],
        ),
        (OF_ONE_CONNECTION, ["--exclude-path", PROXY, "-n", "10"]),
        ("", ["--exclude-path", PROXY, "--phases", "fuzzing", "-n", "10"]),
    ],
    ids=["proxy", "of one connection", "of any"],
)
def test_api_does_what_its_document_says(examined, config, options):
    found = examined(config, *options)

    assert found.returncode == 0, found.stdout + found.stderr
