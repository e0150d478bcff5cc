import { Alert, Button, DatePicker, Descriptions, Drawer, Form, Grid, Input, InputNumber, Modal, Select, Space, Tag, Timeline } from "antd";
import dayjs from "dayjs";
import { useState } from "react";
import { Refused, ask, useAsk } from "../api";
import { moment, yuan } from "../format";
import { useMay } from "../me";
import { StoreSelect, Told, useRefusalWords, useStores, useToast } from "../parts";
import { Rows } from "../rows";
import type { Explained, FoundOrder, Line, Store, WholeOrder } from "../types";
import { ORDER_STATUSES, useSpeech } from "../words";

export default function OrdersPage() {
  const { t } = useSpeech();
  const stores = useStores();
  return (
    <>
      <h1>{t("orders")}</h1>
      <Told asked={stores}>{({ stores: found }) => (found.length ? <Search stores={found} /> : null)}</Told>
    </>
  );
}

function Search({ stores }: { stores: Store[] }) {
  const { t, status } = useSpeech();
  const narrow = !Grid.useBreakpoint().md;
  const [store, setStore] = useState(stores[0].store_id);
  const [day, setDay] = useState<string>();
  const [number, setNumber] = useState<number | null>(null);
  const [state, setState] = useState("");
  const [after, setAfter] = useState<string[]>([]);
  const [open, setOpen] = useState<FoundOrder>();
  const today = useAsk<{ today: string }>("orders/today", { store_id: store });
  const wanted = day ?? today.data?.today;
  const cursor = after[after.length - 1];
  const found = useAsk<{ orders: FoundOrder[]; next: string | null }>(wanted ? "orders/search" : null, {
    store_id: store, day: wanted, ...(number ? { pickup_number: number } : {}), ...(state ? { status: state } : {}),
    ...(cursor ? { after: cursor } : {}),
  });
  const anew = <T,>(set: (value: T) => void) => (value: T) => { setAfter([]); set(value); };
  return (
    <>
      <Space wrap style={{ marginBottom: 16 }}>
        <StoreSelect stores={stores} value={store} onChange={anew(setStore)} />
        <DatePicker aria-label={t("day")} allowClear={false} value={wanted ? dayjs(wanted) : null} onChange={(d) => anew(setDay)(d?.format("YYYY-MM-DD"))} />
        <InputNumber aria-label={t("pickupNumber")} placeholder={t("pickupNumber")} min={1} max={99999} value={number} onChange={anew(setNumber)} />
        <Select
          aria-label={t("status")} style={{ minWidth: 120 }} value={state} onChange={anew(setState)}
          options={[{ value: "", label: t("anyStatus") }, ...ORDER_STATUSES.map((s) => ({ value: s, label: status(s) }))]}
        />
      </Space>
      <Told asked={found}>
        {({ orders, next }) => (
          <>
            <Rows
              name={`${t("orders")} ${wanted ?? ""}`} rowKey="order_id" dataSource={orders}
              loading={found.busy}
              columns={[
                { title: t("pickupNumber"), render: (_, o) => (
                  <Button type="link" style={{ padding: 0 }} onClick={() => setOpen(o)} aria-label={`${t("order")} ${number3(o.pickup_number)}`}>
                    {number3(o.pickup_number)}
                  </Button>
                ) },
                { title: t("time"), render: (_, o) => moment(o.created_at) },
                { title: t("dishes"), dataIndex: "dishes", ellipsis: true, width: 320 },
                { title: t("status"), render: (_, o) => <Space size={4}><Tag>{status(o.status)}</Tag>{o.refund_status && o.refund_status !== o.status && <Tag color="orange">{status(o.refund_status)}</Tag>}</Space> },
                { title: t("paid"), align: "right", render: (_, o) => yuan(o.payable_fen) },
                { title: t("refunded"), align: "right", render: (_, o) => (o.refunded_fen ? yuan(o.refunded_fen) : "") },
              ]}
            />
            {next && <Button style={{ marginTop: 12 }} onClick={() => setAfter([...after, next])}>{t("more")}</Button>}
          </>
        )}
      </Told>
      <Drawer open={!!open} onClose={() => setOpen(undefined)} size={narrow ? "100%" : 560} title={`${t("order")} ${number3(open?.pickup_number ?? null)}`}>
        {open && <OneOrder order={open} onChanged={found.again} />}
      </Drawer>
    </>
  );
}

