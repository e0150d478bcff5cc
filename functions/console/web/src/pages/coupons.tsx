import { Alert, Button, Card, Drawer, Form, Grid, Input, InputNumber, Modal, Progress, Space, Tag, Typography } from "antd";
import { Suspense, lazy, useMemo, useState } from "react";
import { Refused, ask, useAsk } from "../api";
import { CouponCard, untilOf, whenOf, worthOf } from "../coupon";
import { Warnings } from "../findings";
import type { Schema } from "../form";
import { count, moment, yuan } from "../format";
import { useMay } from "../me";
import { NotTaken, Told, problemsOf, useRefusalWords, useToast, waits } from "../parts";
import { Rows } from "../rows";
import { save } from "../sheet";
import type { Batch, Finding, Template, TemplateState, WholeTemplate } from "../types";
import { useSpeech } from "../words";

const SchemaForm = lazy(() => import("../form"));
const Chart = lazy(() => import("../chart").then(({ Chart: chart }) => ({ default: chart })));
const HIDDEN = ["schema", "revision", "group", "per_member_limit", "sku_ids", "channels"];
const SELDOM = [
  "base", "with_addons", "threshold_base", "threshold_of", "exclusive", "except_dish_ids", "most_times", "modes", "weekdays", "hours",
  "first_order", "borne_by", "returns", "transferable", "per_member_day", "per_member_month",
];

export default function CouponsPage() {
  const speech = useSpeech();
  const { t } = speech;
  const may = useMay();
  const narrow = !Grid.useBreakpoint().md;
  const all = useAsk<{ templates: TemplateState[] }>("coupons/list");
  const [open, setOpen] = useState<string>();
  const [draft, setDraft] = useState<Partial<Template>>();
  const [warnings, setWarnings] = useState<Finding[]>([]);
  const show = (id?: string, found: Finding[] = []) => { setWarnings(found); setOpen(id); };
  return (
    <>
      <Space style={{ marginBottom: 16 }}>
        <h1 style={{ margin: 0 }}>{t("coupons")}</h1>
        {may("coupons/put") && <Button onClick={() => setDraft({ revision: 1, terms: { kind: "amount_off" } })}>{t("newCoupon")}</Button>}
      </Space>
      <Told asked={all}>
        {({ templates }) => (
          <Rows
            name={t("coupons")} rowKey={(one) => one.template._id} dataSource={templates}
            columns={[
              { title: t("named"), render: (_, one) => <Button type="link" style={{ padding: 0 }} onClick={() => show(one.template._id)}>{one.template.name}</Button> },
              { title: t("worth"), render: (_, one) => `${worthOf(one.template.terms, speech)}  ${whenOf(one.template.terms, speech)}` },
              { title: t("holds"), render: (_, one) => untilOf(one.template, speech) },
              { title: t("quota"), render: (_, one) => <Bar gone={goneOf(one).pieces} all={one.template.limits?.quota} show={count} label={t("quota")} /> },
              { title: t("budget"), render: (_, one) => <Bar gone={goneOf(one).fen} all={one.template.limits?.budget_fen} show={yuan} label={t("budget")} /> },
              { title: t("claim"), render: (_, one) => one.template.claimable && <Tag color="green">{t("claimable")}</Tag> },
            ]}
          />
        )}
      </Told>
      <Drawer open={!!open} onClose={() => setOpen(undefined)} size={narrow ? "100%" : 720} title={t("coupon")} destroyOnHidden>
        <Warnings found={warnings} />
        {open && <One key={open} id={open} onEdit={(template) => { setOpen(undefined); setDraft(nextOf(template)); }} />}
      </Drawer>
      <Drawer open={!!draft} onClose={() => setDraft(undefined)} size={narrow ? "100%" : 840} title={draft?._id ? t("changeCoupon") : t("newCoupon")} destroyOnHidden>
        {draft && <Editor content={draft} onSaved={(id, found) => { setDraft(undefined); all.again(); show(id, found); }} />}
      </Drawer>
    </>
  );
}

/** What the next revision begins with; what each member may have is said in one place, also where it stood elsewhere. */
const nextOf = ({ per_member_limit, ...template }: Template): Template => ({
  ...template, revision: template.revision + 1, ...(per_member_limit ? { limits: { per_member: per_member_limit, ...template.limits } } : {}),
});

const goneOf = ({ template, left, left_fen }: TemplateState) => ({
  pieces: (template.limits?.quota ?? 0) - (left ?? 0),
  fen: (template.limits?.budget_fen ?? 0) - (left_fen ?? 0),
});

