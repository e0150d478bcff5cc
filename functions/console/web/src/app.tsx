// The frame of all pages: who is signed in, where one may go, in which language.
import { MenuOutlined } from "@ant-design/icons";
import { Button, ConfigProvider, Drawer, Grid, Spin, message } from "antd";
import zh from "antd/locale/zh_CN";
import { Suspense, lazy, useEffect, useMemo, useState } from "react";
import { Link, Redirect, Route, Router, Switch, useLocation } from "wouter";
import { useHashLocation } from "wouter/use-hash-location";
import { ask, onSignedOut, speak } from "./api";
import type { Me } from "./types";
import { MeContext } from "./me";
import { Nothing, ToastContext } from "./parts";
import { Lang, SpeechContext, Word, speech, useSpeech } from "./words";

const SignIn = lazy(() => import("./pages/sign-in"));
const PAGES: { path: string; word: Word; group: Word; needs: string; page: React.LazyExoticComponent<React.ComponentType> }[] = [
  { path: "/", word: "home", group: "ofOperations", needs: "home/figures", page: lazy(() => import("./pages/home")) },
  { path: "/orders", word: "orders", group: "ofOperations", needs: "orders/search", page: lazy(() => import("./pages/orders")) },
  { path: "/approvals", word: "approvals", group: "ofOperations", needs: "approvals/refunds", page: lazy(() => import("./pages/approvals")) },
  { path: "/menu", word: "dishesMenu", group: "ofStores", needs: "menu/list", page: lazy(() => import("./pages/menu")) },
  { path: "/stores", word: "stores", group: "ofStores", needs: "stores/list", page: lazy(() => import("./pages/stores")) },
  { path: "/dishes", word: "dishes", group: "ofStores", needs: "menu/dishes", page: lazy(() => import("./pages/dishes")) },
  { path: "/members", word: "members", group: "ofMembers", needs: "members/search", page: lazy(() => import("./pages/members")) },
  { path: "/tiers", word: "tiers", group: "ofMembers", needs: "tiers/history", page: lazy(() => import("./pages/tiers")) },
  { path: "/coupons", word: "coupons", group: "ofMarketing", needs: "coupons/list", page: lazy(() => import("./pages/coupons")) },
  { path: "/campaigns", word: "campaigns", group: "ofMarketing", needs: "campaigns/list", page: lazy(() => import("./pages/campaigns")) },
  { path: "/staff", word: "staff", group: "ofManagement", needs: "staff/list", page: lazy(() => import("./pages/staff")) },
  { path: "/changes", word: "changes", group: "ofManagement", needs: "changes/list", page: lazy(() => import("./pages/changes")) },
];

const FONTS = '-apple-system, "PingFang SC", "Microsoft YaHei", "Noto Sans SC", sans-serif';
const kept = (): Lang => (localStorage.getItem("lang") === "en" ? "en" : "zh");

export function App() {
  const [lang, setLang] = useState<Lang>(kept);
  const [locale, setLocale] = useState(zh);
  const [toast, toasts] = message.useMessage();
  const spoken = useMemo(() => speech(lang), [lang]);
  useEffect(() => {
    speak(lang);
    localStorage.setItem("lang", lang);
    document.documentElement.lang = lang === "en" ? "en" : "zh-CN";
    // antd's own words; Chinese ones are there, English ones come when they are wanted.
    if (lang === "en") import("antd/locale/en_US").then((words) => setLocale(words.default));
    else setLocale(zh);
    document.title = `${spoken.t("brand")} · ${spoken.t("console")}`;
  }, [lang, spoken]);
  speak(lang);
  return (
    <ConfigProvider
      locale={locale}
      button={{ autoInsertSpace: false }}
      theme={{ token: { colorPrimary: "#b4341f", colorPrimaryHover: "#9c2c19", colorLink: "#a12d1a", colorLinkHover: "#7d2012", colorError: "#a8071a", colorErrorHover: "#820014", colorTextDescription: "#595959", colorTextPlaceholder: "#6b6b6b", fontFamily: FONTS } }}
    >
      <SpeechContext.Provider value={spoken}>
        <ToastContext.Provider value={toast}>
          {toasts}
          <Router hook={useHashLocation}>
            <Frame onLang={() => setLang(lang === "en" ? "zh" : "en")} />
          </Router>
        </ToastContext.Provider>
      </SpeechContext.Provider>
    </ConfigProvider>
  );
}

function Frame({ onLang }: { onLang: () => void }) {
  const { t } = useSpeech();
  const [me, setMe] = useState<Me | null | undefined>(undefined);
  useEffect(() => {
    onSignedOut(() => setMe(null));
    ask<Me>("session/me").then(setMe, () => setMe(null));
  }, []);
  if (me === undefined) return <Spin fullscreen description={t("loading")} />;
  if (me === null || me.new_password)
    return (
      <Suspense fallback={<Spin fullscreen description={t("loading")} />}>
        <SignIn me={me} onMe={setMe} onLang={onLang} />
      </Suspense>
    );
  return (
    <MeContext.Provider value={me}>
      <SignedIn me={me} onLang={onLang} onOut={() => setMe(null)} />
    </MeContext.Provider>
  );
}

function SignedIn({ me, onLang, onOut }: { me: Me; onLang: () => void; onOut: () => void }) {
  const { t, role } = useSpeech();
  const wide = Grid.useBreakpoint().lg;
  const [open, setOpen] = useState(false);
  const [pathname] = useLocation();
  const pages = PAGES.filter((page) => me.may.includes(page.needs));
  const leave = () => ask("session/sign_out").finally(onOut);
  const first = pages[0];
  const here = `/${pathname.split("/")[1]}`;
  const groups = [...new Set(pages.map((page) => page.group))];
  const links = groups.map((group) => (
    <div key={group} className="of">
      <span aria-hidden>{t(group)}</span>
      {pages.filter((page) => page.group === group).map((page) => (
        <Link key={page.path} href={page.path} aria-current={page.path === here ? "page" : undefined} onClick={() => setOpen(false)}>
          {t(page.word)}
        </Link>
      ))}
    </div>
  ));
  return (
    <>
      <header className="top">
        {!wide && <Button type="text" aria-label={t("menu")} icon={<MenuOutlined style={{ color: "#fff" }} />} onClick={() => setOpen(true)} />}
        <span className="brand">{t("brand")}</span>
        <span className="who">{wide && `${me.name} · ${role(me.role)}`}</span>
        <Button type="text" style={{ color: "#fff" }} onClick={onLang}>{t("language")}</Button>
        <Button type="text" style={{ color: "#fff" }} onClick={leave}>{t("signOut")}</Button>
      </header>
      <Drawer open={open} placement="left" size={240} onClose={() => setOpen(false)} title={`${me.name} · ${role(me.role)}`}>
        <nav className="links" aria-label={t("menu")}>{links}</nav>
      </Drawer>
      <div className="frame">
      {wide && <nav className="links side" aria-label={t("menu")}>{links}</nav>}
      <main className="page">
        <Suspense fallback={<Spin description={t("loading")}><div style={{ height: 240 }} /></Spin>}>
          <Switch>
            {pages.map(({ path, page }) => (
              <Route key={path} path={path === "/" ? path : `${path}/:id?`} component={page} />
            ))}
            {/* Who has no first page of figures begins with what they have. */}
            {first && first.path !== "/" && <Route path="/"><Redirect to={first.path} replace /></Route>}
            <Route><Nothing words={t("page404")} /></Route>
          </Switch>
        </Suspense>
      </main>
      </div>
    </>
  );
}
