"""The local cloud's HTTP doors: members' callFunction, HTTP access, Tencent's API, and controls."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from flask import Flask, Response, jsonify, redirect, request, send_from_directory
from flask.json.provider import DefaultJSONProvider
from werkzeug.exceptions import BadRequest

from deployment.web import pages
from huitou.runtime.parsing import parse_json
from localcloud.errors import PlatformError
from localcloud.wechat_pay import Refused

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    from localcloud.cloud import LocalCloud
    from localcloud.mini_program import MiniProgramStandIn


_HTTP_STATUS = {
    "InvalidParameter.RequestTooLarge": 413,
    "PERMISSION_DENIED": 403,
    "InvalidParameter": 400,
}


_OUR_HOSTS = ("127.0.0.1", "localhost", "::1")


def _refuse_other_sites(app: Flask) -> None:
    """Answer nobody but this machine's own programs and pages.

    A page of another site can have the developer's browser send us a form or plain text, and can
    have its own name lead to 127.0.0.1. A browser tells both: by `Origin` and by `Host`.
    """

    @app.before_request
    def check() -> Any:
        # Tencent's API is called under Tencent's names; there the signature says who calls.
        if request.endpoint != "tencent_api" and not _is_ours(f"//{request.host}"):
            return jsonify({"errCode": "FOREIGN_HOST", "errMsg": "call 127.0.0.1"}), 403
        ours = request.host_url.rstrip("/")
        if request.headers.get("Origin", ours) != ours:
            return jsonify({"errCode": "FOREIGN_ORIGIN", "errMsg": "another site's page"}), 403
        return None


def _is_ours(url: str) -> bool:
    try:
        return urlsplit(url).hostname in _OUR_HOSTS
    except ValueError:
        return False


def for_this_machine(app: WSGIApplication) -> WSGIApplication:
    """Let only this machine's own programs and pages reach an app that checks neither.

    A page may come from another of our ports: the console's, which shows pictures.
    """

    def checked(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        origin = environ.get("HTTP_ORIGIN")
        if _is_ours(f"//{environ.get('HTTP_HOST', '')}") and (origin is None or _is_ours(origin)):
            return app(environ, start_response)
        start_response("403 Forbidden", [("Content-Type", "text/plain")])
        return [b"call 127.0.0.1, from this machine"]

    return checked


class _SentJson(DefaultJSONProvider):
    """Reads JSON as our functions read it, so what they refuse doesn't break the local cloud."""

    def loads(self, s: str | bytes, **_: Any) -> Any:
        return parse_json(s)


def _app(name: str) -> Flask:
    app = Flask(name)
    app.json = _SentJson(app)
    return app


def platform_app(cloud: LocalCloud) -> Flask:
    """What Tencent Cloud offers, and the local cloud's own controls under /local/."""
    app = _app("localcloud")
    app.json.ensure_ascii = False  # type: ignore[attr-defined]
    _refuse_other_sites(app)

    @app.post("/callFunction")
    def call_function() -> Any:
        """`{"name", "data", "openid"}`: the caller's identity is set as the platform sets it."""
        body = request.get_json()
        if not isinstance(body, dict) or not all(
            isinstance(body.get(field), str) and "\0" not in body[field]
            for field in ("name", "openid")
        ):
            raise PlatformError("InvalidParameter", '{"name", "data", "openid"} is needed')
        cloud.platform.check_members_may_call(body["name"])
        caller = {
            "WX_OPENID": body["openid"],
            "WX_APPID": cloud.keys.appid,
            "WX_CLIENTIP": str(request.remote_addr),
        }
        done = cloud.platform.call(body["name"], body.get("data"), caller)
        if done.failure:
            failed = {"errCode": -504002, "errMsg": done.failure.message}
            return jsonify({**failed, "requestId": done.request_id})
        return jsonify(
            {"result": done.result, "requestId": done.request_id, "ms": round(done.duration_ms, 2)}
        )

    @app.post("/")
    def tencent_api() -> Any:
        return jsonify(
            cloud.api.serve({n.lower(): v for n, v in request.headers}, request.get_data())
        )

    @app.route("/<path:path>", methods=["GET", "POST"])
    def http_access(path: str) -> Any:
        function = _routed(cloud.registry.routes, "/" + path)
        if function is None:
            return jsonify({"code": "INVALID_PATH"}), 404
        raw = request.get_data()
        try:
            text, encoded = raw.decode(), False
        except UnicodeDecodeError:
            text, encoded = base64.b64encode(raw).decode(), True
        event = {
            "path": "/" + path,
            "httpMethod": request.method,
            "headers": dict(request.headers),
            "queryStringParameters": dict(request.args),
            "body": text,
            "isBase64Encoded": encoded,
            "requestContext": {"sourceIp": request.remote_addr},
        }
        done = cloud.platform.call(function, event, {})
        if done.failure or not isinstance(done.result, dict) or "statusCode" not in done.result:
            return jsonify({"code": "FUNCTION_INVOCATION_FAILED"}), 502
        answer = done.result
        return Response(answer["body"], answer["statusCode"], answer.get("headers"))

    _add_console(app)
    _add_controls(app, cloud)

    _tell_faults(app)
    return app


