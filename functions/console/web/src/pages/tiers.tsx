import { Button, Card, InputNumber, Space } from "antd";
import { Suspense, lazy, useMemo, useState } from "react";
import { Refused, ask, useAsk } from "../api";
import { Warnings } from "../findings";
import type { Schema } from "../form";
import { count, yuan } from "../format";
import { useMay } from "../me";
import { Nothing, NotTaken, Told, problemsOf, useRefusalWords, useSettled, useToast } from "../parts";
import type { DryRun, Finding, Preview, Rules } from "../types";
import { useSpeech } from "../words";

const SchemaForm = lazy(() => import("../form"));
const HIDDEN = ["_id", "schema", "revision", "queue_priority"];

export default function TiersPage() {
  const { t } = useSpeech();
  const schema = useAsk<{ form: Schema }>("tiers/schema");
  // The latest of the history is what is in force, also a moment after it was applied.
  const history = useAsk<{ revisions: Rules[] }>("tiers/history");
  const [warnings, setWarnings] = useState<Finding[]>([]);
  return (
    <>
      <h1>{t("tiers")}</h1>
      <Warnings found={warnings} />
      <Told asked={schema}>
        {({ form }) => (
          <Told asked={history}>
            {({ revisions }) => <Editor key={revisions[0].revision} schema={form} revisions={revisions} onApplied={(found) => { setWarnings(found); history.again(); }} />}
          </Told>
        )}
      </Told>
    </>
  );
}

function Editor({ schema, revisions, onApplied }: { schema: Schema; revisions: Rules[]; onApplied: (warnings: Finding[]) => void }) {
  const now = revisions[0];
  const { t } = useSpeech();
  const may = useMay();
  const message = useToast();
  const [draft, setDraft] = useState<unknown>(now);
  const [tried, setTried] = useState<DryRun>();
  const [refused, setRefused] = useState<Refused>();
  const [busy, setBusy] = useState(false);
  const problems = useMemo(() => problemsOf(refused, "rules"), [refused]);
  const mayEdit = may("tiers/apply");
  const next = (rules: unknown) => ({ ...(rules as Rules), revision: now.revision + 1 });
  const work = async (doing: () => Promise<void>) => {
    setBusy(true);
    setRefused(undefined);
    await doing().catch(setRefused);
    setBusy(false);
  };
  const tryOut = (rules: unknown) =>
    work(async () => {
      setDraft(rules);
      setTried(await dryRun(next(rules)));
    });
  const apply = () =>
    work(async () => {
      const made = await ask<{ warnings: Finding[] }>("tiers/apply", { rules: next(draft) });
      message.success(t("applied"));
      onApplied(made.warnings);
    });
  return (
    <Space orientation="vertical" size={16} style={{ width: "100%" }}>
      <NotTaken refused={refused} sent="rules" onReload={() => onApplied([])} />
      <Sentence rules={next(draft)} />
      <Card title={<Space>{t("tierForm")}<span className="mark">{t("tierRevision", { n: now.revision })}</span></Space>}>
        <Suspense fallback={t("loading")}>
          <SchemaForm
            schema={schema} value={draft} hidden={HIDDEN} problems={problems} disabled={!mayEdit || busy} submit={t("dryRun")}
            onChange={(changed) => { setDraft(changed); setTried(undefined); setRefused(undefined); }} onSubmit={tryOut}
          />
        </Suspense>
      </Card>
      {tried && (
        <Card title={t("dryRunOf", { n: count(tried.members) })} extra={<Button type="primary" loading={busy} onClick={apply}>{t("apply")}</Button>}>
          <Moves tried={tried} levels={[...(draft as Rules).levels, ...now.levels]} />
        </Card>
      )}
      <History revisions={revisions} onTake={mayEdit ? (old) => { setDraft(old); setTried(undefined); message.info(t("takenBack", { n: old.revision })); window.scrollTo(0, 0); } : undefined} />
    </Space>
  );
}

