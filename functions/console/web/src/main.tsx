import { createRoot } from "react-dom/client";
import "antd/dist/reset.css";
import "./page.css";
import { App } from "./app";

createRoot(document.getElementById("root")!).render(<App />);
