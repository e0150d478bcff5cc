"""The linter's rules: sharing, prizes, prices, consent, quiet hours, gifts and message fields.

Each rule names the law or the platform's rule that it comes from. This is not legal advice.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from huitou.catalog.stores.models import BRAND_ZONE
from huitou.marketing.audiences.models import Condition, leaves, required
from huitou.marketing.campaigns.models import Campaign
from huitou.marketing.campaigns.rules import filled, is_supper, may_send, slot
from huitou.marketing.campaigns.triggers import TRIGGERS
from huitou.marketing.linter.models import Facts, Finding, Severity
from huitou.members.messaging.models import FIELD_LENGTHS
from huitou.members.messaging.rules import field_values
from huitou.runtime.errors import Lang

PRIZE_CAP_FEN = 5_000_000
_SHARING = (
    "微信小程序平台运营规范：诱导分享",
    "WeChat's operating rules: induced sharing",
)
_PRIZES = (
    "反不正当竞争法：有奖销售；规范促销行为暂行规定",
    "Anti-Unfair Competition Law, prize sales; Interim Provisions on Sales Promotion",
)
_PROMOTION = ("规范促销行为暂行规定", "Interim Provisions on Sales Promotion")
_PRICES = ("明码标价和禁止价格欺诈规定 第16–20条", "Price-marking rules, articles 16-20")
_CONSENT = ("个人信息保护法 第13–17、24条", "PIPL, articles 13-17 and 24")
_SENSITIVE = ("个人信息保护法 第28–31条", "PIPL, articles 28-31")
_SAME = ("电子商务法 第18条；个人信息保护法 第24条", "E-commerce law 18; PIPL 24")
_QUIET = ("回头产品规则：静默时段", "The chain's message rules: quiet hours")
_HUITOU = ("回头产品规则：效果测量", "The product's own rule: measure every campaign")
_WECHAT_MESSAGES = ("微信小程序：订阅消息字段限制", "WeChat: fields of subscription messages")
_RULES = ("回头产品规则", "The product's own rule")
_SENSITIVE_WORDS = (
    "过敏", "孕", "病", "血糖", "血压", "减肥药", "宗教", "清真", "民族", "少数民族", "未成年",
    "allerg", "pregnan", "diabet", "disease", "health", "halal", "kosher", "relig", "ethnic",
)  # fmt: skip
_DEVICES = frozenset(("iphone", "android", "ios", "huawei", "xiaomi", "苹果", "安卓", "机型"))


class Said(NamedTuple):
    """One thing that a rule found: the field, and a message in each language."""

    field: str
    chinese: str
    english: str


class _Rule(NamedTuple):
    name: str
    severity: Severity
    source: tuple[str, str]
    find: Callable[[Campaign, Facts], Iterator[Said]]


def check(campaign: Campaign, facts: Facts, lang: Lang = "zh") -> list[Finding]:
    """Return all findings about a campaign, errors first, with messages in this language."""
    english = lang == "en"
    findings = [
        Finding(rule=rule.name, severity=rule.severity, field=said.field,
                message=said.english if english else said.chinese, source=rule.source[english])
        for rule in RULES
        for said in rule.find(campaign, facts)
    ]  # fmt: skip
    return sorted(findings, key=lambda finding: finding.severity)


def rule_names() -> list[str]:
    """Return the ids of all rules."""
    return [rule.name for rule in RULES]


# --- sharing ----------------------------------------------------------------------------------


def _share_reward(campaign: Campaign, _: Facts) -> Iterator[Said]:
    if campaign.mechanic.reward_for in ("sharing", "moments_post"):
        yield Said("mechanic.reward_for", "不得以分享或发朋友圈作为奖励条件",
                   "nothing may be given for sharing or for a Moments post")  # fmt: skip


def _reward_before_act(campaign: Campaign, _: Facts) -> Iterator[Said]:
    if campaign.mechanic.reward_for in ("link_opened", "friend_registered"):
        yield Said("mechanic.reward_for", "须在好友实际下单后奖励，仅打开或注册不可",
                   "a friend must have ordered, not only opened a link or registered")  # fmt: skip


def _friends_unstated(campaign: Campaign, _: Facts) -> Iterator[Said]:
    mechanic = campaign.mechanic
    if mechanic.reward_for != "friend_ordered":
        return
    if mechanic.friends is None:
        yield Said("mechanic.friends", "须写明需要几位好友",
                   "say how many friends it takes")  # fmt: skip
    if not mechanic.friends_shown:
        yield Said("mechanic.friends_shown", "好友人数须固定并向用户展示",
                   "the number of friends must be fixed and shown")  # fmt: skip


def _invite_risk(campaign: Campaign, _: Facts) -> Iterator[Said]:
    if campaign.mechanic.reward_for == "friend_ordered":
        yield Said("mechanic.reward_for", "邀请有礼仍有被平台判定为诱导分享的风险，请负责人确认",
                   "rewards for invitations still carry a risk with the platform")  # fmt: skip


def _draw_for_invite(campaign: Campaign, _: Facts) -> Iterator[Said]:
    mechanic = campaign.mechanic
    if mechanic.draw and mechanic.reward_for != "nothing":
        yield Said("mechanic.draw", "不得以分享或邀请换取抽奖机会",
                   "a draw may not be earned by sharing or inviting")  # fmt: skip


# --- prizes and prices ------------------------------------------------------------------------


def _prize_cap(campaign: Campaign, _: Facts) -> Iterator[Said]:
    if not campaign.mechanic.draw:
        return
    for number, prize in enumerate(campaign.mechanic.prizes):
        if prize.value_fen > PRIZE_CAP_FEN:
            yield Said(f"mechanic.prizes.{number}.value_fen", "抽奖奖品价值不得超过 5 万元",
                       "a prize of a draw may be worth ¥50,000 at most")  # fmt: skip


def _prize_unpublished(campaign: Campaign, _: Facts) -> Iterator[Said]:
    mechanic = campaign.mechanic
    if not mechanic.draw:
        return
    if not mechanic.prizes:
        yield Said("mechanic.prizes", "抽奖须公示奖品", "a draw must publish its prizes")
    for number, prize in enumerate(mechanic.prizes):
        if prize.quantity is None and prize.odds_bp is None:
            yield Said(f"mechanic.prizes.{number}", "须公示奖品数量或中奖概率",
                       "publish how many there are, or the odds")  # fmt: skip
    if sum(prize.odds_bp or 0 for prize in mechanic.prizes) > 10_000:
        yield Said("mechanic.prizes", "中奖概率之和超过 100%", "the odds add up to over 100%")
    if not mechanic.rules_text.strip():
        yield Said("mechanic.rules_text", "抽奖须公示活动规则", "a draw must publish its rules")


def _was_price(campaign: Campaign, facts: Facts) -> Iterator[Said]:
    for number, was in enumerate(campaign.mechanic.was_prices):
        lowest = facts.lowest_fen.get(was.dish_id)
        field = f"mechanic.was_prices.{number}.was_fen"
        if lowest is not None and was.was_fen > lowest:
            yield Said(field, f"划线价高于近 7 天最低成交价 ¥{lowest / 100:.2f}",
                       f"above the 7 days' lowest deal, ¥{lowest / 100:.2f}")  # fmt: skip


def _was_price_unproven(campaign: Campaign, facts: Facts) -> Iterator[Said]:
    for number, was in enumerate(campaign.mechanic.was_prices):
        if facts.lowest_fen.get(was.dish_id) is None:
            yield Said(f"mechanic.was_prices.{number}.dish_id", "近 7 天没有成交，划线价没有依据",
                       "not sold in the last 7 days: nothing shows that price")  # fmt: skip


def _changed_once_started(campaign: Campaign, facts: Facts) -> Iterator[Said]:
    if facts.before is not None and facts.before != promised(campaign):
        yield Said("variants", "活动已开始，变更奖励、人数或奖品须有正当理由并公示",
                   "what was promised may change for a good reason only")  # fmt: skip


def promised(campaign: Campaign) -> str:
    """Return what a campaign promises as one text, so that two revisions can be compared."""
    gifts = [variant.gift.model_dump_json() for variant in campaign.variants]
    return "\n".join([*gifts, campaign.mechanic.model_dump_json(), str(campaign.valid_until)])


# --- whom and when ----------------------------------------------------------------------------


def _everybody(campaign: Campaign, _: Facts) -> Iterator[Said]:
    narrow = [leaf for leaf in leaves(campaign.audience)
              if leaf.feature != "consents_to_marketing"]  # fmt: skip
    if TRIGGERS[campaign.trigger.kind].whole_chain and not narrow:
        yield Said("audience", "人群为全体会员：请加上条件",
                   "this would go to every member: say whom it is for")  # fmt: skip


def _without_consent(campaign: Campaign, _: Facts) -> Iterator[Said]:
    for leaf in leaves(campaign.audience):
        if leaf.feature == "consents_to_marketing" and leaf.is_so is False:
            yield Said("audience", "不得向未同意营销的会员发送",
                       "nobody without consent to marketing may be written to")  # fmt: skip
    inner = campaign.audience
    if inner is not None and any(leaf.feature == "consents_to_marketing" and leaf.is_so
                                 for leaf in _excluded(inner)):  # fmt: skip
        yield Said("audience", "人群排除了已同意营销的会员",
                   "the audience leaves out those who consented")  # fmt: skip


def _excluded(condition: Condition) -> list[Condition]:
    below = [leaf for part in (*condition.all_of, *condition.any_of) for leaf in _excluded(part)]
    return below + [leaf for part in condition.none_of for leaf in leaves(part)]


def _sensitive(campaign: Campaign, _: Facts) -> Iterator[Said]:
    for leaf in leaves(campaign.audience):
        for word in (*leaf.among, leaf.category or ""):
            if _has(word, _SENSITIVE_WORDS):
                yield Said("audience", f"“{word}”涉及健康、宗教等敏感信息，不得用于筛选人群",
                           f"{word!r} is about health or belief")  # fmt: skip


def _sensitive_words(campaign: Campaign, _: Facts) -> Iterator[Said]:
    for number, variant in enumerate(campaign.variants):
        if any(_has(title + body, _SENSITIVE_WORDS) for title, body in variant.message.texts()):
            yield Said(f"variants.{number}.message", "文案涉及健康等敏感内容，请负责人确认",
                       "the words touch on health or belief")  # fmt: skip


def _discrimination(campaign: Campaign, _: Facts) -> Iterator[Said]:
    for leaf in leaves(campaign.audience):
        for word in leaf.among:
            if not _DEVICES.isdisjoint(re.split(r"[^a-z\u4e00-\u9fff]+", word.lower())):
                yield Said("audience", f"不得按设备（“{word}”）给予不同价格",
                           f"no other price by device ({word!r})")  # fmt: skip


def _other_gifts(campaign: Campaign, _: Facts) -> Iterator[Said]:
    gifts = {variant.gift.model_dump_json() for variant in campaign.variants}
    if len(gifts) > 1:
        yield Said("variants", "同样条件的会员得到不同权益，请负责人确认",
                   "members in the same position get other gifts")  # fmt: skip


def _has(text: str, words: Sequence[str]) -> bool:
    return any(word in text.lower() for word in words)


def _quiet_hours(campaign: Campaign, facts: Facts) -> Iterator[Said]:
    at = slot(campaign.valid_from.isoformat(), campaign.send_at)
    quiet, window = facts.messages.quiet, campaign.window
    if window is not None and is_supper(window):
        proven = any(leaf.feature == "night_guest" and leaf.is_so
                     for leaf in required(campaign.audience))  # fmt: skip
        if not proven:
            yield Said("window", "夜间时段只能用于夜宵常客：人群须包含“夜宵常客”",
                       "at night only proven night guests: require night_guest")  # fmt: skip
    if not may_send(at, BRAND_ZONE, quiet, window):
        where = f"{window.since}–{window.until}" if window else f"{quiet.until}–{quiet.since}"
        yield Said("send_at", f"{campaign.send_at} 不在可发送时段 {where}",
                   f"{campaign.send_at} is outside {where}")  # fmt: skip


def _unmeasured(campaign: Campaign, _: Facts) -> Iterator[Said]:
    if campaign.holdout_bp == 0:
        yield Said("holdout_bp", "没有对照组，无法知道活动是否有效",
                   "without a hold-out nobody can tell whether it works")  # fmt: skip


# --- gifts and words --------------------------------------------------------------------------


def _gift_unknown(campaign: Campaign, facts: Facts) -> Iterator[Said]:
    for number, variant in enumerate(campaign.variants):
        name, field = variant.gift.template_id, f"variants.{number}.gift.template_id"
        if name is None:
            continue
        template = facts.templates.get(name)
        if template is None:
            yield Said(field, f"没有券模板 {name}", f"there is no coupon template {name}")
        elif template.valid_until is not None and template.valid_until < campaign.valid_until:
            yield Said(field, f"券在活动结束前失效（{template.valid_until}）",
                       f"the coupon ends before the campaign ({template.valid_until})")  # fmt: skip


def _push_template(campaign: Campaign, facts: Facts) -> Iterator[Said]:
    for number, variant in enumerate(campaign.variants):
        named = variant.message.push_template_id
        field = f"variants.{number}.message.push_template_id"
        if named is None:
            continue
        template = facts.messages.template(named)
        if template is None:
            yield Said(field, "没有这个订阅消息模板，请先登记字段",
                       "this subscription template isn't declared in message_rules")  # fmt: skip
            continue
        gift = variant.gift
        coupon = facts.templates.get(gift.template_id or "")
        named = coupon.name if coupon else f"{gift.points} 积分" if gift.points else ""
        until = "12 月 31 日" if coupon else ""
        words = {"gift": named, "until": until}
        found: dict[tuple[str, str], None] = {}  # The late words may have the same fault.
        for texts in variant.message.texts():
            title, body = (filled(text, **words).replace("{days}", "30") for text in texts)
            values = field_values(
                template, title=title, body=body, brand=facts.messages.brand_name, **words
            )
            found |= dict.fromkeys(_unfit(values))
        yield from (Said(field, *said) for said in found)


def _unfit(values: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield, in both languages, which fields of a subscription message are empty or too long."""
    for key, value in values.items():
        most = FIELD_LENGTHS[key.rstrip("0123456789")]
        if not value or len(value) > most:
            yield (f"字段 {key} 须为 1–{most} 个字，现为 {len(value)} 个",
                   f"{key} must have 1 to {most} characters, not {len(value)}")  # fmt: skip