/** What a member with such figures would read, while the rules are typed. */
function Sentence({ rules }: { rules: unknown }) {
  const { t } = useSpeech();
  const words = useRefusalWords();
  const [spent, setSpent] = useState<number | null>(380);
  const [orders, setOrders] = useState<number | null>(5);
  const typed = useSettled(rules);
  const told = useAsk<Preview>("tiers/preview", { rules: typed, figures: { spend_fen: Math.round((spent ?? 0) * 100), orders: orders ?? 0 } });
  return (
    <Card size="small" title={t("memberReads")}>
      <Space wrap>
        <span>{t("whoSpent")}</span>
        <InputNumber aria-label={t("whoSpent")} min={0} max={1_000_000} suffix={t("yuan")} value={spent} onChange={setSpent} style={{ width: 130 }} />
        <span>{t("andOrdered")}</span>
        <InputNumber aria-label={t("andOrdered")} min={0} max={10_000} value={orders} onChange={setOrders} style={{ width: 80 }} />
        <span aria-live="polite" className="sentence">
          {told.refused ? words(told.refused) : told.data ? `${told.data.name}${told.data.text ? ` · ${told.data.text}` : ""}` : ""}
        </span>
      </Space>
    </Card>
  );
}

/** Try rules on all members, page by page. */
async function dryRun(rules: unknown): Promise<DryRun> {
  let after: string | null = null;
  let sum: DryRun | undefined;
  do {
    const page: DryRun = await ask<DryRun>("tiers/dry_run", { rules, limit: 2000, ...(after ? { after } : {}) });
    sum = sum ? added(sum, page) : page;
    after = page.next;
  } while (after);
  return sum;
}

function added(one: DryRun, other: DryRun): DryRun {
  const moves = [...one.moves];
  for (const move of other.moves) {
    const known = moves.findIndex((m) => m.before === move.before && m.after === move.after && m.when === move.when);
    if (known < 0) moves.push(move);
    else moves[known] = { ...moves[known], members: moves[known].members + move.members };
  }
  return {
    moves, next: other.next, members: one.members + other.members,
    coupon_cost_fen: one.coupon_cost_fen + other.coupon_cost_fen,
    discount_cost_fen: one.discount_cost_fen + other.discount_cost_fen,
    discount_saved_fen: one.discount_saved_fen + other.discount_saved_fen,
  };
}

function Moves({ tried, levels }: { tried: DryRun; levels: { level: string; name: string }[] }) {
  const { t } = useSpeech();
  const name = (level: string) => levels.find((l) => l.level === level)?.name ?? level;
  return (
    <>
      <Space size="large" wrap style={{ marginBottom: 12 }}>
        <span>{t("couponCost")} <b>{yuan(tried.coupon_cost_fen)}</b></span>
        <span>{t("discountCost")} <b>{yuan(tried.discount_cost_fen)}</b></span>
        <span>{t("discountSaved")} <b>{yuan(tried.discount_saved_fen)}</b></span>
      </Space>
      {tried.moves.length === 0 ? (
        <Nothing words={t("nobodyMoves")} />
      ) : (
        <div className="figures">
          <table>
            <thead><tr>{(["from", "to", "when", "howMany"] as const).map((word) => <th key={word}>{t(word)}</th>)}</tr></thead>
            <tbody>
              {tried.moves.map((m) => (
                <tr key={`${m.before}>${m.after}@${m.when}`}><td>{name(m.before)}</td><td>{name(m.after)}</td><td>{t(m.when)}</td><td>{count(m.members)}</td></tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </>
  );
}

function History({ revisions, onTake }: { revisions: Rules[]; onTake?: (old: Rules) => void }) {
  const { t } = useSpeech();
  return (
    <Card title={t("history")}>
      <ul className="rows">
        {revisions.map((old, n) => (
          <li key={old.revision}>
            {`${t("revision", { n: old.revision })} · ${old.levels.map((level) => level.name).join(" → ")}`}
            {n === 0 ? <span className="mark">{t("inForce")}</span> : onTake && <Button size="small" onClick={() => onTake(old)}>{t("takeBack")}</Button>}
          </li>
        ))}
      </ul>
    </Card>
  );
}
