import { Alert, Button, Card, Drawer, Grid, Input, List, Modal, Space, Tag, Timeline } from "antd";
import { Suspense, lazy, useMemo, useState } from "react";
import { Refused, ask, useAsk } from "../api";
import type { Schema } from "../form";
import { count, moment, percent } from "../format";
import { useMay } from "../me";
import { Told, useRefusalWords, useToast } from "../parts";
import { Rows } from "../rows";
import type { Campaign, Finding, Report, ShownCampaign } from "../types";
import { Word, useSpeech } from "../words";

const SchemaForm = lazy(() => import("../form"));
const Chart = lazy(() => import("../chart").then(({ Chart: chart }) => ({ default: chart })));
const HIDDEN = ["schema", "revision", "opengids", "push_template_id", "page"];
const COLOURS: Record<string, string> = { draft: "default", checked: "blue", running: "green", paused: "orange", ended: "default" };
const STEPS: Record<string, ("check" | "start" | "pause" | "end")[]> = {
  draft: ["check"], checked: ["start", "end"], running: ["pause", "end"], paused: ["check", "start", "end"], ended: [],
};

export default function CampaignsPage() {
  const { t, status } = useSpeech();
  const may = useMay();
  const narrow = !Grid.useBreakpoint().md;
  const all = useAsk<{ campaigns: ShownCampaign[] }>("campaigns/list");
  const [open, setOpen] = useState<string>();
  const [drafting, setDrafting] = useState<unknown>();
  return (
    <>
      <Space style={{ marginBottom: 16 }}>
        <h1 style={{ margin: 0 }}>{t("campaigns")}</h1>
        {may("campaigns/put") && <Button onClick={() => setDrafting({ revision: 1 })}>{t("newCampaign")}</Button>}
      </Space>
      <Told asked={all}>
        {({ campaigns }) => (
          <Rows
            rowKey="campaign_id" dataSource={campaigns}
            columns={[
              { title: t("campaign"), render: (_, c) => <Button type="link" style={{ padding: 0 }} onClick={() => setOpen(c.campaign_id)}>{c.name}</Button> },
              { title: t("status"), render: (_, c) => <Tag color={COLOURS[c.status]}>{status(c.status)}</Tag> },
              { title: t("period"), render: (_, c) => `${c.valid_from} – ${c.valid_until}` },
              { title: t("holdout"), align: "right", render: (_, c) => percent(c.holdout_bp / 10000) },
            ]}
          />
        )}
      </Told>
      <Drawer open={!!open} onClose={() => setOpen(undefined)} size={narrow ? "100%" : 720} title={t("campaign")} destroyOnHidden>
        {open && <One key={open} id={open} onChanged={all.again} onEdit={(content) => { setOpen(undefined); setDrafting(content); }} />}
      </Drawer>
      <Drawer open={drafting !== undefined} onClose={() => setDrafting(undefined)} size={narrow ? "100%" : 840} title={t("newCampaign")} destroyOnHidden>
        {drafting !== undefined && <Draft content={drafting} onSaved={(id) => { setDrafting(undefined); all.again(); setOpen(id); }} />}
      </Drawer>
    </>
  );
}

