"""The rules of messages, and the consent to them that is spent one by one."""

from __future__ import annotations

from collections.abc import Sequence

from huitou.members.messaging.models import (
    MessageRules,
    NamedPush,
    NamedPushes,
    SubscribedAnswer,
    SubscribedRequest,
)
from huitou.members.messaging.repository import MessageRepository
from huitou.runtime.database import Database


class Messages:
    def __init__(self, database: Database) -> None:
        self._repository = MessageRepository(database)

    def rules(self) -> MessageRules:
        """Return the chain's rules of messages."""
        return self._repository.rules()

    def pushes(self) -> NamedPushes:
        """Return the subscription messages there are, for who chooses one."""
        return NamedPushes(
            templates=[
                NamedPush(template_id=one.template_id, name=one.name or one.template_id)
                for one in self.rules().templates
            ]
        )

    def subscribed(self, member_id: str, request: SubscribedRequest) -> SubscribedAnswer:
        """Count what a guest agreed to in one prompt; the same prompt again counts nothing."""
        for answer in request.answers:
            if answer.result == "accept":
                self._repository.accept(member_id, answer.template_id, request.prompt_id)
            elif answer.result == "ban":  # Switched off for good in WeChat's settings.
                self._repository.none_left(member_id, answer.template_id)
        mine = self._repository.of_member(member_id)
        return SubscribedAnswer(left={found.template_id: found.left for found in mine})

    def left(self, member_ids: Sequence[str], template_ids: Sequence[str]) -> dict[str, int]:
        """Return how many each member still gets of each template, by `<member>|<template>`."""
        return self._repository.left(member_ids, template_ids)

    def spend(self, member_id: str, template_id: str) -> bool:
        """Take one of what is left; False where none is."""
        return self._repository.spend(member_id, template_id)

    def give_back(self, member_id: str, template_id: str) -> None:
        """Put one back that WeChat didn't take."""
        self._repository.give_back(member_id, template_id)

    def none_left(self, member_id: str, template_id: str) -> None:
        """Note that WeChat takes no more for this member."""
        self._repository.none_left(member_id, template_id)
