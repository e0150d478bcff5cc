import { Alert, Button, Card, Descriptions, Drawer, Grid, Input, List, Select, Space, Tabs, Tag } from "antd";
import { Suspense, lazy, useState } from "react";
import { Link, useParams } from "wouter";
import { useAsk } from "../api";
import { count, moment, signed, yuan } from "../format";
import { useMay } from "../me";
import { Told, useStores } from "../parts";
import { Rows } from "../rows";
import type { Coupon, Entry, FoundMember, Message, WholeMember } from "../types";
import { type Word, useSpeech } from "../words";
import { Adjust, CorrectBirthday, Erase, Issue, Merge, Tags } from "./member-actions";

const OneOrder = lazy(() => import("./orders").then((orders) => ({ default: orders.OneOrder })));

type By = "phone" | "member_id" | "tag";
const BYS: [By, Word][] = [["phone", "phone"], ["member_id", "memberNo"], ["tag", "tag"]];
const HELP: Record<By, Word> = { phone: "phoneHelp", member_id: "memberNo", tag: "tagHelp" };

export default function MembersPage() {
  const { t } = useSpeech();
  const [by, setBy] = useState<By>("phone");
  const [words, setWords] = useState("");
  const [after, setAfter] = useState<string[]>([]);
  const [chosen, setChosen] = useState<string | undefined>(useParams<{ id?: string }>().id);
  const cursor = after[after.length - 1];
  const found = useAsk<{ members: FoundMember[]; next: string | null }>(
    words ? "members/search" : null, { [by]: words, ...(cursor ? { after: cursor } : {}) },
  );
  const anew = (typed: string) => { setChosen(undefined); setAfter([]); setWords(typed.trim()); };
  return (
    <>
      <h1>{t("members")}</h1>
      <Space wrap style={{ marginBottom: 16 }}>
        <Select
          aria-label={t("searchBy")} style={{ width: 140 }} value={by} onChange={(next: By) => { setBy(next); anew(""); }}
          options={BYS.map(([value, word]) => ({ value, label: t(word) }))}
        />
        <Input.Search
          key={by} aria-label={t(HELP[by])} placeholder={t(HELP[by])} enterButton={t("search")} allowClear style={{ maxWidth: 320 }} onSearch={anew}
        />
      </Space>
      {chosen && found.data && found.data.members.length > 1 && <Button style={{ marginBottom: 12 }} onClick={() => setChosen(undefined)}>{t("backToFound")}</Button>}
      {words && !chosen && (
        <Told asked={found}>
          {({ members, next }) => (
            <List
              footer={next && <Button onClick={() => setAfter([...after, next])}>{t("more")}</Button>} bordered style={{ background: "#fff", maxWidth: 640 }} locale={{ emptyText: t("noMember") }} dataSource={members}
              renderItem={(m) => (
                <List.Item actions={[<Button key="open" type="link" onClick={() => setChosen(m.member_id)}>{t("member")}</Button>]}>
                  <List.Item.Meta title={m.nickname ?? t("noName")} description={`${t("phoneTail")} ${m.phone_last4 ?? "—"} · ${t("registered")} ${m.registered_day}`} />
                </List.Item>
              )}
            />
          )}
        </Told>
      )}
      {chosen && <Story key={chosen} memberId={chosen} />}
    </>
  );
}