def _tell_faults(app: Flask) -> None:
    """Answer what the platform refuses, and bodies that nobody can read, as JSON."""

    @app.errorhandler(BadRequest)
    def unreadable(_: BadRequest) -> Any:
        told = {"errCode": "InvalidParameter", "errMsg": "the body isn't JSON that functions take"}
        return jsonify(told), 400

    @app.errorhandler(PlatformError)
    def refused(error: PlatformError) -> Any:
        status = _HTTP_STATUS.get(error.code, 404)
        return jsonify({"errCode": error.code, "errMsg": str(error)}), status


def _routed(routes: Mapping[str, str], path: str) -> str | None:
    """Return the function of the longest route that a path is at or below, as HTTP access does."""
    above = [route for route in routes if path == route or path.startswith(route + "/")]
    return routes[max(above, key=len)] if above else None


def _add_console(app: Flask) -> None:
    """The console's pages, as static hosting serves them on the same origin."""

    @app.get("/console/")
    @app.get("/console/<path:name>")
    def console(name: str = "index.html") -> Any:
        page = send_from_directory(pages(), name, max_age=0)
        # A page's own policy can't say this: a browser reads it from the header alone.
        page.headers["Content-Security-Policy"] = "frame-ancestors 'none'"
        return page

    @app.get("/console")
    def to_console() -> Any:
        return redirect("/console/")


def _add_controls(app: Flask, cloud: LocalCloud) -> None:
    controls: dict[str, Callable[[dict[str, Any]], object]] = {
        "status": lambda _: cloud.status(),
        "clock": lambda body: cloud.set_clock(
            datetime.fromisoformat(body["at"]) if body.get("at") else cloud.clock.now(),
            stands=body["stands"],
        ),
        "advance": lambda body: cloud.advance(datetime.fromisoformat(body["to"])),
        "drain": lambda body: {"drained": cloud.drain(body.get("within_s", 10.0))},
        "fire": lambda body: {"fired": cloud.timers.fire_function(body["function"])},
        "reset": lambda _: cloud.reset_sample(),
        "mark": lambda body: cloud.mark_sample(sample=body["sample"]),
        "wechat-pay/books": lambda _: cloud.wechat_pay.books(),
        "wechat-pay/mode": cloud.set_wechat_pay_mode,
        "wechat-pay/plant": cloud.plant_at_wechat_pay,
        "wechat-pay/forge": lambda body: cloud.forge_notice(
            body["kind"], body.get("out_trade_no", "")
        ),
        "wechat-pay/release": lambda _: cloud.wechat_pay.release(),
        "mini-program/messages": lambda _: {"messages": cloud.mini_program.messages()},
        "mini-program/risk": lambda body: cloud.mini_program.set_risk(body["openid"], body["rank"]),
        "weather": lambda body: cloud.weather.set_day(body["day"], body["values"]),
        "mini-program/mode": lambda body: cloud.mini_program.manage_trade(
            managed=body["trade_managed"]
        ),
    }

    @app.post("/local/<path:control>")
    def local(control: str) -> Any:
        if control not in controls:
            return jsonify({"error": f"controls: {', '.join(controls)}"}), 404
        return jsonify(controls[control](request.get_json() or {}))