function One({ id, onChanged, onEdit }: { id: string; onChanged: () => void; onEdit: (content: unknown) => void }) {
  const { t, status } = useSpeech();
  const may = useMay();
  const words = useRefusalWords();
  const message = useToast();
  const told = useAsk<Campaign>("campaigns/get", { campaign_id: id });
  const [findings, setFindings] = useState<Finding[]>();
  const [refused, setRefused] = useState<Refused>();
  const [asking, setAsking] = useState<"pause" | "end">();
  const [reason, setReason] = useState("");
  const take = (step: string, more: object = {}) => {
    setRefused(undefined);
    return ask<{ findings?: Finding[] }>(`campaigns/${step}`, { campaign_id: id, ...more }).then(
      (answer) => {
        if (answer.findings) setFindings(answer.findings);
        else message.success(t("done"));
        setAsking(undefined);
        told.again();
        onChanged();
      },
      (why: Refused) => { setAsking(undefined); setRefused(why); },
    );
  };
  return (
    <Told asked={told}>
      {({ campaign, content, changes }) => (
        <>
          <Space wrap>
            <h2 style={{ margin: 0, fontSize: 18 }}>{campaign.name}</h2>
            <Tag color={COLOURS[campaign.status]}>{status(campaign.status)}</Tag>
          </Space>
          <div className="steps">
            {(STEPS[campaign.status] ?? []).filter((step) => may(`campaigns/${step}`)).map((step) => (
              <Button
                key={step} type={step === "start" || step === "check" ? "primary" : "default"} danger={step === "end"}
                onClick={() => (step === "pause" || step === "end" ? setAsking(step) : take(step))}
              >
                {t(step)}
              </Button>
            ))}
            {may("campaigns/put") && campaign.status !== "running" && campaign.status !== "ended" && (
              <Button onClick={() => onEdit({ ...content, revision: campaign.revision + 1 })}>{t("edit")}</Button>
            )}
          </div>
          {refused && <Alert role="alert" type="error" showIcon title={words(refused)} style={{ marginBottom: 12 }} />}
          {campaign.status === "draft" && !findings && <Alert type="info" showIcon title={t("checkFirst")} />}
          {findings && <Findings findings={findings} onAccept={may("campaigns/accept") ? (rule) => take("accept", { rule }) : undefined} />}
          {campaign.status !== "draft" && campaign.status !== "checked" && <Effect id={id} />}
          <Card size="small" title={t("history2")} style={{ marginTop: 16 }}>
            <Timeline items={changes.map((c) => ({ content: `${moment(c.at)} ${status(c.to ?? c.status ?? "")} · ${c.actor}${c.reason ? ` · ${c.reason}` : ""}` }))} />
          </Card>
          <Modal
            open={!!asking} title={asking && t(asking)} okText={t("confirm")} cancelText={t("cancel")} okButtonProps={{ disabled: !reason.trim() }}
            onCancel={() => setAsking(undefined)} onOk={() => asking && take(asking, { reason })}
          >
            <Input aria-label={t("reason")} placeholder={t("reason")} maxLength={200} value={reason} onChange={(e) => setReason(e.target.value)} />
          </Modal>
        </>
      )}
    </Told>
  );
}

function Findings({ findings, onAccept }: { findings: Finding[]; onAccept?: (rule: string) => void }) {
  const { t } = useSpeech();
  if (findings.length === 0) return <Alert type="success" showIcon title={t("noFindings")} />;
  return (
    <List
      header={t("findings")} bordered size="small" dataSource={findings}
      renderItem={(f) => (
        <List.Item actions={f.severity === "warning" && onAccept ? [<Button key="accept" size="small" onClick={() => onAccept(f.rule)}>{t("acceptWarning")}</Button>] : []}>
          <List.Item.Meta
            title={<Space><Tag color={f.severity === "error" ? "red" : "orange"}>{t(f.severity)}</Tag>{f.message}</Space>}
            description={f.source}
          />
        </List.Item>
      )}
    />
  );
}

function Effect({ id }: { id: string }) {
  const { t } = useSpeech();
  const report = useAsk<Report>("campaigns/report", { campaign_id: id });
  return (
    <Card size="small" title={t("report")} style={{ marginTop: 16 }}>
      <Told asked={report}>
        {(told) => (
          <>
            <Alert type="info" showIcon title={told.verdict} style={{ marginBottom: 12 }} />
            <Suspense fallback={t("loading")}><Interval report={told} /></Suspense>
            <Rows
              size="small" rowKey="group" dataSource={told.groups} style={{ marginTop: 12 }}
              columns={[
                { title: t("group"), render: (_, g) => (g.group === "holdout" ? t("groupHoldout") : g.group.toUpperCase()) },
                { title: t("members"), align: "right", render: (_, g) => count(g.members) },
                { title: t("told"), align: "right", render: (_, g) => count(g.messages) },
                { title: t("pushed"), align: "right", render: (_, g) => count(g.pushed) },
                { title: t("opened"), align: "right", render: (_, g) => count(g.opened) },
                { title: t("used"), align: "right", render: (_, g) => count(g.redeemed) },
                { title: t("cameBack"), align: "right", render: (_, g) => percent(g.repurchase_rate) },
              ]}
            />
          </>
        )}
      </Told>
    </Card>
  );
}

