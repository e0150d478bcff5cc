import { Button, Drawer, Grid, Tag } from "antd";
import { Suspense, lazy, useMemo, useState } from "react";
import { WEEKDAYS } from "../choices";
import { Refused, ask, useAsk } from "../api";
import type { Schema } from "../form";
import { useMay } from "../me";
import { NotTaken, Told, problemsOf, useStores, useToast } from "../parts";
import { Rows } from "../rows";
import type { Hours, StaffStore } from "../types";
import { useSpeech } from "../words";

const SchemaForm = lazy(() => import("../form"));
const HIDDEN: string[] = [];

export default function StoresPage() {
  const { t } = useSpeech();
  const may = useMay();
  const narrow = !Grid.useBreakpoint().md;
  const stores = useStores();
  const [open, setOpen] = useState<string>();
  return (
    <>
      <h1>{t("stores")}</h1>
      <Told asked={stores}>
        {({ stores: found }) => (
          <Rows
            name={t("stores")} rowKey="store_id" dataSource={found}
            columns={[
              { title: t("store"), render: (_, s) => (may("stores/set") ? <Button type="link" style={{ padding: 0 }} onClick={() => setOpen(s.store_id)}>{s.name}</Button> : s.name) },
              { title: t("status"), render: (_, s) => <Tag color={s.open ? "green" : "orange"}>{t(s.open ? "takingOrders" : "notTakingOrders")}</Tag> },
              { title: t("address"), dataIndex: "address" },
              { title: t("openingHours"), render: (_, s) => <OpenHours hours={s.hours} /> },
            ]}
          />
        )}
      </Told>
      <Drawer open={!!open} onClose={() => setOpen(undefined)} size={narrow ? "100%" : 720} title={t("storeSettings")} destroyOnHidden>
        {open && <Settings id={open} onSaved={() => { setOpen(undefined); stores.again(); }} />}
      </Drawer>
    </>
  );
}

function OpenHours({ hours }: { hours: Hours[] }) {
  const { t } = useSpeech();
  const days = (list: number[]) => (list.length === 7 ? t("everyDay") : list.map((n) => t(WEEKDAYS[n])).join(" "));
  return <>{hours.map((h, n) => <div key={n}>{`${days(h.weekdays)} ${h.opens}–${h.closes}`}</div>)}</>;
}

function Settings({ id, onSaved }: { id: string; onSaved: () => void }) {
  const schema = useAsk<{ form: Schema }>("stores/schema");
  const store = useAsk<StaffStore>("stores/get", { store_id: id });
  return <Told asked={schema}>{({ form }) => <Told asked={store}>{(found) => <Editor key={found.revision} schema={form} store={found} onSaved={onSaved} onAgain={store.again} />}</Told>}</Told>;
}

function Editor({ schema, store, onSaved, onAgain }: { schema: Schema; store: StaffStore; onSaved: () => void; onAgain: () => void }) {
  const { t } = useSpeech();
  const message = useToast();
  const [draft, setDraft] = useState<unknown>(store.settings);
  const [refused, setRefused] = useState<Refused>();
  const problems = useMemo(() => problemsOf(refused, "settings"), [refused]);
  const keep = (settings: unknown) =>
    ask("stores/set", { store_id: store.store_id, revision: store.revision, settings }).then(
      () => { message.success(t("done")); onSaved(); },
      setRefused,
    );
  return (
    <>
      <Suspense fallback={t("loading")}>
        <SchemaForm
          schema={schema} value={draft} hidden={HIDDEN} problems={problems} submit={t("save")} onSubmit={keep}
          onChange={(changed) => { setDraft(changed); setRefused(undefined); }}
        />
      </Suspense>
      <NotTaken refused={refused} sent="settings" onReload={onAgain} />
    </>
  );
}
