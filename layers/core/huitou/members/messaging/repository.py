"""Every query on `subscriptions`, and on the message rules in `rules`."""

from __future__ import annotations

from collections.abc import Sequence

from pymongo import ReturnDocument
from pymongo.client_session import ClientSession

from huitou.members.messaging.models import MessageRules, Subscription
from huitou.runtime.database import Database

PROMPTS_KEPT = 20


class MessageRepository:
    def __init__(self, database: Database) -> None:
        self._subscriptions = database.collection("subscriptions")
        self._rules = database.collection("rules")
        self._cache = database.cache

    def rules(self) -> MessageRules:
        """Return the chain's rules, or the default ones if it has set none."""

        def read() -> MessageRules:
            found = self._rules.find_one({"_id": "messages"})
            return MessageRules.model_validate(found) if found else MessageRules()

        return self._cache.get("message rules", read)

    def accept(
        self, member_id: str, template_id: str, prompt_id: str, session: ClientSession
    ) -> None:
        """Count one more message that the member agreed to.

        Raises DuplicateKeyError if the prompt was counted before: the filter then finds no
        document, so the upsert tries to insert a second one.
        """
        name = f"{member_id}|{template_id}"
        not_counted = {"_id": name, "prompts": {"$ne": prompt_id}}
        self._subscriptions.update_one(
            not_counted,
            {
                "$inc": {"left": 1},
                "$push": {"prompts": {"$each": [prompt_id], "$slice": -PROMPTS_KEPT}},
                "$setOnInsert": {"schema": 1, "member_id": member_id, "template_id": template_id},
            },
            upsert=True,
            session=session,
        )

    def left(self, member_ids: Sequence[str], template_ids: Sequence[str]) -> dict[str, int]:
        """Return how many messages are left, by `<member>|<template>`, without those with none."""
        ids = [f"{member}|{template}" for member in member_ids for template in template_ids]
        found = self._subscriptions.find({"_id": {"$in": ids}, "left": {"$gt": 0}}, {"left": 1})
        return {row["_id"]: row["left"] for row in found}

    def of_member(self, member_id: str) -> list[Subscription]:
        """Return the subscriptions of a member, also those with none left."""
        found = self._subscriptions.find({"member_id": member_id}).limit(100)
        return [Subscription.model_validate(row) for row in found]

    def spend(self, member_id: str, template_id: str) -> bool:
        """Use one of the messages that are left; False if there is none.

        If two calls want the last one, one of them finds none.
        """
        taken = self._subscriptions.find_one_and_update(
            {"_id": f"{member_id}|{template_id}", "left": {"$gt": 0}},
            {"$inc": {"left": -1}},
            return_document=ReturnDocument.AFTER,
        )
        return taken is not None

    def give_back(self, member_id: str, template_id: str) -> None:
        """Count one message as left again, because WeChat didn't accept it."""
        self._subscriptions.update_one({"_id": f"{member_id}|{template_id}"}, {"$inc": {"left": 1}})

    def none_left(self, member_id: str, template_id: str) -> None:
        """Set what is left to 0: WeChat says so, or the guest has switched the messages off."""
        self._subscriptions.update_one({"_id": f"{member_id}|{template_id}"}, {"$set": {"left": 0}})

    def hand_over(self, source_id: str, into_id: str, session: ClientSession) -> None:
        """Give one member's subscriptions to another, who has none of their own."""
        for one in self._subscriptions.find({"member_id": source_id}, session=session):
            moved = {**one, "_id": f"{into_id}|{one['template_id']}", "member_id": into_id}
            self._subscriptions.delete_one({"_id": one["_id"]}, session=session)
            self._subscriptions.replace_one(
                {"_id": moved["_id"]}, moved, upsert=True, session=session
            )
