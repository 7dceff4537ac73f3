"""The `context` argument of a handler and its environment, with the names of AWS's Python runtime."""
import os
import sys
import time

from . import values

_REGION = "us-east-1"

# The same for every lambda; one may bring a region of its own.
ENVIRONMENT = {
    "AWS_REGION": _REGION,
    "AWS_DEFAULT_REGION": _REGION,
    "AWS_EXECUTION_ENV": f"AWS_Lambda_python{sys.version_info[0]}.{sys.version_info[1]}",
    "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
    "LAMBDA_TASK_ROOT": "/handler",
    "LAMBDA_RUNTIME_DIR": "/runtime",
}


# Different in every lambda, or call.
OWN_ENVIRONMENT = (
    "AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_VERSION", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "_HANDLER", "TRACEPARENT", "TRACESTATE", "_X_AMZN_TRACE_ID",
)

# Bound now: a handler may replace it.
_environ = os.environ


class Identity:
    cognito_identity_id = None
    cognito_identity_pool_id = None


class ClientContext:
    """What the caller says of itself. Whatever is missing is None."""

    def __init__(self, said: dict) -> None:
        self.custom = said.get("custom")
        self.env = said.get("env")
        client = said.get("client")
        self.client = Client(client) if isinstance(client, dict) else None


class Client:
    def __init__(self, said: dict) -> None:
        for name in ("installation_id", "app_title", "app_version_name", "app_version_code", "app_package_name"):
            setattr(self, name, said.get(name))


class Context:
    client_context: "ClientContext | None" = None
    tenant_id = None

    def __init__(self, lambda_name: str, instance: int, memory_mb: int) -> None:
        name, _, version = lambda_name.partition("~")
        # What is run by its digest was the latest once.
        published = version.isdigit() and len(version) < 32
        self.function_name = name
        self.function_version = version if published else "$LATEST"
        self.memory_limit_in_mb = str(memory_mb)
        self._arn = f"arn:aws:lambda:{_REGION}:000000000000:function:{name}"
        self._qualifier = version if published else None
        self.invoked_function_arn = self._arn_with(self._qualifier)
        self.log_group_name = f"/aws/lambda/{name}"
        self.log_stream_name = str(instance)
        self.identity = Identity()
        self.aws_request_id = ""
        self._deadline_ms = 0
        self._trace: "list | None" = None

    def environment(self) -> "dict[str, str]":
        """Variables that say the same."""
        return {
            "AWS_LAMBDA_FUNCTION_NAME": self.function_name,
            "AWS_LAMBDA_FUNCTION_VERSION": self.function_version,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": self.memory_limit_in_mb,
            "AWS_LAMBDA_LOG_GROUP_NAME": self.log_group_name,
            "AWS_LAMBDA_LOG_STREAM_NAME": self.log_stream_name,
        }

    def begin(self, call: dict) -> None:
        self.aws_request_id = call["id"]
        self._deadline_ms = call["deadline"]
        self.invoked_function_arn = self._arn_with(call.get("qualifier", self._qualifier))
        client = call.get("client")
        if client is not None or self.client_context is not None:
            self.client_context = _client_context(client)
        trace = call.get("trace")
        if trace != self._trace:
            self._trace = trace
            _tell_trace(trace)

    def _arn_with(self, qualifier: "str | None") -> str:
        return self._arn if qualifier is None else f"{self._arn}:{qualifier}"

    def get_remaining_time_in_millis(self) -> int:
        return max(0, self._deadline_ms - int(time.time() * 1000))

    def log(self, message: object) -> None:
        print(message, flush=True)


def _client_context(text: "str | None") -> "ClientContext | None":
    if text is None:
        return None
    try:
        return ClientContext(values.decode(text.encode()))
    except (ValueError, RecursionError):
        return None  # nested more deeply than Python reads


def _tell_trace(trace: "list | None") -> None:
    """In the environment, where those who trace look for it."""
    parent, state = trace or (None, None)
    amazon = None
    if parent is not None:
        _version, trace_id, parent_id, flags = parent.split("-")
        amazon = f"Root=1-{trace_id[:8]}-{trace_id[8:]};Parent={parent_id};Sampled={int(flags)}"
    for name, value in (("TRACEPARENT", parent), ("TRACESTATE", state), ("_X_AMZN_TRACE_ID", amazon)):
        if value is None:
            _environ.pop(name, None)
        else:
            _environ[name] = value
