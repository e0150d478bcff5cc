import { Button, Tag } from "antd";
import { useState } from "react";
import { useAsk } from "../api";
import { moment } from "../format";
import { Told } from "../parts";
import { Rows } from "../rows";
import type { Change } from "../types";
import { type Word, useSpeech } from "../words";

export default function ChangesPage() {
  const { t, role, route } = useSpeech();
  const [after, setAfter] = useState<string>();
  const found = useAsk<{ changes: Change[]; next: string | null }>("changes/list", { limit: 50, ...(after ? { after } : {}) });
  const about = (target: string) => {
    const [kind, ...name] = target.split(" ");
    const known: Record<string, Word> = { self: "self", tiers: "tiers", staff: "staff", member: "member", order: "order", campaign: "campaign", store: "store", refund: "refund", adjustment: "adjust", dish: "dish" };
    return [kind in known ? t(known[kind]) : kind, ...name].join(" ");
  };
  const outcome = (change: Change) =>
    change.outcome === "done" ? <Tag color="green">{t("done")}</Tag>
    : change.outcome === "unknown" ? <Tag>{t("unknownOutcome")}</Tag>
    : <Tag color="orange">{t("refusedOutcome")}</Tag>;
  return (
    <>
      <h1>{t("changes")}</h1>
      <Told asked={found}>
        {({ changes, next }) => (
          <>
            <Rows
              name={t("changes")} rowKey="change_id" dataSource={changes}
              columns={[
                { title: t("time"), render: (_, c) => moment(c.at) },
                { title: t("who"), render: (_, c) => `${c.staff_id} · ${role(c.role)}` },
                { title: t("did"), render: (_, c) => route(c.route) },
                { title: t("about"), render: (_, c) => about(c.target) },
                { title: t("outcome"), render: (_, c) => outcome(c) },
              ]}
            />
            {next && <Button style={{ marginTop: 12 }} onClick={() => setAfter(next)}>{t("more")}</Button>}
          </>
        )}
      </Told>
    </>
  );
}
