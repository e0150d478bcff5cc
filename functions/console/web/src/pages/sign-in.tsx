import { Alert, Button, Card, Form, Input } from "antd";
import { useState } from "react";
import { Refused, ask } from "../api";
import { useRefusalWords } from "../parts";
import type { Me } from "../types";
import { useSpeech } from "../words";

export default function SignIn({ me, onMe, onLang }: { me: Me | null; onMe: (me: Me) => void; onLang: () => void }) {
  const { t } = useSpeech();
  const words = useRefusalWords();
  const [refused, setRefused] = useState<Refused>();
  const [busy, setBusy] = useState(false);
  const send = (work: () => Promise<Me>) => {
    setBusy(true);
    setRefused(undefined);
    work()
      .then(onMe, setRefused)
      .finally(() => setBusy(false));
  };
  const signIn = (fields: object) => send(() => ask<Me>("session/sign_in", fields));
  const choose = (fields: object) =>
    send(async () => {
      await ask("session/password", fields);
      return ask<Me>("session/me");
    });
  const needed = [{ required: true }];
  return (
    <main className="sign-in">
      <Card
        title={<h1 style={{ fontSize: 18, margin: 0 }}>{me ? t("choosePassword") : `${t("brand")} · ${t("console")}`}</h1>}
        extra={<Button type="text" onClick={onLang}>{t("language")}</Button>}
        style={{ width: 380, maxWidth: "100%" }}
      >
        {refused && <Alert role="alert" type="error" showIcon title={words(refused)} style={{ marginBottom: 16 }} />}
        {me ? (
          <Form key="choose" layout="vertical" onFinish={choose} requiredMark={false}>
            <p>{t("choosePasswordHelp")}</p>
            <Form.Item name="old" label={t("oldPassword")} rules={needed}>
              <Input.Password autoComplete="current-password" autoFocus />
            </Form.Item>
            <Form.Item name="new" label={t("newPassword")} rules={[{ required: true, min: 10 }]}>
              <Input.Password autoComplete="new-password" />
            </Form.Item>
            <Button type="primary" htmlType="submit" block loading={busy}>{t("save")}</Button>
          </Form>
        ) : (
          <Form key="sign-in" layout="vertical" onFinish={signIn} requiredMark={false}>
            <Form.Item name="staff_id" label={t("staffId")} rules={needed}>
              <Input autoComplete="username" autoFocus />
            </Form.Item>
            <Form.Item name="password" label={t("password")} rules={needed}>
              <Input.Password autoComplete="current-password" />
            </Form.Item>
            <Form.Item name="code" label={t("code")} rules={needed} extra={t("codeHelp")}>
              <Input inputMode="numeric" autoComplete="one-time-code" maxLength={6} />
            </Form.Item>
            <Button type="primary" htmlType="submit" block loading={busy}>{t("signIn")}</Button>
          </Form>
        )}
      </Card>
    </main>
  );
}
