import { Alert, Button, Card, Collapse, Drawer, Grid, Input, Modal, Select, Space, Tag, Timeline } from "antd";
import { Suspense, lazy, useMemo, useState } from "react";
import { Link } from "wouter";
import { Refused, ask, useAsk } from "../api";
import { useChoices } from "../choices";
import { Findings } from "../findings";
import type { Problem, Schema } from "../form";
import { count, moment, percent, yuan } from "../format";
import { useMay } from "../me";
import { NotTaken, Told, problemsOf, useRefusalWords, useSettled, useToast, waits } from "../parts";
import { Rows } from "../rows";
import type { Audience, Campaign, Finding, Recipient, Report, ShownCampaign } from "../types";
import { useSpeech } from "../words";

const SchemaForm = lazy(() => import("../form"));
const Chart = lazy(() => import("../chart").then(({ Chart: chart }) => ({ default: chart })));
const HIDDEN = ["schema", "revision"];
const SELDOM = ["page", "mechanic", "window", "effect_days", "priority", "limits"];
const BLANK = { revision: 1, send_at: "10:00", holdout_bp: 1000, variants: [{ variant: "a", weight: 1, gift: { kind: "coupon" } }] };
const COLOURS: Record<string, string> = { draft: "default", checked: "blue", running: "green", paused: "orange", ended: "default" };
const STEPS: Record<string, ("check" | "start" | "pause" | "end")[]> = {
  draft: ["check"], checked: ["start", "end"], running: ["pause", "end"], paused: ["check", "start", "end"], ended: [],
};

