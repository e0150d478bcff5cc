"""What the chain tells a member: the inbox, and what they answered to a subscription prompt."""

from __future__ import annotations

from huitou.runtime.handler import Action
from huitou.runtime.loading import late_imports
from services import ProfileCall

with late_imports():
    from huitou.marketing.deliveries.models import InboxAnswer, OpenedAnswer, OpenMessageRequest
    from huitou.members.messaging.models import SubscribedAnswer, SubscribedRequest
    from huitou.runtime.paging import PageRequest


def inbox(call: ProfileCall, request: PageRequest) -> object:
    return call.inbox.list_messages(call.member_id, request)


def open_message(call: ProfileCall, request: OpenMessageRequest) -> object:
    return call.inbox.open_message(call.member_id, request)


def subscribed(call: ProfileCall, request: SubscribedRequest) -> object:
    return call.messages.record_subscriptions(call.member_id, request)


MEMBER = {
    "inbox": Action(PageRequest, inbox, InboxAnswer),
    "open_message": Action(OpenMessageRequest, open_message, OpenedAnswer),
    "subscribed": Action(SubscribedRequest, subscribed, SubscribedAnswer, most_a_minute=30),
}
