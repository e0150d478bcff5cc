import { Button, Drawer, Form, Grid, Input, Space } from "antd";
import { Suspense, lazy, useMemo, useState } from "react";
import { Refused, ask, useAsk } from "../api";
import type { Schema } from "../form";
import { yuan } from "../format";
import { useMay } from "../me";
import { NotTaken, Told, problemsOf, useToast } from "../parts";
import { Rows } from "../rows";
import type { BrandDish } from "../types";
import { useSpeech } from "../words";

const SchemaForm = lazy(() => import("../form"));
const HIDDEN: string[] = [];
type Draft = Omit<BrandDish, "content"> & { content: unknown };

export default function DishesPage() {
  const { t } = useSpeech();
  const may = useMay();
  const narrow = !Grid.useBreakpoint().md;
  const all = useAsk<{ dishes: BrandDish[] }>("menu/dishes");
  const [open, setOpen] = useState<Draft>();
  return (
    <>
      <Space style={{ marginBottom: 16 }}>
        <h1 style={{ margin: 0 }}>{t("dishes")}</h1>
        {may("menu/set_dish") && <Button onClick={() => setOpen({ dish_id: "", revision: 0, content: { skus: [{ sku_id: "one", name: "" }] } })}>{t("newDish")}</Button>}
      </Space>
      <Told asked={all}>
        {({ dishes }) => (
          <Rows
            name={t("dishes")} rowKey="dish_id" dataSource={dishes}
            columns={[
              { title: t("dish"), render: (_, d) => (may("menu/set_dish") ? <Button type="link" style={{ padding: 0 }} onClick={() => setOpen(d)}>{d.content.name}</Button> : d.content.name) },
              { title: t("category"), render: (_, d) => d.content.category },
              { title: t("sizes"), render: (_, d) => d.content.skus.map((s) => `${s.name} ${yuan(s.price_fen)}`.trim()).join("、") },
              { title: t("methods"), render: (_, d) => d.content.methods.join("、") },
              { title: t("extras"), render: (_, d) => d.content.addons.map((a) => `${a.name} ${yuan(a.price_fen)}`).join("、") },
            ]}
          />
        )}
      </Told>
      <Drawer open={!!open} onClose={() => setOpen(undefined)} size={narrow ? "100%" : 720} title={open?.revision ? t("dish") : t("newDish")} destroyOnHidden>
        {open && <Editor key={open.dish_id} dish={open} onSaved={() => { setOpen(undefined); all.again(); }} />}
      </Drawer>
    </>
  );
}

function Editor({ dish, onSaved }: { dish: Draft; onSaved: () => void }) {
  const { t } = useSpeech();
  const message = useToast();
  const schema = useAsk<{ form: Schema }>("menu/schema");
  const [id, setId] = useState(dish.dish_id);
  const [draft, setDraft] = useState<unknown>(dish.content);
  const [refused, setRefused] = useState<Refused>();
  const problems = useMemo(() => problemsOf(refused, "content"), [refused]);
  const keep = (content: unknown) =>
    ask("menu/set_dish", { dish_id: id, revision: dish.revision, content }).then(
      () => { message.success(t("done")); onSaved(); },
      setRefused,
    );
  return (
    <Told asked={schema}>
      {({ form }) => (
        <>
          {dish.revision === 0 && (
            <Form layout="vertical">
              <Form.Item label={t("dishId")} htmlFor="dish-id" extra={t("dishIdHelp")}><Input id="dish-id" maxLength={64} value={id} onChange={(e) => setId(e.target.value.trim())} /></Form.Item>
            </Form>
          )}
          <Suspense fallback={t("loading")}>
            <SchemaForm
              schema={form} value={draft} hidden={HIDDEN} problems={problems} submit={t("save")} onSubmit={keep}
              onChange={(changed) => { setDraft(changed); setRefused(undefined); }}
            />
          </Suspense>
          <NotTaken refused={refused} sent="content" late={dish.revision ? "somebodyElse" : "dishIdTaken"} />
        </>
      )}
    </Told>
  );
}