export default function CampaignsPage() {
  const { t, status } = useSpeech();
  const may = useMay();
  const narrow = !Grid.useBreakpoint().md;
  const all = useAsk<{ campaigns: ShownCampaign[] }>("campaigns/list");
  const [state, setState] = useState("");
  const [open, setOpen] = useState<string>();
  const [drafting, setDrafting] = useState<unknown>();
  const [found, setFound] = useState<Finding[]>();
  const edit = (content: unknown, findings?: Finding[]) => { setOpen(undefined); setFound(findings); setDrafting(content); };
  return (
    <>
      <Space style={{ marginBottom: 16 }}>
        <h1 style={{ margin: 0 }}>{t("campaigns")}</h1>
        {may("campaigns/put") && <Button onClick={() => edit(BLANK)}>{t("newCampaign")}</Button>}
      </Space>
      <div style={{ marginBottom: 12 }}>
      <Select
        aria-label={t("status")} style={{ minWidth: 160 }} value={state} onChange={setState}
        options={[{ value: "", label: t("anyStatus") }, ...Object.keys(STEPS).map((s) => ({ value: s, label: status(s) }))]}
      />
      </div>
      <Told asked={all}>
        {({ campaigns }) => (
          <Rows
            name={t("campaigns")} rowKey="campaign_id" dataSource={campaigns.filter((c) => !state || c.status === state)}
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
        {open && <One key={open} id={open} onChanged={all.again} onEdit={edit} />}
      </Drawer>
      <Drawer open={drafting !== undefined} onClose={() => setDrafting(undefined)} size={narrow ? "100%" : 840} title={t((drafting as { _id?: string })?._id ? "changeCampaign" : "newCampaign")} destroyOnHidden>
        {drafting !== undefined && <Draft content={drafting} found={found} onSaved={(id) => { setDrafting(undefined); all.again(); setOpen(id); }} />}
      </Drawer>
    </>
  );
}

function One({ id, onChanged, onEdit }: { id: string; onChanged: () => void; onEdit: (content: unknown, findings?: Finding[]) => void }) {
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
              <Button onClick={() => onEdit({ ...content, revision: campaign.revision + 1 }, findings)}>{t("edit")}</Button>
            )}
          </div>
          {refused && <Alert role="alert" type={waits(refused) ? "info" : "error"} showIcon title={words(refused)} style={{ marginBottom: 12 }} />}
          {campaign.status === "draft" && !findings && <Alert type="info" showIcon title={t("checkFirst")} />}
          {findings && <Findings findings={findings} onAccept={may("campaigns/accept") ? (rule) => take("accept", { rule }) : undefined} />}
          {campaign.status !== "draft" && campaign.status !== "checked" && <><Effect id={id} /><Recipients id={id} /></>}
          <Collapse style={{ marginTop: 16 }} items={[{ key: "content", label: t("whatItSays"), children: <Content content={content} /> }]} />
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

/** The campaign as it is kept, to be read. */
function Content({ content }: { content: unknown }) {
  const { t } = useSpeech();
  const schema = useAsk<{ form: Schema }>("campaigns/schema");
  return (
    <Told asked={schema}>
      {({ form }) => (
        <Suspense fallback={t("loading")}>
          <SchemaForm schema={form} value={content} hidden={HIDDEN} seldom={SELDOM} disabled submit="" onChange={ignore} onSubmit={ignore} />
        </Suspense>
      )}
    </Told>
  );
}
const ignore = () => undefined;

/** Whom it met, and what they got. */
function Recipients({ id }: { id: string }) {
  const { t } = useSpeech();
  const may = useMay();
  const [after, setAfter] = useState<string[]>([]);
  const cursor = after[after.length - 1];
  const told = useAsk<{ recipients: Recipient[]; next: string | null }>("campaigns/recipients", { campaign_id: id, limit: 20, ...(cursor ? { after: cursor } : {}) });
  const shown = (memberId: string) => `…${memberId.slice(-4)}`;
  return (
    <Card size="small" title={t("whoGotIt")} style={{ marginTop: 16 }}>
      <Told asked={told}>
        {({ recipients, next }) => (
          <>
            <Rows
              name={t("whoGotIt")} size="small" rowKey="exposure_id" dataSource={recipients} loading={told.busy}
              columns={[
                { title: t("member"), render: (_, r) => (may("members/get") ? <Link href={`/members/${r.member_id}`}>{shown(r.member_id)}</Link> : shown(r.member_id)) },
                { title: t("group"), render: (_, r) => (r.group === "holdout" ? t("groupHoldout") : r.group.toUpperCase()) },
                { title: t("time"), render: (_, r) => moment(r.at) },
                { title: t("gift"), render: (_, r) => r.gift ?? "—" },
                { title: t("opened"), render: (_, r) => (r.opened ? t("isSo") : "") },
              ]}
            />
            <Space style={{ marginTop: 8 }}>
              {after.length > 0 && <Button size="small" onClick={() => setAfter(after.slice(0, -1))}>{t("back")}</Button>}
              {next && <Button size="small" onClick={() => setAfter([...after, next])}>{t("more")}</Button>}
            </Space>
          </>
        )}
      </Told>
    </Card>
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
            {told.skipped.length > 0 && (
              <Alert
                type="warning" showIcon title={t("skippedDays")} style={{ marginBottom: 12 }}
                description={told.skipped.slice(0, 5).map((s) => `${s.day} ${s.whole ? t("skippedWhole") : s.occasions ? `${count(s.occasions)} ${t("skippedSome")}` : t("skippedPart")}`).join(" · ")}
              />
            )}
            <Alert type="info" showIcon title={told.verdict} style={{ marginBottom: 12 }} />
            <Suspense fallback={t("loading")}><Interval report={told} /></Suspense>
            <Rows
              name={t("report")} size="small" rowKey="group" dataSource={told.groups} style={{ marginTop: 12 }}
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

/** How many members it would be for, and some of them, while the condition is typed. */
function Whom({ audience }: { audience: unknown }) {
  const { t } = useSpeech();
  const words = useRefusalWords();
  const { options: levels } = useChoices("levels");
  const typed = useSettled(audience ?? null, 800);
  const told = useAsk<Audience>("campaigns/audience", typed ? { audience: typed } : {});
  if (told.refused) return <Alert type="warning" showIcon title={words(told.refused)} style={{ marginBottom: 12 }} />;
  if (!told.data) return <p>{t("loading")}</p>;
  const { matching, reachable, sample } = told.data;
  return (
    <Card size="small" title={t("audienceOf", { n: count(matching), m: count(reachable) })} style={{ marginBottom: 12 }}>
      <Rows
        size="small" rowKey="member_id" dataSource={sample}
        columns={[
          { title: t("forExample"), render: (_, m) => `…${m.member_id.slice(-4)}` },
          { title: t("tier"), render: (_, m) => levels.find((l) => l.value === m.tier)?.label ?? "—" },
          { title: t("visits"), align: "right", render: (_, m) => count(m.orders) },
          { title: t("spend"), align: "right", render: (_, m) => yuan(m.spend_fen) },
          { title: t("lastVisit"), render: (_, m) => m.last_order_day ?? "—" },
        ]}
      />
    </Card>
  );
}

function Draft({ content, found, onSaved }: { content: unknown; found?: Finding[]; onSaved: (id: string) => void }) {
  const { t } = useSpeech();
  const schema = useAsk<{ form: Schema }>("campaigns/schema");
  const [draft, setDraft] = useState<unknown>(content);
  const [refused, setRefused] = useState<Refused>();
  const [findings, setFindings] = useState<Finding[] | undefined>(found);
  const [reason, setReason] = useState("");
  const run = <T,>(route: string, fields: object, then: (answer: T) => void) => {
    setRefused(undefined);
    ask<T>(route, fields).then(then, setRefused);
  };
  const problems = useMemo<Problem[]>(
    () => [...(findings ?? []).map((f) => ({ field: f.field, message: `${f.message}（${f.source}）` })), ...problemsOf(refused, "campaign")],
    [findings, refused],
  );
  const known = content as { _id?: string; revision: number };
  const hidden = useMemo(() => (known._id ? [...HIDDEN, "_id"] : HIDDEN), [known._id]);
  return (
    <Told asked={schema}>
      {({ form }) => (
        <>
          <Suspense fallback={t("loading")}>
            <SchemaForm
              schema={form} value={draft} hidden={hidden} seldom={SELDOM} problems={problems} submit={t("save")}
              onChange={(changed) => { setDraft(changed); setFindings(undefined); setRefused(undefined); }}
              onSubmit={(campaign) => run<Campaign>("campaigns/put", { campaign, ...(reason.trim() ? { reason } : {}) }, (a) => onSaved(a.campaign.campaign_id))}
            />
          </Suspense>
          <div className="steps">
            <Button onClick={() => run<{ findings: Finding[] }>("campaigns/lint", { campaign: draft }, (a) => setFindings(a.findings))}>{t("check")}</Button>
            {known._id && <Input aria-label={t("changeReason")} placeholder={t("changeReason")} maxLength={200} style={{ maxWidth: 320 }} value={reason} onChange={(e) => setReason(e.target.value)} />}
          </div>
          <Whom audience={(draft as { audience?: unknown }).audience} />
          <NotTaken refused={refused} sent="campaign" />
          {findings && <Findings findings={findings} />}
        </>
      )}
    </Told>
  );
}
