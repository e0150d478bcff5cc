import { Button, Space } from "antd";
import { Refused, ask, useAsk } from "../api";
import { moment, signed, yuan } from "../format";
import { useMay } from "../me";
import { Told, useRefusalWords, useStores, useToast } from "../parts";
import { Rows } from "../rows";
import { useSpeech } from "../words";

interface Refund { refund_id: string; store_id: string | null; amount_fen: number; reason: string; actor: string; role: string; created_at: string }
interface Merge { merge_id: string; from_member: string; into_member: string; not_before: string; reason: string; actor: string; at: string }
interface Adjustment { adjustment_id: string; member_id: string; points: number; coupon?: string; codes?: { batch: string; count: number }; rule?: { name: string; most_fen?: number }; value_fen: number; reason: string; actor: string; created_at: string }

export default function ApprovalsPage() {
  const { t } = useSpeech();
  const message = useToast();
  const words = useRefusalWords();
  const stores = useStores();
  const may = useMay();
  const refunds = useAsk<{ refunds: Refund[] }>("approvals/refunds");
  const adjustments = useAsk<{ adjustments: Adjustment[] }>("approvals/adjustments", { limit: 50 });
  const merges = useAsk<{ merges: Merge[] }>(may("approvals/merges") ? "approvals/merges" : null, { limit: 50 });
  const store = (id: string | null) => stores.data?.stores.find((s) => s.store_id === id)?.name ?? "—";
  const who = (actor: string, role?: string) => (role === "member" ? t("guest") : actor);
  const decide = (route: string, fields: object, then: () => void) =>
    ask(route, fields).then(() => { message.success(t("done")); then(); }, (why: Refused) => message.error(words(why)));
  const buttons = (name: string, choose: (approve: boolean) => void) => (
    <Space>
      <Button size="small" type="primary" aria-label={`${t("approve")} ${name}`} onClick={() => choose(true)}>{t("approve")}</Button>
      <Button size="small" danger aria-label={`${t("reject")} ${name}`} onClick={() => choose(false)}>{t("reject")}</Button>
    </Space>
  );
  return (
    <>
      <h1>{t("approvals")}</h1>
      <h2>{t("refundsToDecide")}</h2>
      <Told asked={refunds}>
        {({ refunds: found }) => (
          <Rows
            name={t("refundsToDecide")} rowKey="refund_id" dataSource={found}
            columns={[
              { title: t("amount"), render: (_, r) => yuan(r.amount_fen) },
              { title: t("reason"), dataIndex: "reason" },
              { title: t("store"), render: (_, r) => store(r.store_id) },
              { title: t("askedBy"), render: (_, r) => who(r.actor, r.role) },
              { title: t("time"), render: (_, r) => moment(r.created_at) },
              { title: "", render: (_, r) => buttons(`${yuan(r.amount_fen)} ${r.reason}`, (approve) =>
                decide("approvals/decide_refund", { refund_id: r.refund_id, approve }, refunds.again)) },
            ]}
          />
        )}
      </Told>
      <h2 style={{ marginTop: 24 }}>{t("adjustmentsToDecide")}</h2>
      <Told asked={adjustments}>
        {({ adjustments: found }) => (
          <Rows
            name={t("adjustmentsToDecide")} rowKey="adjustment_id" dataSource={found}
            columns={[
              { title: t("whatIsAsked"), render: (_, a) => what(a) },
              { title: t("worth"), align: "right", render: (_, a) => worthOf(a, t("unlimited")) },
              { title: t("reason"), dataIndex: "reason" },
              { title: t("memberNo"), render: (_, a) => a.member_id || "—" },
              { title: t("askedBy"), dataIndex: "actor" },
              { title: t("time"), render: (_, a) => moment(a.created_at) },
              { title: "", render: (_, a) => buttons(`${what(a)} ${a.reason}`, (approve) =>
                decide("approvals/decide_adjustment", { adjustment_id: a.adjustment_id, approve }, adjustments.again)) },
            ]}
          />
        )}
      </Told>
      {may("approvals/merges") && (
        <>
          <h2 style={{ marginTop: 24 }}>{t("mergesToDecide")}</h2>
          <Told asked={merges}>
            {({ merges: found }) => (
              <Rows
                name={t("mergesToDecide")} rowKey="merge_id" dataSource={found}
                columns={[
                  { title: t("otherMember"), dataIndex: "from_member" },
                  { title: t("memberNo"), dataIndex: "into_member" },
                  { title: t("reason"), dataIndex: "reason" },
                  { title: t("askedBy"), dataIndex: "actor" },
                  { title: t("notBefore"), render: (_, m) => moment(m.not_before) },
                  { title: "", render: (_, m) => buttons(`${m.from_member} ${m.into_member}`, (approve) =>
                    decide("approvals/decide_merge", { merge_id: m.merge_id, approve }, merges.again)) },
                ]}
              />
            )}
          </Told>
        </>
      )}
    </>
  );
}

/** What it may give in all; a rule without an end has no such number. */
function worthOf({ rule, value_fen }: Adjustment, unlimited: string): string {
  if (rule && rule.most_fen == null) return unlimited;
  return value_fen > 0 ? yuan(value_fen) : "—";
}

/** What waits: points, a coupon, so many codes of a batch, or a rule. */
function what(asked: Adjustment): string {
  if (asked.rule) return asked.rule.name;
  if (asked.codes) return `${asked.codes.batch} × ${asked.codes.count}`;
  return asked.coupon ?? signed(asked.points);
}
