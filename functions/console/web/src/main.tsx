import { createRoot } from "react-dom/client";
import "antd/dist/reset.css";
import "./page.css";
import { App } from "./app";

// Nobody may lay a page of theirs over ours: static hosting can't be told to send that as a header.
if (window.top === window.self) createRoot(document.getElementById("root")!).render(<App />);
