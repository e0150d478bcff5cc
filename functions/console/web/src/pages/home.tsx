import { CheckCircleOutlined } from "@ant-design/icons";
import { Card, Col, Progress, Row, Select, Space, Statistic, Tooltip } from "antd";
import { useMemo, useState } from "react";
import { useAsk } from "../api";
import { Chart } from "../chart";
import { count, percent, yuan } from "../format";
import { useMay, useMe } from "../me";
import { Nothing, StoreSelect, Told, useStores } from "../parts";
import type { Alarms, DayFigures, Home } from "../types";
import { useSpeech } from "../words";

export default function HomePage() {
  const { t } = useSpeech();
  const may = useMay();
  const me = useMe();
  const stores = useStores();
  const [store, setStore] = useState(me.store_ids[0] ?? "");
  const figures = useAsk<Home>("home/figures", store ? { store_id: store } : {});
  return (
    <>
      <Space style={{ marginBottom: 16 }} wrap>
        <h1 style={{ margin: 0 }}>{t("home")}</h1>
        <Told asked={stores}>
          {({ stores: found }) => <StoreSelect stores={found} value={store} onChange={setStore} whole={me.store_ids.length === 0} />}
        </Told>
      </Space>
      <Told asked={figures}>{(home) => <FiguresOf home={home} />}</Told>
      {may("home/alarms") && <AlarmCard />}
    </>
  );
}

function FiguresOf({ home }: { home: Home }) {
  const { t } = useSpeech();
  const { today, week_ago: before, goals, days } = home;
  const last = days[days.length - 2] ?? today; // The last day that is over.
  return (
    <Row gutter={[16, 16]}>
      <Rate title={t("repurchase")} help={t("repurchaseHelp")} rate={last.repurchase_rate_30d} goal={goals.repurchase} />
      <Rate title={t("activity")} help={t("activityHelp")} rate={last.activity_rate} goal={goals.activity} />
      <Rate title={t("burn")} help={t("burnHelp")} rate={last.points_burn_rate} goal={goals.burn} />
      <Against title={t("ordersPaid")} now={count(today.orders)} then={count(before.orders)} />
      <Against title={t("revenue")} now={yuan(today.revenue_fen)} then={yuan(before.revenue_fen)} />
      <Against title={t("newMembers")} now={count(today.new_members)} then={count(before.new_members)} />
      <Col xs={24} lg={14}>
        <Card title={t("last30")} style={{ height: "100%" }}><OverTime days={days.slice(0, -1)} goals={goals} /></Card>
      </Col>
      <Col xs={24} lg={10}>
        <Card title={t("byStore")} style={{ height: "100%" }}>{home.stores.some((s) => s.repurchase_rate_30d !== null) ? <ByStore home={home} /> : <Nothing words={t("tooFewDays")} />}</Card>
      </Col>
    </Row>
  );
}

function Rate({ title, help, rate, goal }: { title: string; help: string; rate: number | null; goal: number }) {
  const { t } = useSpeech();
  return (
    <Col xs={24} sm={8}>
      <Card>
        <Tooltip title={help}>
          <Statistic title={title} value={rate === null ? t("noRate") : percent(rate)} />
        </Tooltip>
        <Progress
          aria-label={`${title} ${percent(rate)}`}
          percent={Math.min(100, Math.round(((rate ?? 0) / goal) * 100))}
          showInfo={false}
          strokeColor={rate !== null && rate >= goal ? "#389e0d" : "#b4341f"}
        />
        <span className="figure-note">{`${t("goal")} ${percent(goal)}`}</span>
      </Card>
    </Col>
  );
}

function Against({ title, now, then }: { title: string; now: string; then: string }) {
  const { t } = useSpeech();
  return (
    <Col xs={24} sm={8}>
      <Card>
        <Statistic title={`${t("today")} · ${title}`} value={now} />
        <span className="figure-note">{`${t("sameWeekday")} ${then}`}</span>
      </Card>
    </Col>
  );
}

const rate = (value: number | null) => (value === null ? null : Math.round(value * 1000) / 10);

type Metric = "repurchase" | "activity" | "burn" | "ordersPaid" | "revenue";
const METRICS: Metric[] = ["repurchase", "activity", "burn", "ordersPaid", "revenue"];
const VALUES: Record<Metric, (day: DayFigures) => number | null> = {
  repurchase: (d) => rate(d.repurchase_rate_30d), activity: (d) => rate(d.activity_rate), burn: (d) => rate(d.points_burn_rate),
  ordersPaid: (d) => d.orders, revenue: (d) => d.revenue_fen / 100,
};

