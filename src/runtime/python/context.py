"""The `context` argument of a handler, with the names of AWS's Python runtime."""
import time


class Identity:
    cognito_identity_id = None
    cognito_identity_pool_id = None


class Context:
    function_version = "$LATEST"
    client_context = None
    tenant_id = None

    def __init__(self, lambda_name: str, instance: int, memory_mb: int) -> None:
        self.function_name = lambda_name
        self.memory_limit_in_mb = str(memory_mb)
        self.invoked_function_arn = f"arn:aws:lambda:us-east-1:000000000000:function:{lambda_name}"
        self.log_group_name = f"/aws/lambda/{lambda_name}"
        self.log_stream_name = str(instance)
        self.identity = Identity()
        self.aws_request_id = ""
        self._deadline_ms = 0

    def begin(self, request_id: str, deadline_ms: int) -> None:
        self.aws_request_id = request_id
        self._deadline_ms = deadline_ms

    def get_remaining_time_in_millis(self) -> int:
        return max(0, self._deadline_ms - int(time.time() * 1000))

    def log(self, message: object) -> None:
        print(message, flush=True)
