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

// Comments are left out; in C what stands in quotes is looked at.
const HALF_WIDTH = /\p{Script=Han}[,;:!?]|[,;:!?(]\p{Script=Han}|\p{Script=Han}[()]/u;
const sources = ["reader", "gateway", "storage", "proto"].flatMap((folder) => readdirSync(join(top, folder), { recursive: true })
  .filter((name) => /\.(c|def|js)$/.test(name) && !/node_modules|dist\//.test(name)).map((name) => join(folder, name)));

test("Chinese sentences have Chinese marks: on the pages, in reports and burnt into pictures", () => {
  assert.ok(sources.length > 300);
  for (const file of sources) {
    const lines = readFileSync(join(top, file), "utf8").split("\n");
    const wrong = lines.map((line, i) => [i + 1, /\.js$/.test(file) ? line.replace(/(^|\s)\/\/.*$/, "") : (line.match(/"(?:[^"\\]|\\.)*"/g) ?? []).join(" ")])
      .filter(([, said]) => HALF_WIDTH.test(said));
    assert.deepEqual(wrong.map(([at]) => `${file}:${at}`), []);
  }
});

test("each part of the gateway that does not run has its words", () => {
  const parts = [...readFileSync(join(top, "gateway/desk/gateway_parts.def"), "utf8").matchAll(/^PART\(\w+, "(\w+)"/gm)];
  assert.ok(parts.length > 5);
  for (const page of ["gateway/desk/web/src/words.js", "reader/web/src/staff/supervision/supervision_words.js"]) {
    const text = readFileSync(join(top, page), "utf8");
    for (const [, word] of parts) assert.equal(text.split(` part_${word}: "`).length, 3, `${page}: ${word}`);
  }
});

test("a clock that is far off is blamed for the line only while that is not up", () => {
  const text = readFileSync(join(top, "gateway/desk/web/src/words.js"), "utf8");
  const words = [...text.matchAll(/CLOCK_FAR: (\(l\) => `.*`),$/gm)].map((m) => new Function("day", `return ${m[1]}`)(() => "1970"));
  assert.equal(words.length, 2);
  for (const say of words) {
    assert.match(say({ is_cut_off: true }), /连不上中心|not reached/);
    assert.doesNotMatch(say({ is_cut_off: false }), /连不上|not reached/);
    assert.match(say({}), /1970/);
  }
});

test("what the centre has lost is to be sent again, what is put aside is for the administrator", () => {
  const text = readFileSync(join(top, "gateway/desk/web/src/words.js"), "utf8");
  const words = [...text.matchAll(/attention: (\(s\) => .*),$/gm)].map((m) => new Function(`return ${m[1]}`)());
  assert.equal(words.length, 2);
  for (const say of words) {
    const lost = say({ lost: 3, counts: { quarantined: 0 } }), aside = say({ lost: 0, counts: { quarantined: 2 } });
    assert.match(lost, /3.*(重新发送|send these again from the device)/);
    assert.doesNotMatch(lost, /管理员|administrator/);
    assert.match(aside, /2.*(管理员|administrator)/);
    assert.doesNotMatch(aside, /重新发送|send these again/);
  }
});

test("every event of the audit trail has words, in both languages", () => {
  const events = [...readFileSync(join(top, "proto/trust/audit_events.def"), "utf8").matchAll(/^AUDIT_EVENT\((\w+),/gm)].map((m) => m[1]);
  const words = readFileSync(join(top, "reader/web/src/staff/supervision/audit_words.js"), "utf8");
  assert.ok(events.length > 30);
  for (const event of events) assert.equal(words.match(new RegExp(`\\b${event}: "`, "g"))?.length, 2, event);
});

test("every lamp has words, in both languages", () => {
  const lamps = [...readFileSync(join(top, "gateway/desk/lamps.def"), "utf8").matchAll(/^LAMP\((\w+),/gm)].map((m) => m[1]);
  const words = readFileSync(join(top, "gateway/desk/web/src/words.js"), "utf8");
  assert.ok(lamps.length > 50);
  for (const lamp of lamps) assert.equal(words.match(new RegExp(`\\b${lamp}: \\(`, "g"))?.length, 2, lamp);
});

test("Chinese words carry Chinese punctuation", () => {
  for (const file of [...files, "reader/compose/refusals.def", "proto/model/doubts.def"]) {
    const odd = readFileSync(join(top, file), "utf8").match(/\p{Script=Han}[,;:(][^\n]{0,20}|[;:(]\p{Script=Han}[^\n]{0,20}/gu) ?? [];
    assert.deepEqual(odd.map((text) => `${file}: ${text}`), []);
  }
});

test("that a study's list is closed is not said to be anybody's doing: the quiet timer closes it too", () => {
  const words = [...readFileSync(join(top, "gateway/desk/web/src/words.js"), "utf8").matchAll(/ is_closed: "([^"]*)"/g)].map((m) => m[1]);
  assert.equal(words.length, 2);
  for (const word of words) assert.doesNotMatch(word, /技师|technician|no more/);
});

test("an emergency has one word at the desk, for the registration and for its images", () => {
  const text = readFileSync(join(top, "gateway/desk/web/src/words.js"), "utf8");
  for (const [, name, word] of text.matchAll(/\b(is_urgent|urgent_do|urgent|is_stat|stat_do): "([^"]*)"/g)) assert.match(word, /急诊|emergency/i, name);
});
