"""Takes WeChat Pay's notices over HTTP; a notice counts only with a valid signature."""

from __future__ import annotations

import time
from typing import Any

from huitou.payments.charges.errors import ChargeErrors
from huitou.runtime.errors import HuitouError, Refusal
from huitou.runtime.events import HttpAnswer, HttpRequest
from huitou.runtime.handler import Web
from huitou.runtime.logs import log
from services import PayCall

_NOTICE_STATUS = {ChargeErrors.SIGNATURE_INVALID: 401, ChargeErrors.NOTIFICATION_MISMATCH: 400}


def notification(call: PayCall, request: HttpRequest) -> HttpAnswer:
    """Answer WeChat Pay. After any status but 200 it sends the notice again, for 24 hours."""
    try:
        call.payments.process_notice(request.headers, request.body, time.time())
    except HuitouError as error:
        log("notice_refused", code=error.code.name, field=error.field)
        status = _NOTICE_STATUS.get(error.code, 500)
        return HttpAnswer(status, {"code": "FAIL", "message": error.message()})
    return HttpAnswer(200, {"code": "SUCCESS", "message": "成功"})


def not_taken(failure: HuitouError, error: dict[str, Any]) -> HttpAnswer:
    """Answer a request that failed before its notice could be read."""
    status = 400 if isinstance(failure, Refusal) else 500
    return HttpAnswer(status, {"code": "FAIL", "message": error["message"]})


WEB = Web(notification, not_taken)
