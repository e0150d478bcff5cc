"""Every query on `subscriptions`, and on the message rules in `rules`."""

from __future__ import annotations

from collections.abc import Sequence

from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from huitou.members.messaging.models import MessageRules, Subscription
from huitou.runtime.database import Database

PROMPTS_KEPT = 20


class MessageRepository:
    def __init__(self, database: Database) -> None:
        self._subscriptions = database.collection("subscriptions")
        self._rules = database.collection("rules")
        self._recent = database.recent

    def rules(self) -> MessageRules:
        """Return the rules; the default ones until a chain sets its own."""

        def read() -> MessageRules:
            found = self._rules.find_one({"_id": "messages"})
            return MessageRules.model_validate(found) if found else MessageRules()

        return self._recent.get("message rules", read)

    def accept(self, member_id: str, template_id: str, prompt_id: str) -> None:
        """Count one more message the member agreed to; the same prompt again counts nothing."""
        name = f"{member_id}|{template_id}"
        told = {"_id": name, "prompts": {"$ne": prompt_id}}
        try:
            self._subscriptions.update_one(
                told,
                {
                    "$inc": {"left": 1},
                    "$push": {"prompts": {"$each": [prompt_id], "$slice": -PROMPTS_KEPT}},
                    "$setOnInsert": {
                        "schema": 1, "member_id": member_id, "template_id": template_id,
                    },
                },
                upsert=True,
            )  # fmt: skip
        except DuplicateKeyError:  # Counted before: the filter passes its document over.
            return

    def left(self, member_ids: Sequence[str], template_ids: Sequence[str]) -> dict[str, int]:
        """Return what is left by `<member>|<template>`, where anything is."""
        ids = [f"{member}|{template}" for member in member_ids for template in template_ids]
        found = self._subscriptions.find({"_id": {"$in": ids}, "left": {"$gt": 0}}, {"left": 1})
        return {row["_id"]: row["left"] for row in found}

    def of_member(self, member_id: str) -> list[Subscription]:
        """Return what is left of each template a member ever agreed to."""
        found = self._subscriptions.find({"member_id": member_id}).limit(100)
        return [Subscription.model_validate(row) for row in found]

    def spend(self, member_id: str, template_id: str) -> bool:
        """Take one message of what is left; of two for the last one, one must lose."""
        taken = self._subscriptions.find_one_and_update(
            {"_id": f"{member_id}|{template_id}", "left": {"$gt": 0}},
            {"$inc": {"left": -1}},
            return_document=ReturnDocument.AFTER,
        )
        return taken is not None

    def give_back(self, member_id: str, template_id: str) -> None:
        """Put one back that WeChat didn't take."""
        self._subscriptions.update_one({"_id": f"{member_id}|{template_id}"}, {"$inc": {"left": 1}})

    def none_left(self, member_id: str, template_id: str) -> None:
        """WeChat says there is none left, or the guest switched them off."""
        self._subscriptions.update_one({"_id": f"{member_id}|{template_id}"}, {"$set": {"left": 0}})
