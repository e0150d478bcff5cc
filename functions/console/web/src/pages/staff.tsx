import { Alert, Button, Form, Input, Modal, Popconfirm, QRCode, Select, Space, Tag } from "antd";
import { useState } from "react";
import { Refused, ask, useAsk } from "../api";
import { Told, useRefusalWords, useStores, useToast } from "../parts";
import { Rows } from "../rows";
import type { Staff, Store } from "../types";
import { ROLE_NAMES, useSpeech } from "../words";

const OF_STORES = ["area_manager", "store_manager", "cashier", "franchisee"];
interface Secrets { staff_id: string; password: string; uri: string }

export default function StaffPage() {
  const { t, role } = useSpeech();
  const words = useRefusalWords();
  const message = useToast();
  const all = useAsk<{ staff: Staff[] }>("staff/list");
  const stores = useStores();
  const [editing, setEditing] = useState<Staff | "new">();
  const [secrets, setSecrets] = useState<Secrets>();
  const name = (id: string) => stores.data?.stores.find((s) => s.store_id === id)?.name ?? id;
  const reset = (staff: Staff) =>
    ask<Secrets>("staff/reset", { staff_id: staff.staff_id }).then(setSecrets, (why: Refused) => message.error(words(why)));
  return (
    <>
      <Space style={{ marginBottom: 16 }}>
        <h1 style={{ margin: 0 }}>{t("staff")}</h1>
        <Button type="primary" onClick={() => setEditing("new")}>{t("addStaff")}</Button>
      </Space>
      <Told asked={all}>
        {({ staff }) => (
          <Rows
            name={t("staff")} rowKey="staff_id" dataSource={staff}
            columns={[
              { title: t("name"), dataIndex: "name" },
              { title: t("staffId"), dataIndex: "staff_id" },
              { title: t("role"), render: (_, s) => role(s.role) },
              { title: t("stores"), render: (_, s) => s.store_ids.map(name).join("、") || t("wholeChain") },
              { title: t("status"), render: (_, s) => <Tag color={s.status === "active" ? "green" : "default"}>{t(s.status)}</Tag> },
              { title: "", render: (_, s) => (
                <Space>
                  <Button size="small" onClick={() => setEditing(s)}>{t("edit")}</Button>
                  <Popconfirm title={t("reset")} okText={t("confirm")} cancelText={t("cancel")} onConfirm={() => reset(s)}>
                    <Button size="small">{t("reset")}</Button>
                  </Popconfirm>
                </Space>
              ) },
            ]}
          />
        )}
      </Told>
      {editing && (
        <Edit
          staff={editing === "new" ? undefined : editing} stores={stores.data?.stores ?? []} onClose={() => setEditing(undefined)}
          onDone={(made) => { setEditing(undefined); setSecrets(made); all.again(); }}
        />
      )}
      <Modal open={!!secrets} title={secrets?.staff_id} footer={<Button type="primary" onClick={() => setSecrets(undefined)}>{t("close")}</Button>} closable={false}>
        {secrets && (
          <>
            <Alert type="warning" showIcon title={t("secretsOnce")} />
            <p style={{ marginTop: 12 }}>{`${t("firstPassword")}: `}<b>{secrets.password}</b></p>
            <p>{t("authenticator")}</p>
            <QRCode value={secrets.uri} />
          </>
        )}
      </Modal>
    </>
  );
}

function Edit({ staff, stores, onClose, onDone }: { staff?: Staff; stores: Store[]; onClose: () => void; onDone: (made?: Secrets) => void }) {
  const { t, role } = useSpeech();
  const words = useRefusalWords();
  const [form] = Form.useForm();
  const chosen = Form.useWatch("role", form) as string | undefined;
  const [refused, setRefused] = useState<Refused>();
  const send = (fields: object) => {
    const made = staff
      ? ask("staff/change", { ...fields, staff_id: staff.staff_id, revision: staff.revision }).then(() => undefined)
      : ask<Secrets>("staff/add", fields);
    made.then(onDone, setRefused);
  };
  const needed = [{ required: true }];
  return (
    <Modal open title={t(staff ? "edit" : "addStaff")} okText={t("save")} cancelText={t("cancel")} onCancel={onClose} onOk={form.submit}>
      {refused && <Alert role="alert" type="error" showIcon title={words(refused)} style={{ marginBottom: 12 }} />}
      <Form form={form} layout="vertical" requiredMark={false} onFinish={send} initialValues={staff ?? {}}>
        {!staff && <Form.Item name="staff_id" label={t("staffId")} rules={[{ required: true, pattern: /^[a-z][a-z0-9.-]{1,31}$/ }]}><Input autoComplete="off" /></Form.Item>}
        <Form.Item name="name" label={t("name")} rules={needed}><Input maxLength={20} /></Form.Item>
        <Form.Item name="role" label={t("role")} rules={needed}>
          <Select options={ROLE_NAMES.map((r) => ({ value: r, label: role(r) }))} />
        </Form.Item>
        {chosen && OF_STORES.includes(chosen) && (
          <Form.Item name="store_ids" label={t("stores")} rules={needed}>
            <Select mode="multiple" options={stores.map((s) => ({ value: s.store_id, label: s.name }))} />
          </Form.Item>
        )}
        {staff && (
          <Form.Item name="status" label={t("status")}>
            <Select options={(["active", "disabled"] as const).map((s) => ({ value: s, label: t(s) }))} />
          </Form.Item>
        )}
      </Form>
    </Modal>
  );
}
