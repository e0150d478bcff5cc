import { Alert, Button, Form, InputNumber, Modal, Space, Switch, Tag } from "antd";
import { useState } from "react";
import { Refused, ask, useAsk } from "../api";
import { yuan } from "../format";
import { useMay } from "../me";
import { StoreSelect, Told, useRefusalWords, useStores, useToast, waits } from "../parts";
import { Rows } from "../rows";
import type { StaffDish, StaffStore, Store } from "../types";
import { useSpeech } from "../words";

export default function MenuPage() {
  const { t } = useSpeech();
  const stores = useStores();
  return (
    <>
      <h1>{t("dishesMenu")}</h1>
      <Told asked={stores}>{({ stores: found }) => (found.length ? <OfStore stores={found} /> : null)}</Told>
    </>
  );
}

function OfStore({ stores }: { stores: Store[] }) {
  const { t } = useSpeech();
  const may = useMay();
  const message = useToast();
  const words = useRefusalWords();
  const [store, setStore] = useState(stores[0].store_id);
  const state = useAsk<StaffStore>("stores/get", { store_id: store });
  const menu = useAsk<{ dishes: StaffDish[] }>("menu/list", { store_id: store });
  const [pricing, setPricing] = useState<StaffDish>();
  const change = (route: string, fields: object, then: () => void) =>
    ask(route, { store_id: store, ...fields }).then(() => { message.success(t("done")); then(); }, (why: Refused) => (waits(why) ? message.info(words(why), 8) : message.error(words(why))));
  return (
    <>
      <Space wrap style={{ marginBottom: 16 }}>
        <StoreSelect stores={stores} value={store} onChange={setStore} />
        <Told asked={state}>
          {({ open, paused }) => (
            <Space>
              <Tag color={open ? "green" : "orange"}>{t(open ? "takingOrders" : "notTakingOrders")}</Tag>
              {may("stores/pause") && (
                <Button danger={!paused} onClick={() => change("stores/pause", { paused: !paused }, state.again)}>{t(paused ? "resumeOrders" : "pauseOrders")}</Button>
              )}
            </Space>
          )}
        </Told>
      </Space>
      {state.data?.paused && <Alert type="warning" showIcon title={t("pausedByStaff")} style={{ marginBottom: 16 }} />}
      <Told asked={menu}>
        {({ dishes }) => (
          <Rows
            name={t("dishesMenu")} rowKey="dish_id" dataSource={dishes}
            columns={[
              { title: t("dish"), dataIndex: "name" },
              { title: t("category"), dataIndex: "category" },
              { title: t("soldOut"), render: (_, d) => (
                <Switch
                  aria-label={`${d.name} ${t("soldOut")}`} checked={d.sold_out} disabled={!may("menu/sold_out")}
                  onChange={(sold_out) => change("menu/sold_out", { dish_id: d.dish_id, sold_out }, menu.again)}
                />
              ) },
              { title: t("onSale"), render: (_, d) => (
                <Switch
                  aria-label={`${d.name} ${t("onSale")}`} checked={d.listed} disabled={!may("menu/listed")}
                  onChange={(listed) => change("menu/listed", { dish_id: d.dish_id, listed }, menu.again)}
                />
              ) },
              { title: t("prices"), render: (_, d) => (
                <Space>
                  {d.skus.map((sku) => `${sku.name} ${yuan(sku.own_fen ?? sku.brand_fen)}`.trim()).join("、")}
                  {may("menu/prices") && <Button size="small" aria-label={`${t("edit")} ${d.name} ${t("prices")}`} onClick={() => setPricing(d)}>{t("edit")}</Button>}
                </Space>
              ) },
            ]}
          />
        )}
      </Told>
      {pricing && (
        <Prices
          dish={pricing} onClose={() => setPricing(undefined)}
          onSave={(prices_fen) => change("menu/prices", { dish_id: pricing.dish_id, prices_fen }, () => { setPricing(undefined); menu.again(); })}
        />
      )}
    </>
  );
}

function Prices({ dish, onClose, onSave }: { dish: StaffDish; onClose: () => void; onSave: (prices: Record<string, number>) => void }) {
  const { t } = useSpeech();
  const [form] = Form.useForm();
  const send = (typed: Record<string, number | null>) =>
    onSave(Object.fromEntries(Object.entries(typed).flatMap(([sku, own]) => (own == null ? [] : [[sku, Math.round(own * 100)]]))));
  const own = Object.fromEntries(dish.skus.map((sku) => [sku.sku_id, sku.own_fen === null ? null : sku.own_fen / 100]));
  return (
    <Modal open title={`${dish.name} · ${t("ownPrice")}`} okText={t("save")} cancelText={t("cancel")} onCancel={onClose} onOk={form.submit}>
      <p>{t("ownPriceHelp")}</p>
      <Form form={form} layout="vertical" initialValues={own} onFinish={send}>
        {dish.skus.map((sku) => (
          <Form.Item key={sku.sku_id} name={sku.sku_id} label={`${sku.name || dish.name}（${t("brandPrice")} ${yuan(sku.brand_fen)}）`}>
            <InputNumber min={0} max={100000} precision={2} suffix={t("yuan")} style={{ width: 180 }} />
          </Form.Item>
        ))}
      </Form>
    </Modal>
  );
}