/** How much is gone of what there is. */
function Bar({ gone, all, show, label }: { gone: number; all?: number | null; show: (n: number) => string; label: string }) {
  const { t } = useSpeech();
  if (!all) return <>{t("unlimited")}</>;
  return (
    <div style={{ minWidth: 140 }}>
      <Progress size="small" percent={Math.min(100, Math.round((gone / all) * 100))} showInfo={false} strokeColor={gone >= all ? "#a8071a" : "#b4341f"} aria-label={`${label} ${show(gone)} / ${show(all)}`} />
      <span className="figure-note">{`${show(gone)} / ${show(all)}`}</span>
    </div>
  );
}

function One({ id, onEdit }: { id: string; onEdit: (template: Template) => void }) {
  const { t } = useSpeech();
  const may = useMay();
  const told = useAsk<WholeTemplate>("coupons/get", { template_id: id });
  return (
    <Told asked={told}>
      {(one) => (
        <Space orientation="vertical" size={16} style={{ width: "100%" }}>
          <CouponCard template={one.template} />
          {may("coupons/put") && <Button onClick={() => onEdit(one.template)}>{t("edit")}</Button>}
          {(one.template.limits?.quota || one.template.limits?.budget_fen) && (
            <Card size="small" title={t("limits")}>
              <Space size="large" wrap>
                <span>{t("quota")}<Bar gone={goneOf(one).pieces} all={one.template.limits?.quota} show={count} label={t("quota")} /></span>
                <span>{t("budget")}<Bar gone={goneOf(one).fen} all={one.template.limits?.budget_fen} show={yuan} label={t("budget")} /></span>
              </Space>
            </Card>
          )}
          {one.template.claimable && may("coupons/claim_link") && <ClaimLink id={id} />}
          <Card size="small" title={t("usedPerDay")}><Suspense fallback={t("loading")}><Used days={one.days} /></Suspense></Card>
          {may("coupons/batches") && <Batches templateId={id} />}
        </Space>
      )}
    </Told>
  );
}

function Used({ days }: { days: WholeTemplate["days"] }) {
  const { t } = useSpeech();
  const option = useMemo(
    () => ({
      grid: { left: 36, right: 12, top: 16, bottom: 24 },
      tooltip: { trigger: "axis" },
      xAxis: { type: "category", data: days.map((d) => d.day.slice(5)) },
      yAxis: { type: "value", minInterval: 1 },
      series: [{ type: "bar", name: t("used"), color: "#b4341f", data: days.map((d) => d.redeemed) }],
    }),
    [days, t],
  );
  return <Chart name={t("usedPerDay")} option={option} columns={[t("day"), t("used")]} rows={days.map((d) => [d.day, d.redeemed])} />;
}

function ClaimLink({ id }: { id: string }) {
  const { t } = useSpeech();
  const words = useRefusalWords();
  const message = useToast();
  const [link, setLink] = useState<{ path: string; link: string; days: number }>();
  const make = () => ask<{ path: string; link: string; days: number }>("coupons/claim_link", { template_id: id }).then(setLink, (why: Refused) => message.error(words(why)));
  return (
    <Card size="small" title={t("claimLink")}>
      {link ? (
        <>
          <p>{t("claimLinkHelp", { n: link.days })} <Typography.Text copyable>{link.link}</Typography.Text></p>
          <p>{t("claimPath")} <Typography.Text copyable>{link.path}</Typography.Text></p>
        </>
      ) : (
        <Button onClick={make}>{t("makeLink")}</Button>
      )}
    </Card>
  );
}

