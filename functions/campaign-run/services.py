"""The services that campaign-run's actions use, each built once a call, when first asked for."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from huitou.runtime.handler import Call
from huitou.runtime.loading import late_imports

with late_imports():
    from huitou.integrations.functions import Functions
    from huitou.integrations.mini_program import MiniProgram
    from huitou.integrations.weather import Forecast, WeatherService
    from huitou.marketing.audiences.service import Audiences
    from huitou.marketing.campaigns.service import Campaigns
    from huitou.marketing.features.service import FeatureBook
    from huitou.marketing.measurement.service import Effects
    from huitou.marketing.runs.service import CampaignRuns
    from huitou.marketing.runs.tick_service import Tick
    from huitou.members.profiles.service import Members


class CampaignCall(Call):
    """One call of campaign-run with the services it may use."""

    @cached_property
    def campaigns(self) -> Campaigns:
        return Campaigns(self.database, self.clock)

    @cached_property
    def runs(self) -> CampaignRuns:
        return CampaignRuns(self.database, self.clock)

    @cached_property
    def features(self) -> FeatureBook:
        return FeatureBook(self.database, self.clock)

    @cached_property
    def audiences(self) -> Audiences:
        return Audiences(self.database, self.clock)

    @cached_property
    def effects(self) -> Effects:
        return Effects(self.database, self.clock)

    @cached_property
    def members(self) -> Members:
        return Members(self.database, self.clock, self.settings.brand_id)

    @cached_property
    def tick(self) -> Tick:
        return Tick(
            self.database,
            self.clock,
            post=MiniProgram(self.database, self.settings),
            openid=self._openid,
            forecast=self._forecast,
            start=self._start_worker,
        )

    def _openid(self, member_id: str) -> str | None:
        return self.members.openid_of(member_id, self.settings.wechat_appid)

    def _forecast(self, lat: float, lng: float) -> list[Forecast]:
        return WeatherService(self.settings).forecast(lat, lng)

    def _start_worker(self, request: dict[str, Any]) -> None:
        functions = Functions(self.settings.cloud, self.settings.internal_secret)
        functions.start("campaign-run", request)