function Story({ memberId }: { memberId: string }) {
  const { t } = useSpeech();
  const may = useMay();
  const told = useAsk<WholeMember>("members/get", { member_id: memberId });
  const stores = useStores();
  const [adjusting, setAdjusting] = useState(false);
  const [issuing, setIssuing] = useState(false);
  const [merging, setMerging] = useState(false);
  const [tagging, setTagging] = useState(false);
  const [erasing, setErasing] = useState(false);
  const [correcting, setCorrecting] = useState(false);
  const [turn, setTurn] = useState(0); // What was given or taken shows in the lists below.
  const storeName = (id: string | null) => stores.data?.stores.find((s) => s.store_id === id)?.name ?? "—";
  return (
    <Told asked={told}>
      {({ profile, consents, ...more }) => (
        <>
          <Card
            title={<Space>{profile.nickname ?? t("noName")}{more.erased ? <Tag color="red">{t("erased")}</Tag> : <Tag color="gold">{profile.tier.name}</Tag>}</Space>}
          >
            {!more.erased && <div className="steps" style={{ marginTop: 0 }}>
              {may("members/adjust") && <Button onClick={() => setAdjusting(true)}>{t("adjust")}</Button>}
              {may("members/issue") && <Button onClick={() => setIssuing(true)}>{t("issue")}</Button>}
              {may("members/birthday") && <Button onClick={() => setCorrecting(true)}>{t("correctBirthday")}</Button>}
              {may("members/tag") && <Button onClick={() => setTagging(true)}>{t("tags")}</Button>}
              {may("members/merge") && <Button onClick={() => setMerging(true)}>{t("merge")}</Button>}
              {may("members/erase") && <Button danger onClick={() => setErasing(true)}>{t("erase")}</Button>}
            </div>}
            <Descriptions
              column={{ xs: 1, sm: 2, lg: 3 }} size="small"
              items={[
                { label: t("phoneTail"), children: profile.phone_last4 ?? "—" },
                { label: t("registered"), children: profile.registered_day },
                { label: t("memberNo"), children: profile.member_id },
                { label: t("pointsBalance"), children: count(profile.points.available) },
                { label: t("pointsPending"), children: count(profile.points.pending) },
                { label: t("spend"), children: yuan(more.spend_fen) },
                { label: t("visits"), children: count(more.orders) },
                { label: t("lastVisit"), children: more.last_order_day ?? "—" },
                { label: t("usualStore"), children: storeName(more.usual_store_id) },
                { label: t("usualInterval"), children: more.usual_interval_days ?? "—" },
                { label: t("marketing"), children: t(consents.marketing ? "yes" : "no") },
                { label: t("personalised"), children: t(consents.personalised ? "yes" : "no") },
                { label: t("location"), children: t(consents.precise_location ? "yes" : "no") },
                { label: t("tags"), children: more.tags.length ? more.tags.map((tag) => <Tag key={tag}>{tag}</Tag>) : "—" },
              ]}
            />
            {more.phone_moves.map((move) => (
              <Alert
                key={move.at} style={{ marginTop: 12 }} type="info" showIcon
                title={<Space wrap>{t(move.way === "to_other" ? "phoneWentTo" : "phoneCameFrom", { day: moment(move.at) })}<Link href={`/members/${move.other_member}`}>{move.other_member}</Link></Space>}
              />
            ))}
            {profile.tier.keep && <Alert style={{ marginTop: 12 }} type="warning" showIcon title={profile.tier.keep.text} />}
            {profile.tier.next && <Alert style={{ marginTop: 12 }} type="info" showIcon title={profile.tier.next.text} />}
          </Card>
          <Card style={{ marginTop: 16 }}>
            <Tabs
              key={turn}
              items={[
                { key: "points", label: t("statement"), children: <Statement memberId={memberId} /> },
                ...(may("members/orders") ? [{ key: "orders", label: t("orders"), children: <MemberOrders memberId={memberId} /> }] : []),
                { key: "coupons", label: t("coupons"), children: <Coupons memberId={memberId} /> },
                { key: "messages", label: t("messages"), children: <Messages memberId={memberId} /> },
              ]}
            />
          </Card>
          {correcting && <CorrectBirthday memberId={memberId} onClose={() => setCorrecting(false)} onDone={() => setCorrecting(false)} />}
          {issuing && <Issue memberId={memberId} onClose={() => setIssuing(false)} onDone={() => { setIssuing(false); setTurn(turn + 1); }} />}
          {merging && <Merge memberId={memberId} onClose={() => setMerging(false)} onDone={() => { setMerging(false); told.again(); setTurn(turn + 1); }} />}
          {erasing && <Erase memberId={memberId} onClose={() => setErasing(false)} onDone={() => { setErasing(false); told.again(); setTurn(turn + 1); }} />}
          {tagging && <Tags memberId={memberId} tags={more.tags} onClose={() => { setTagging(false); told.again(); }} />}
          {adjusting && <Adjust memberId={memberId} onClose={() => setAdjusting(false)} onDone={() => { setAdjusting(false); told.again(); setTurn(turn + 1); }} />}
        </>
      )}
    </Told>
  );
}