function Batches({ templateId }: { templateId: string }) {
  const { t, status } = useSpeech();
  const may = useMay();
  const words = useRefusalWords();
  const message = useToast();
  const told = useAsk<{ batches: Batch[] }>("coupons/batches", {});
  const [making, setMaking] = useState(false);
  const [writing, setWriting] = useState<string>();
  const write = (batch: Batch) => {
    setWriting(batch.batch);
    codesOf(batch).then((file) => save(file, `${batch.batch}.csv`), (why: Refused) => message.error(words(why))).finally(() => setWriting(undefined));
  };
  const revoke = (batch: Batch) => ask("coupons/revoke_batch", { batch: batch.batch }).then(told.again, (why: Refused) => message.error(words(why)));
  return (
    <Card size="small" title={t("codes")} extra={may("coupons/make_codes") && <Button size="small" onClick={() => setMaking(true)}>{t("makeCodes")}</Button>}>
      <Told asked={told}>
        {({ batches }) => (
          <Rows
            name={t("codes")} size="small" rowKey="batch" dataSource={batches.filter((one) => one.template_id === templateId)}
            columns={[
              { title: t("batch"), dataIndex: "batch" },
              { title: t("codes"), align: "right", render: (_, one) => count(one.count) },
              { title: t("redeemedCodes"), align: "right", render: (_, one) => count(one.redeemed) },
              { title: t("status"), render: (_, one) => status(one.status) },
              { title: t("time"), render: (_, one) => moment(one.created_at) },
              { title: "", render: (_, one) => (
                <Space>
                  {may("coupons/codes") && <Button size="small" loading={writing === one.batch} onClick={() => write(one)}>CSV</Button>}
                  {may("coupons/revoke_batch") && one.status === "active" && <Button size="small" danger onClick={() => revoke(one)}>{t("revoke")}</Button>}
                </Space>
              ) },
            ]}
          />
        )}
      </Told>
      {making && <MakeCodes templateId={templateId} onClose={() => setMaking(false)} onMade={() => { setMaking(false); told.again(); }} />}
    </Card>
  );
}

/** All codes of a batch, one a line. */
async function codesOf(batch: Batch): Promise<Blob> {
  const lines = ["code"];
  let after: number | null = 0;
  while (after !== null) {
    const page: { codes: string[]; next: number | null } = await ask("coupons/codes", { batch: batch.batch, after });
    lines.push(...page.codes);
    after = page.next;
  }
  return new Blob([`${lines.join("\r\n")}\r\n`], { type: "text/csv" });
}

function MakeCodes({ templateId, onClose, onMade }: { templateId: string; onClose: () => void; onMade: () => void }) {
  const { t } = useSpeech();
  const words = useRefusalWords();
  const [form] = Form.useForm();
  const [refused, setRefused] = useState<Refused>();
  const make = (fields: { batch: string; count: number }) => ask("coupons/make_codes", { ...fields, template_id: templateId }).then(onMade, setRefused);
  return (
    <Modal open title={t("makeCodes")} okText={t("confirm")} cancelText={t("cancel")} onCancel={onClose} onOk={form.submit}>
      {refused && <Alert role="alert" type={waits(refused) ? "info" : "error"} showIcon title={words(refused)} style={{ marginBottom: 12 }} />}
      <Form form={form} layout="vertical" onFinish={make} requiredMark={false}>
        <Form.Item name="batch" label={t("batch")} extra={t("batchHelp")} rules={[{ required: true, pattern: /^[A-Za-z0-9_.-]{1,64}$/, message: t("batchHelp") }]}><Input /></Form.Item>
        <Form.Item name="count" label={t("howManyCodes")} rules={[{ required: true }]}><InputNumber min={1} max={5_000_000} style={{ width: 160 }} /></Form.Item>
      </Form>
    </Modal>
  );
}

function Editor({ content, onSaved }: { content: Partial<Template>; onSaved: (id: string, warnings: Finding[]) => void }) {
  const { t } = useSpeech();
  const schema = useAsk<{ form: Schema }>("coupons/schema");
  const [draft, setDraft] = useState<unknown>(content);
  const [refused, setRefused] = useState<Refused>();
  const problems = useMemo(() => problemsOf(refused, "template"), [refused]);
  const keep = (template: unknown) => ask<WholeTemplate & { warnings: Finding[] }>("coupons/put", { template }).then((made) => onSaved(made.template._id, made.warnings), setRefused);
  const hidden = useMemo(() => (content._id ? [...HIDDEN, "_id"] : HIDDEN), [content]);
  return (
    <Told asked={schema}>
      {({ form }) => (
        <>
          <CouponCard template={draft as Template} />
          <Suspense fallback={t("loading")}>
            <SchemaForm
              schema={form} value={draft} hidden={hidden} seldom={SELDOM} problems={problems} submit={t("save")} onSubmit={keep}
              onChange={(changed) => { setDraft(oncePerMember(changed as Partial<Template>)); setRefused(undefined); }}
            />
          </Suspense>
          <NotTaken refused={refused} sent="template" />
        </>
      )}
    </Told>
  );
}

/** A coupon that members may take themselves is for one a member until somebody says otherwise. */
function oncePerMember(template: Partial<Template>): Partial<Template> {
  const { per_member, per_member_day, per_member_month } = template.limits ?? {};
  if (!template.claimable || template.per_member_limit || per_member || per_member_day || per_member_month) return template;
  return { ...template, limits: { ...template.limits, per_member: 1 } };
}
