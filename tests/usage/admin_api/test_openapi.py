"""The admin API's OpenAPI document is right, and what it says is what the running API does."""

import json
import subprocess
import sys

from openapi_spec_validator import validate

from connhub.usage.api.admin.api import api

CHECKS = (
    "not_a_server_error",
    "response_schema_conformance",
    "status_code_conformance",
    "content_type_conformance",
)
OF_ONE_CONNECTION = """
[parameters]
"path.link_name" = "billing"
"path.slug" = "order-to-cash"
"""


def test_document_is_valid_openapi():
    validate(json.loads(json.dumps(api.get_openapi_schema())))


def test_api_does_what_its_document_says(tmp_path, app_server, connection, integration, call):
    (tmp_path / "schemathesis.toml").write_text(OF_ONE_CONNECTION)

    found = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "run", "--phases", "fuzzing", "-n", "3"),
            *("--seed", "1", "--no-color", "--generation-database", "none"),
            *("--request-timeout", "20", "--checks", ",".join(CHECKS)),
            *("--suppress-health-check", "all"),
            *("--header", f"Authorization: Bearer {call.text}"),
            f"{app_server.url}/api/v1/admin/openapi.json",
        ],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )

    assert found.returncode == 0, found.stdout + found.stderr