const LIMIT = 50;

function Statement({ memberId }: { memberId: string }) {
  const { t } = useSpeech();
  const asked = useAsk<{ entries: Entry[] }>("members/statement", { member_id: memberId, limit: LIMIT });
  return (
    <Told asked={asked}>
      {({ entries }) => (
        <Rows name={t("statement")} rowKey="entry_id" size="small" dataSource={entries}
          columns={[
            { title: t("time"), render: (_, e) => moment(e.at) },
            { title: t("what"), dataIndex: "what" },
            { title: t("points"), align: "right", render: (_, e) => signed(e.points) },
            { title: t("balance"), align: "right", render: (_, e) => count(e.balance) },
          ]} />
      )}
    </Told>
  );
}

interface MemberOrder { order_id: string; created_at: string; status: string; payable_fen: number; lines: { name: string; quantity: number }[] }

function MemberOrders({ memberId }: { memberId: string }) {
  const { t, status } = useSpeech();
  const may = useMay();
  const narrow = !Grid.useBreakpoint().md;
  const [open, setOpen] = useState<MemberOrder>();
  const asked = useAsk<{ orders: MemberOrder[] }>("members/orders", { member_id: memberId, limit: LIMIT });
  return (
    <>
    <Told asked={asked}>
      {({ orders }) => (
        <Rows name={t("orders")} rowKey="order_id" size="small" dataSource={orders}
          columns={[
            { title: t("time"), render: (_, o) => (may("orders/get") ? <Button type="link" style={{ padding: 0 }} onClick={() => setOpen(o)}>{moment(o.created_at)}</Button> : moment(o.created_at)) },
            { title: t("dishes"), render: (_, o) => o.lines.map((l) => `${l.name}×${l.quantity}`).join("、") },
            { title: t("status"), render: (_, o) => status(o.status) },
            { title: t("paid"), align: "right", render: (_, o) => yuan(o.payable_fen) },
          ]} />
      )}
    </Told>
    <Drawer open={!!open} onClose={() => setOpen(undefined)} size={narrow ? "100%" : 560} title={t("order")} destroyOnHidden>
      {open && <Suspense fallback={t("loading")}><OneOrder order={open} onChanged={asked.again} /></Suspense>}
    </Drawer>
    </>
  );
}

function Coupons({ memberId }: { memberId: string }) {
  const { t, status } = useSpeech();
  const asked = useAsk<{ coupons: Coupon[] }>("members/coupons", { member_id: memberId, limit: LIMIT });
  return (
    <Told asked={asked}>
      {({ coupons }) => (
        <Rows name={t("coupons")} rowKey="coupon_id" size="small" dataSource={coupons}
          columns={[
            { title: t("coupon"), dataIndex: "name" },
            { title: t("status"), render: (_, c) => status(c.status) },
            { title: t("until"), render: (_, c) => moment(c.valid_until) },
          ]} />
      )}
    </Told>
  );
}

function Messages({ memberId }: { memberId: string }) {
  const { t } = useSpeech();
  const asked = useAsk<{ messages: Message[] }>("members/messages", { member_id: memberId, limit: LIMIT });
  return (
    <Told asked={asked}>
      {({ messages }) => (
        <Rows name={t("messages")} rowKey="message_id" size="small" dataSource={messages}
          columns={[
            { title: t("sentAt"), render: (_, m) => moment(m.at) },
            { title: t("title"), dataIndex: "title" },
            { title: t("content"), dataIndex: "body" },
          ]} />
      )}
    </Told>
  );
}
