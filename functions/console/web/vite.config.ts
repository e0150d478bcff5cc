import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

// Where the set-up wants the pages; beside the sources when run by hand.
export default defineConfig({
  plugins: [react()],
  base: "./",
  build: { outDir: process.env.HUITOU_WEB_OUT ?? "dist", emptyOutDir: true, chunkSizeWarningLimit: 1500 },
});