def vendors_app(cloud: LocalCloud) -> Flask:
    """The stand-ins: WeChat Pay under /v3/, the mini-program's server API, the guest's phone."""
    app = _app("vendors")
    _refuse_other_sites(app)

    @app.route("/v3/<path:path>", methods=["GET", "POST"])
    def wechat_pay(path: str) -> Any:
        del path  # What is signed is the address as it was sent, not as it reads.
        status, body, headers = cloud.wechat_pay.serve(
            request.method,
            urlsplit(request.environ["REQUEST_URI"]).path,
            request.query_string.decode(),
            request.headers.get("Authorization", ""),
            request.get_data(),
            request.headers.get("Wechatpay-Serial", ""),
        )
        return Response(body, status, headers)

    @app.get("/v7/weather/3d")
    def forecast() -> Any:
        key = request.headers.get("X-QW-Api-Key", "")
        return jsonify(cloud.weather.forecast(key, request.args.get("location", "")))

    _add_mini_program(app, cloud.mini_program)
    _add_phone(app, cloud)

    @app.errorhandler(Refused)
    def refused(error: Refused) -> Any:
        body = json.dumps(error.answer(), ensure_ascii=False)
        return Response(body, error.status, content_type="application/json")

    return app


def _add_mini_program(app: Flask, stand_in: MiniProgramStandIn) -> None:
    """The mini-program's server API; most of it is a body under the shared token."""
    with_token: dict[str, Callable[[str, dict[str, Any]], dict[str, Any] | bytes]] = {
        "wxa/business/getuserphonenumber": stand_in.phone_number,
        "wxa/sec/order/is_trade_managed": stand_in.is_trade_managed,
        "wxa/sec/order/upload_shipping_info": stand_in.upload_shipping_info,
        "cgi-bin/message/subscribe/send": stand_in.send_message,
        "wxa/set_user_notify": stand_in.show_card,
        "wxa/getuserriskrank": stand_in.risk_rank,
        "wxa/getwxacodeunlimit": stand_in.code_image,
        "wxa/generate_urllink": stand_in.url_link,
    }

    def answered(path: str) -> Any:
        token = request.args.get("access_token", "")
        answer = with_token[path](token, request.get_json())
        image = isinstance(answer, bytes)
        return Response(answer, content_type="image/png") if image else jsonify(answer)

    for path in with_token:
        app.add_url_rule(f"/{path}", path, answered, defaults={"path": path}, methods=["POST"])

    @app.post("/cgi-bin/stable_token")
    def stable_token() -> Any:
        return jsonify(stand_in.stable_token(request.get_json()))

    @app.get("/sns/jscode2session")
    def session() -> Any:
        return jsonify(stand_in.session(request.args))


def _add_phone(app: Flask, cloud: LocalCloud) -> None:
    """What a guest's fingers do."""

    @app.post("/phone/pay")
    def pay() -> Any:
        """`{"openid", "payment"}`: the guest confirms what `prepay` answered."""
        body = request.get_json()
        return jsonify(cloud.wechat_pay.pay(body["openid"], body["payment"]))

    @app.post("/phone/authorise-number")
    def authorise_number() -> Any:
        """`{"phone"}` → `{"code"}`: the guest allows the mini-program to have their number."""
        return jsonify({"code": cloud.mini_program.authorise_phone(request.get_json()["phone"])})

    @app.post("/phone/accept-messages")
    def accept_messages() -> Any:
        """`{"openid", "template_ids"}`: the guest allows one message of each template."""
        body = request.get_json()
        return jsonify(cloud.mini_program.accept_messages(body["openid"], body["template_ids"]))

    @app.post("/phone/enter-group")
    def enter_group() -> Any:
        """`{"openid", "opengid"}`: the guest opens the mini-program from a group."""
        body = request.get_json()
        return jsonify(cloud.mini_program.enter_group(body["openid"], body["opengid"]))