const number3 = (n: number | null) => (n === null ? "—" : String(n).padStart(3, "0"));

export function OneOrder({ order, onChanged }: { order: { order_id: string }; onChanged: () => void }) {
  const { t, status } = useSpeech();
  const may = useMay();
  const whole = useAsk<WholeOrder>("orders/get", { order_id: order.order_id });
  const price = useAsk<Explained>("orders/explain", { order_id: order.order_id });
  const [refunding, setRefunding] = useState(false);
  return (
    <>
      <Told asked={whole}>
        {({ steps }) => (
          <>
            <h2 style={{ fontSize: 16 }}>{t("steps")}</h2>
            <Timeline items={steps.map((step) => ({ content: `${moment(step.at)} ${status(step.status)}${step.actor ? ` · ${step.actor}` : ""}` }))} />
          </>
        )}
      </Told>
      <Told asked={price}>
        {(told) => (
          <>
            <h2 style={{ fontSize: 16 }}>{t("price")}</h2>
            <Descriptions
              column={1} size="small" bordered
              items={[
                ...told.lines.map((line, n) => ({ key: `l${n}`, label: `${line.name} ${line.sku_name} × ${line.quantity}`, children: yuan(line.list_fen) })),
                { key: "list", label: t("listPrice"), children: yuan(told.list_fen) },
                ...told.discounts.map((d, n) => ({ key: `d${n}`, label: d.name || d.kind, children: yuan(-d.amount_fen) })),
                ...(told.delivery_fen ? [{ key: "delivery", label: t("deliveryFee"), children: yuan(told.delivery_fen) }] : []),
                { key: "pay", label: <b>{t("payable")}</b>, children: <b>{yuan(told.payable_fen)}</b> },
              ]}
            />
            {told.same !== null && (
              <Alert style={{ marginTop: 12 }} type={told.same ? "success" : "warning"} showIcon title={t(told.same ? "priceSame" : "priceOther")} />
            )}
            {may("orders/refund") && <Button danger style={{ marginTop: 16 }} onClick={() => setRefunding(true)}>{t("refund")}</Button>}
            {refunding && (
              <RefundForm orderId={order.order_id} lines={told.lines} onClose={() => setRefunding(false)}
                onDone={() => { setRefunding(false); whole.again(); onChanged(); }} />
            )}
          </>
        )}
      </Told>
    </>
  );
}

function RefundForm(props: { orderId: string; lines: Line[]; onClose: () => void; onDone: () => void }) {
  const { t, status } = useSpeech();
  const words = useRefusalWords();
  const message = useToast();
  const [form] = Form.useForm();
  const [refused, setRefused] = useState<Refused>();
  const [busy, setBusy] = useState(false);
  // The same id again is the same refund: a second click, or one after a lost answer, gives nothing twice.
  const [refundId] = useState(() => `R${crypto.randomUUID().replaceAll("-", "").slice(0, 24)}`);
  const send = (fields: { reason: string; back?: (number | null)[] }) => {
    const lines = (fields.back ?? []).flatMap((quantity, line) => (quantity ? [{ line, quantity }] : []));
    setBusy(true);
    ask<{ status: string; amount_fen: number }>("orders/refund", {
      order_id: props.orderId, refund_id: refundId, reason: fields.reason, ...(lines.length ? { lines } : {}),
    })
      .then((made) => {
        message.success(`${yuan(made.amount_fen)} ${status(made.status) === made.status ? t("done") : status(made.status)}`);
        props.onDone();
      }, setRefused)
      .finally(() => setBusy(false));
  };
  return (
    <Modal open title={t("refund")} okText={t("refund")} okButtonProps={{ danger: true, loading: busy }} cancelText={t("cancel")} onCancel={props.onClose} onOk={form.submit}>
      {refused && <Alert role="alert" type="error" showIcon title={words(refused)} style={{ marginBottom: 12 }} />}
      <p>{t("refundHelp")}</p>
      <Form form={form} layout="vertical" onFinish={send} requiredMark={false}>
        {props.lines.map((line, n) => (
          <Form.Item key={n} name={["back", n]} label={`${line.name} ${line.sku_name} × ${line.quantity}`}>
            <InputNumber min={0} max={line.quantity} placeholder="0" />
          </Form.Item>
        ))}
        <Form.Item name="reason" label={t("reason")} rules={[{ required: true, message: t("reasonNeeded") }]}>
          <Input maxLength={80} />
        </Form.Item>
      </Form>
    </Modal>
  );
}
