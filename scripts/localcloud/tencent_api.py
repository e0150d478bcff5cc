"""Tencent Cloud's own API in front of the local cloud: scf Invoke, its TC3 signature verified."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import time
import uuid
from datetime import UTC, datetime
from typing import Any

from werkzeug.datastructures import Headers

from localcloud.keys import LocalSecrets
from localcloud.platform import Platform, PlatformError

MAX_SKEW_S = 300
_PARTS = re.compile(
    r"^TC3-HMAC-SHA256 Credential=([^/]+)/([^/]+)/([^/]+)/tc3_request, *"
    r"SignedHeaders=([^,]+), *Signature=([0-9a-f]{64})$"
)


class TencentApi:
    """Answers scf 2018-04-16 over POST, as far as the bundle itself calls it."""

    def __init__(self, platform: Platform, keys: LocalSecrets) -> None:
        self._platform = platform
        self._keys = keys

    def serve(self, headers: Headers, body: bytes) -> dict[str, Any]:
        """Answer one API call; errors travel in a 200, as the real API does it."""
        request_id = str(uuid.uuid4())
        try:
            service = self._check_signature(headers, body)
            action = headers.get("X-TC-Action", "")
            if (service, action) != ("scf", "Invoke"):
                raise PlatformError("InvalidAction", f"{service} {action} is not served here")
            response = self._invoke(json.loads(body))
        except PlatformError as error:
            response = {"Error": {"Code": error.code, "Message": str(error)}}
        return {"Response": response | {"RequestId": request_id}}

    def _check_signature(self, headers: Headers, body: bytes) -> str:
        """Verify TC3-HMAC-SHA256; returns the service that was signed for."""
        parts = _PARTS.match(headers.get("Authorization", ""))
        if parts is None:
            raise PlatformError("AuthFailure.SignatureFailure", "Authorization")
        secret_id, date, service, signed_names, signature = parts.groups()
        if not hmac.compare_digest(secret_id, self._keys.secret_id):
            raise PlatformError("AuthFailure.SecretIdNotFound", "SecretId")
        stamp = headers.get("X-TC-Timestamp", "")
        if not stamp.isdigit() or abs(time.time() - int(stamp)) > MAX_SKEW_S:
            raise PlatformError("AuthFailure.SignatureExpire", "X-TC-Timestamp")
        if datetime.fromtimestamp(int(stamp), UTC).date().isoformat() != date:
            raise PlatformError("AuthFailure.SignatureFailure", "date")
        names = signed_names.split(";")
        if not {"content-type", "host"} <= set(names):
            raise PlatformError("AuthFailure.SignatureFailure", "SignedHeaders")
        canonical_headers = "".join(f"{n}:{headers.get(n, '').strip()}\n" for n in names)
        hashed_body = hashlib.sha256(body).hexdigest()
        canonical = f"POST\n/\n\n{canonical_headers}\n{signed_names}\n{hashed_body}"
        scope = f"{date}/{service}/tc3_request"
        hashed = hashlib.sha256(canonical.encode()).hexdigest()
        to_sign = f"TC3-HMAC-SHA256\n{stamp}\n{scope}\n{hashed}"
        key = f"TC3{self._keys.secret_key}".encode()
        for part in (date, service, "tc3_request"):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        expected = hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()
        if not hmac.compare_digest(expected, signature):
            raise PlatformError("AuthFailure.SignatureFailure", "signature")
        return service

    def _invoke(self, request: dict[str, Any]) -> dict[str, Any]:
        if request.get("Namespace") != self._platform.namespace:
            raise PlatformError("ResourceNotFound.Namespace", str(request.get("Namespace")))
        function = str(request.get("FunctionName"))
        event = json.loads(request.get("ClientContext") or "{}")
        if request.get("InvocationType", "RequestResponse") == "Event":
            self._platform.start(function, event)
            return {"Result": {"FunctionRequestId": str(uuid.uuid4()), "InvokeResult": 0}}
        done = self._platform.call(function, event, {})
        return {
            "Result": {
                "FunctionRequestId": done.request_id,
                "RetMsg": json.dumps(done.result, ensure_ascii=False) if not done.error else "",
                "ErrMsg": done.error or "",
                "InvokeResult": 1 if done.error else 0,
                "Duration": round(done.ms, 1),
            }
        }