/** The difference in coming back, in points, as a dot with its interval. */
function Interval({ report }: { report: Report }) {
  const { t } = useSpeech();
  const found = report.effects.filter((e) => e.metric === "repurchase");
  const option = useMemo(() => {
    const points = (v: number) => Math.round(v * 1000) / 10;
    return {
      grid: { left: 8, right: 24, top: 16, bottom: 24, containLabel: true },
      xAxis: { type: "value", axisLabel: { formatter: "{value}%" } },
      yAxis: { type: "value", min: -0.5, max: found.length - 0.5, interval: 1, axisLabel: { formatter: (n: number) => found[n]?.group.toUpperCase() ?? "" }, splitLine: { show: false } },
      series: [
        // Nothing: where the line has to stay clear of for the data to tell.
        { type: "line", symbol: "none", color: "#595959", lineStyle: { type: "dashed", width: 1 }, data: [[0, -0.5], [0, found.length - 0.5]] },
        ...found.map((e, n) => ({
          type: "line", color: "#b4341f", lineStyle: { width: 3 }, symbol: "circle",
          symbolSize: (_: unknown, point: { dataIndex: number }) => (point.dataIndex === 1 ? 12 : 4),
          data: [[points(e.low), n], [points(e.difference), n], [points(e.high), n]],
        })),
      ],
    };
  }, [found]);
  if (found.length === 0) return null;
  const rows = found.map((e) => [e.group.toUpperCase(), percent(e.difference), `${percent(e.low)} – ${percent(e.high)}`]);
  return <Chart name={t("effect")} option={option} columns={[t("group"), t("effect"), "95%"]} rows={rows} />;
}

function Draft({ content, onSaved }: { content: unknown; onSaved: (id: string) => void }) {
  const { t } = useSpeech();
  const words = useRefusalWords();
  const schema = useAsk<{ form: Schema }>("campaigns/schema");
  const [draft, setDraft] = useState<unknown>(content);
  const [refused, setRefused] = useState<Refused>();
  const [findings, setFindings] = useState<Finding[]>();
  const [counted, setCounted] = useState<{ matching: number; reachable: number }>();
  const run = <T,>(route: string, fields: object, then: (answer: T) => void) => {
    setRefused(undefined);
    ask<T>(route, fields).then(then, setRefused);
  };
  const audience = (draft as { audience?: unknown }).audience;
  const buttons: [Word, () => void][] = [
    ["check", () => run<{ findings: Finding[] }>("campaigns/lint", { campaign: draft }, (a) => setFindings(a.findings))],
    ["countAudience", () => run<{ matching: number; reachable: number }>("campaigns/audience", { audience }, setCounted)],
  ];
  return (
    <Told asked={schema}>
      {({ form }) => (
        <>
          <Suspense fallback={t("loading")}>
            <SchemaForm
              schema={form} value={draft} hidden={HIDDEN} submit={t("save")} onChange={(changed) => { setDraft(changed); setFindings(undefined); }}
              onSubmit={(campaign) => run<Campaign>("campaigns/put", { campaign }, (a) => onSaved(a.campaign.campaign_id))}
            />
          </Suspense>
          <div className="steps">{buttons.map(([word, click]) => <Button key={word} onClick={click}>{t(word)}</Button>)}</div>
          {counted && <Alert type="info" showIcon title={t("audienceOf", { n: count(counted.matching), m: count(counted.reachable) })} />}
          {refused && <Alert role="alert" type="error" showIcon title={words(refused)} />}
          {findings && <Findings findings={findings} />}
        </>
      )}
    </Told>
  );
}
