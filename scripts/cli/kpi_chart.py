"""Draw the KPIs over time as a PNG with Chinese labels."""

from __future__ import annotations

from datetime import date
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")  # Draws without a screen.

from matplotlib import font_manager
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
from matplotlib.ticker import MaxNLocator, PercentFormatter

GOAL = 0.40  # The founding goal of the 30-day repurchase rate.
BLUE, ORANGE, GREY = "#1f6feb", "#d9480f", "#8c959f"
CHANNELS = {"mini_program": "小程序", "import": "导入"}


def draw(days: list[dict[str, Any]], png: Path, store_id: str | None, channel: str | None) -> None:
    """Draw repurchase with its goal above the orders; one point and one bar for each day."""
    font_manager.fontManager.addfont(_chinese_font())
    about = [f"门店 {store_id}"] if store_id else []
    about += [f"渠道 {CHANNELS.get(channel, channel)}"] if channel else []
    with plt.rc_context({"font.family": "Noto Sans SC", "font.size": 11}):
        figure, (above, below) = plt.subplots(
            2, 1, figsize=(12, 7.5), sharex=True, height_ratios=(3, 2), layout="constrained"
        )
        when = date2num([date.fromisoformat(day["day"]) for day in days])
        _repurchase(above, when, days)
        _orders(below, when, days)
        title = f"30 天复购率与每日订单  {days[0]['day']} 至 {days[-1]['day']}"
        figure.suptitle(f"{title}（{'，'.join(about)}）" if about else title, fontsize=15)
        for axes in (above, below):
            axes.spines[["top", "right"]].set_visible(False)
            axes.grid(axis="y", color="#eaeef2")
            axes.set_axisbelow(True)
        figure.savefig(png, dpi=120)
        plt.close(figure)


def _repurchase(axes: Axes, when: Any, days: list[dict[str, Any]]) -> None:
    rates = [day["repurchase_rate_30d"] for day in days]
    known = [(day, rate) for day, rate in zip(when, rates, strict=True) if rate is not None]
    axes.plot(
        when,
        [float("nan") if rate is None else rate for rate in rates],
        color=BLUE,
        linewidth=2,
        marker="o" if len(known) < 10 else "",
    )
    axes.axhline(GOAL, color=ORANGE, linestyle="--", linewidth=1.2)
    axes.annotate(
        f"目标 {GOAL:.0%}",
        (0.005, GOAL),
        xycoords=("axes fraction", "data"),
        color=ORANGE,
        xytext=(0, 4),
        textcoords="offset points",
    )
    if known:
        day, rate = known[-1]
        axes.annotate(
            f"{rate:.1%}", (day, rate), color=BLUE, xytext=(4, 4), textcoords="offset points"
        )
    else:
        axes.annotate(
            "这段时间还没有可计算的复购率",
            (0.5, 0.5),
            xycoords="axes fraction",
            ha="center",
            color=GREY,
        )
    axes.set_ylim(0, max([GOAL, *(rate for _, rate in known)]) * 1.15)
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.set_ylabel("30 天复购率")


def _orders(axes: Axes, when: Any, days: list[dict[str, Any]]) -> None:
    axes.bar(when, [day["orders"] for day in days], width=0.9, color=BLUE, alpha=0.55)
    axes.set_ylabel("每日订单数")
    axes.set_xlabel("营业日")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    dates = AutoDateLocator(minticks=6, maxticks=14)
    axes.xaxis.set_major_locator(dates)
    axes.xaxis.set_major_formatter(
        ConciseDateFormatter(
            dates,
            show_offset=False,
            formats=["%Y 年", "%m 月", "%m-%d", "%H:%M", "%H:%M", "%S"],
            zero_formats=["", "%Y 年", "%m 月", "%m-%d", "%H:%M", "%H:%M"],
        )
    )


def _chinese_font() -> Path:
    """Return the package's font file Noto Sans SC, without importing the package."""
    package = find_spec("zhplot")
    if package is None or package.origin is None:
        raise RuntimeError("the package zhplot, which brings the Chinese font, is not installed")
    return Path(package.origin).parent / "fonts" / "NotoSansSC-Regular.ttf"
