import { defineConfig } from "vite";

// No inline script or style: the page's Content-Security-Policy lets only files of its own origin run.
export default defineConfig({
  build: { assetsInlineLimit: 0, modulePreload: { polyfill: false }, target: "es2020" },
});