RULES: tuple[_Rule, ...] = (
    _Rule("share-reward", "error", _SHARING, _share_reward),
    _Rule("reward-before-act", "error", _SHARING, _reward_before_act),
    _Rule("friends-unstated", "error", _SHARING, _friends_unstated),
    _Rule("draw-for-invite", "error", _SHARING, _draw_for_invite),
    _Rule("invite-risk", "warning", _SHARING, _invite_risk),
    _Rule("prize-cap", "error", _PRIZES, _prize_cap),
    _Rule("prize-unpublished", "error", _PRIZES, _prize_unpublished),
    _Rule("was-price", "error", _PRICES, _was_price),
    _Rule("was-price-unproven", "warning", _PRICES, _was_price_unproven),
    _Rule("changed-once-started", "warning", _PROMOTION, _changed_once_started),
    _Rule("everybody", "error", _RULES, _everybody),
    _Rule("without-consent", "error", _CONSENT, _without_consent),
    _Rule("sensitive-audience", "error", _SENSITIVE, _sensitive),
    _Rule("sensitive-words", "warning", _SENSITIVE, _sensitive_words),
    _Rule("price-by-device", "error", _SAME, _discrimination),
    _Rule("other-gifts", "warning", _SAME, _other_gifts),
    _Rule("quiet-hours", "error", _QUIET, _quiet_hours),
    _Rule("unmeasured", "warning", _HUITOU, _unmeasured),
    _Rule("gift-unknown", "error", _RULES, _gift_unknown),
    _Rule("push-template", "error", _WECHAT_MESSAGES, _push_template),
)
