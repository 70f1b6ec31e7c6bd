// The words of the pages: none is said twice in one list (the second would silently replace the first).
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import test from "node:test";

const top = new URL("../../..", import.meta.url).pathname;
const { transformSync } = createRequire(join(top, "reader/web/"))("esbuild");
const files = ["reader/web/src", "gateway/desk/web/src"].flatMap((folder) => readdirSync(join(top, folder), { recursive: true })
  .filter((name) => /words\.js$/.test(name)).map((name) => join(folder, name)));

test("no word is said twice", () => {
  assert.ok(files.length > 2);
  for (const file of files) {
    const { warnings } = transformSync(readFileSync(join(top, file), "utf8"), { loader: "js" });
    assert.deepEqual(warnings.map((w) => `${file}: ${w.text}`), []);
  }
});