function OverTime({ days, goals }: { days: DayFigures[]; goals: Home["goals"] }) {
  const { t } = useSpeech();
  const [metric, setMetric] = useState<Metric>("repurchase");
  const goal = metric in goals ? goals[metric as keyof Home["goals"]] * 100 : null;
  const unit = goal === null ? "" : "%";
  const option = useMemo(
    () => ({
      grid: { left: 8, right: goal === null ? 16 : 72, top: 24, bottom: 8, containLabel: true },
      tooltip: { trigger: "axis", valueFormatter: (v: number | null) => (v === null ? "—" : metric === "revenue" ? yuan(v * 100) : `${v}${unit}`) },
      xAxis: { type: "category", data: days.map((d) => d.day.slice(5)) },
      yAxis: { type: "value", axisLabel: { formatter: `{value}${unit}` } },
      series: [
        { name: t(metric), type: "line", symbol: "none", color: "#b4341f", data: days.map(VALUES[metric]) },
        ...(goal === null ? [] : [{
          name: t("goal"), type: "line", symbol: "none", color: "#595959", lineStyle: { type: "dashed", width: 1 },
          endLabel: { show: true, formatter: `${t("goal")} ${goal}%` }, data: days.map(() => goal),
        }]),
      ],
    }),
    [days, metric, goal, unit, t],
  );
  const rows = days.map((d) => [d.day, percent(d.repurchase_rate_30d), percent(d.activity_rate), percent(d.points_burn_rate), count(d.orders), yuan(d.revenue_fen)]);
  const isKnown = days.some((d) => VALUES[metric](d) !== null);
  return (
    <>
      <Select aria-label={t("figure")} value={metric} onChange={setMetric} style={{ width: 160, margin: "0 12px 12px 0" }} options={METRICS.map((m) => ({ value: m, label: t(m) }))} />
      {isKnown ? <Chart name={t("last30")} option={option} columns={[t("day"), ...METRICS.map((m) => t(m))]} rows={rows} /> : <Nothing words={t("tooFewDays")} />}
    </>
  );
}

function ByStore({ home }: { home: Home }) {
  const { t } = useSpeech();
  const stores = home.stores;
  const option = useMemo(
    () => ({
      grid: { left: 8, right: 48, top: 8, bottom: 24, containLabel: true },
      tooltip: { trigger: "item", valueFormatter: (v: number | null) => (v === null ? "—" : `${v}%`) },
      xAxis: { type: "value", axisLabel: { formatter: "{value}%" } },
      yAxis: { type: "category", inverse: true, data: stores.map((s) => s.name) },
      series: [
        {
          type: "bar",
          color: "#b4341f",
          barMaxWidth: 22,
          label: { show: true, position: "right", formatter: "{c}%" },
          data: stores.map((s) => rate(s.repurchase_rate_30d)),
        },
      ],
    }),
    [stores],
  );
  const rows = stores.map((s) => [s.name, percent(s.repurchase_rate_30d), count(s.orders_30d), yuan(s.revenue_fen_30d)]);
  return <Chart name={t("byStore")} option={option} columns={[t("store"), t("repurchase"), t("ordersPaid"), t("revenue")]} rows={rows} />;
}

function AlarmCard() {
  const { t } = useSpeech();
  const alarms = useAsk<Alarms>("home/alarms");
  return (
    <Card title={t("alarms")} style={{ marginTop: 16 }}>
      <Told asked={alarms}>
        {(found) => {
          const some = (n: number) => (n >= found.most ? `${found.most}+` : count(n));
          const wanting = (
            [
              ["deadLetters", found.dead_letters, some(found.dead_letters)],
              ["differences", found.differences, some(found.differences)],
              ["soldOutDishes", found.sold_out, some(found.sold_out)],
              ["campaignsSkipped", found.skipped, some(found.skipped)],
              ["refundsWaiting", found.refunds, some(found.refunds)],
              ["adjustmentsWaiting", found.adjustments, some(found.adjustments)],
              ["relayLag", found.relay_lag_s >= 2 ? 1 : 0, found.relay_lag_s.toFixed(0)],
            ] as const
          ).filter(([, n]) => n > 0);
          if (wanting.length === 0)
            return (
              <Space>
                <CheckCircleOutlined style={{ color: "#389e0d" }} aria-hidden />
                {t("allWell")}
              </Space>
            );
          return (
            <Space size="large" wrap>
              {wanting.map(([word, , shown]) => (
                <Statistic key={word} title={t(word)} value={shown} styles={{ content: { color: "#a8071a" } }} />
              ))}
            </Space>
          );
        }}
      </Told>
    </Card>
  );
}
