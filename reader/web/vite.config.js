import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

// cornerstone writes one style attribute, which the policy refuses; the same by the object model is allowed.
const styleByObject = {
  name: "style-by-object",
  transform(code, id) {
    if (!id.includes("drawingSvg/drawTextBox.js")) return null;
    const changed = code.replace("textElement.setAttribute('style', combinedStyle)", "textElement.style.cssText = combinedStyle");
    if (changed === code) this.error("drawTextBox.js is another one than the one this was written for");
    return { code: changed, map: null };
  },
};

// Two pages, two passes. Staff work in a current browser; a patient may come with an old phone, so that page is plain
// ES2019 and shares no file with the other. No inline script or style: the Content-Security-Policy lets only files of
// the page's own origin run.
export default defineConfig(({ mode }) => ({
  plugins: [styleByObject],
  build: {
    rollupOptions: { input: here(mode === "patient" ? "patient.html" : "staff.html") },
    emptyOutDir: mode !== "patient",
    target: mode === "patient" ? "es2019" : "es2022",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 6000,
  },
  // vtk.js asks for an XML writer it never uses here, whose browser build dies while loading.
  resolve: { alias: { xmlbuilder2: here("src/shared/no_xml.js") } },
  worker: { format: "es" },
  optimizeDeps: { exclude: ["@cornerstonejs/dicom-image-loader"] },
}));
