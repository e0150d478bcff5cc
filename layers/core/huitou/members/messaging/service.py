"""The rules of messages, and how many messages each member has agreed to."""

from __future__ import annotations

from collections.abc import Sequence

from pymongo.client_session import ClientSession

from huitou.members.messaging.models import (
    MessageRules,
    NamedPush,
    NamedPushes,
    SubscribedAnswer,
    SubscribedRequest,
)
from huitou.members.messaging.repository import MessageRepository
from huitou.persons.ids.service import Persons
from huitou.runtime.database import Database


class Messages:
    def __init__(self, database: Database) -> None:
        self._repository = MessageRepository(database)
        self._persons = Persons(database)

    def message_rules(self) -> MessageRules:
        """Return the chain's rules for messages."""
        return self._repository.rules()

    def list_push_templates(self) -> NamedPushes:
        """Return ids and names of the subscription messages, so that a person can choose one."""
        return NamedPushes(
            templates=[
                NamedPush(template_id=one.template_id, name=one.name or one.template_id)
                for one in self.message_rules().templates
            ]
        )

    def record_subscriptions(self, member_id: str, request: SubscribedRequest) -> SubscribedAnswer:
        """Count the messages a guest agreed to in one prompt; each prompt counts once."""
        for answer in request.answers:
            if answer.result == "accept":
                # False: the prompt was counted before.
                self._persons.insert_for(
                    member_id,
                    lambda session, wanted=answer.template_id: self._repository.accept(  # type: ignore[misc]
                        member_id, wanted, request.prompt_id, session
                    ),
                )
            elif answer.result == "ban":  # Switched off for good in WeChat's settings.
                self._repository.none_left(member_id, answer.template_id)
        mine = self._repository.of_member(member_id)
        return SubscribedAnswer(left={found.template_id: found.left for found in mine})

    def messages_left(
        self, member_ids: Sequence[str], template_ids: Sequence[str]
    ) -> dict[str, int]:
        """Return how many messages may still be sent, by `<member>|<template>`."""
        return self._repository.left(member_ids, template_ids)

    def spend_message(self, member_id: str, template_id: str) -> bool:
        """Use one of the messages a member has agreed to; False if none is left."""
        return self._repository.spend(member_id, template_id)

    def give_back_message(self, member_id: str, template_id: str) -> None:
        """Count one message as left again, because WeChat didn't accept it."""
        self._repository.give_back(member_id, template_id)

    def set_no_messages_left(self, member_id: str, template_id: str) -> None:
        """Note that WeChat accepts no further message of this template for this member."""
        self._repository.none_left(member_id, template_id)

    def hand_over_messages(self, source_id: str, into_id: str, session: ClientSession) -> None:
        """Give what one member agreed to to another, whose only WeChat is the first one's."""
        self._repository.hand_over(source_id, into_id, session)
