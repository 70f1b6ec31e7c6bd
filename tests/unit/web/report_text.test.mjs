// A report's text while it is written: autosave, conflicts, what survives a reload; soft warnings; templates.
import assert from "node:assert/strict";
import { test } from "node:test";
import { troublesIn } from "../../../reader/web/src/staff/reading/checks.js";
import { Draft } from "../../../reader/web/src/staff/reading/draft.js";
import { forgetDrafts } from "../../../reader/web/src/staff/reading/kept_drafts.js";
import { filled, templatesFor } from "../../../reader/web/src/staff/reading/templates.js";

function world({ kept, answers = [] } = {}) {
  const w = { sent: [], timers: [], stored: new Map(kept ? [["radpost.draft.7", JSON.stringify(kept)]] : []) };
  w.store = { getItem: (k) => w.stored.get(k) ?? null, setItem: (k, v) => w.stored.set(k, v), removeItem: (k) => w.stored.delete(k) };
  w.save = async (body) => {
    w.sent.push(body);
    const answer = answers.shift() ?? { base: body.base + 1, saved_at: "2026-01-01T00:00:00Z" };
    if (answer instanceof Error) throw answer;
    return answer;
  };
  w.draft = new Draft({ read: 7, login: "doc", save: w.save, store: w.store, later: (call, ms) => w.timers.push({ call, ms }), never: () => (w.timers = []) });
  w.fire = async () => {
    for (const timer of w.timers.splice(0)) await timer.call();
    await new Promise((done) => setImmediate(done));
  };
  return w;
}
const report = (base, findings) => ({ base, exam: "", findings, impression: "" });
const refusal = (status, body = {}) => Object.assign(new Error("refused"), { status, body });

test("a change is kept in the browser at once and sent three seconds later", async () => {
  const w = world();
  w.draft.take(report(4, ""));

  w.draft.edit("findings", "结节");

  assert.equal(JSON.parse(w.stored.get("radpost.draft.7")).fields.findings, "结节");
  assert.deepEqual(w.timers.map((t) => t.ms), [3000]);
  await w.fire();
  assert.deepEqual(w.sent, [{ base: 4, exam: "", findings: "结节", impression: "" }]);
  assert.equal(w.draft.base, 5);
  assert.equal(w.draft.status.value.kind, "saved");
  assert.equal(w.stored.size, 0);
});

test("who types on is saved too: the timer is not put off", () => {
  const w = world();
  w.draft.take(report(1, ""));

  for (const text of ["a", "ab", "abc"]) w.draft.edit("findings", text);

  assert.equal(w.timers.length, 1);
});

test("text that was not saved survives a reload and is sent", async () => {
  const w = world({ kept: { base: 4, login: "doc", fields: { exam: "", findings: "没有保存的", impression: "" } } });

  w.draft.take(report(4, "旧"));

  assert.equal(w.draft.fields.value.findings, "没有保存的");
  await w.fire();
  assert.equal(w.sent[0].findings, "没有保存的");
});

test("another person's unsaved text is not shown", () => {
  const w = world({ kept: { base: 4, login: "other", fields: { exam: "", findings: "别人的", impression: "" } } });

  w.draft.take(report(4, "旧"));

  assert.equal(w.draft.fields.value.findings, "旧");
});

test("who signs out leaves no text behind, and nobody else's is touched", () => {
  const w = world({ kept: { base: 4, login: "doc", fields: { findings: "所见" } } });
  w.stored.set("radpost.draft.8", JSON.stringify({ base: 1, login: "other", fields: {} }));
  w.stored.set("radpost.draft.9", "broken");
  w.stored.set("ecg_ruler_mm", "10");
  w.store.key = (i) => [...w.stored.keys()][i];
  Object.defineProperty(w.store, "length", { get: () => w.stored.size });

  forgetDrafts("doc", w.store);

  assert.deepEqual([...w.stored.keys()], ["radpost.draft.8", "ecg_ruler_mm"]);
});

test("a conflict shows both texts, overwrites neither, and sends only what was chosen", async () => {
  const w = world({ answers: [refusal(409, { current: { ...report(9, "theirs"), author: { name: "张" } } })] });
  w.draft.take(report(4, ""));
  w.draft.edit("findings", "ours");
  await w.fire();

  assert.deepEqual([w.draft.status.value.kind, w.draft.status.value.by, w.draft.status.value.theirs.findings, w.draft.fields.value.findings],
    ["conflict", "张", "theirs", "ours"]);
  w.draft.edit("findings", "ours too");
  assert.equal(w.timers.length, 0);
  w.draft.settle(true);
  await w.fire();
  assert.deepEqual(w.sent.at(-1), { base: 9, exam: "", findings: "ours too", impression: "" });
});

test("text kept here that grew from an older base is a conflict, not a loss", () => {
  const w = world({ kept: { base: 3, login: "doc", fields: { exam: "", findings: "mine", impression: "" } } });

  w.draft.take(report(5, "newer"));

  assert.equal(w.draft.status.value.kind, "conflict");
  w.draft.settle(false);
  assert.equal(w.draft.fields.value.findings, "newer");
  assert.equal(w.stored.size, 0);
});

test("a server that is away is tried again; a refusal is told and the text stays", async () => {
  const w = world({ answers: [refusal(0), refusal(403)] });
  w.draft.take(report(1, ""));
  w.draft.edit("findings", "x");
  await w.fire();
  assert.equal(w.draft.status.value.kind, "lost");
  await w.fire();

  assert.equal(w.draft.status.value.kind, "refused");
  assert.equal(w.draft.fields.value.findings, "x");
  assert.equal(w.stored.size, 1);
});

const text = (findings, impression, exam = "") => ({ exam, findings, impression });
const troubles = [
  ["the side changes", text("右肺上叶见结节,直径8mm。左肺清晰。", "左肺上叶结节。"), "M", ["side"]],
  ["the side stays", text("右肺上叶见结节。左肺清晰。", "右肺上叶结节。"), "M", []],
  ["both sides cover either", text("双侧胸腔积液。", "右侧胸腔积液。"), "M", []],
  ["what is denied has no side", text("左侧胸腔未见积液。右侧胸腔积液。", "右侧胸腔积液。"), "M", []],
  ["the examination's side", text("左膝关节间隙变窄。", "左膝退变。", "右膝正侧位片"), "F", ["exam_side"]],
  ["an organ the patient has not", text("前列腺增大。", "前列腺增生。"), "F", ["sex"]],
  ["an organ the patient has", text("前列腺增大。", "前列腺增生。"), "M", []],
  ["sex unknown", text("子宫增大。", "子宫肌瘤。"), "O", []],
  ["the other side is denied behind a Chinese comma", text("右肺上叶见结节，直径8mm，左肺未见异常；余无殊。", "左肺上叶结节。"), "M", ["side"]],
  ["a lesion and a denial, each behind a Chinese mark", text("左肺未见异常！右肺上叶见结节？随访", "左肺结节"), "M", ["side"]],
  ["a blank of a template is left", text("左侧基底节可见高密度影，范围约____mm。", "左侧基底节脑出血。"), "M", ["blank"]],
  ["in English", text("Nodule in the right lung.", "Left lung nodule."), "F", ["side"]],
];
for (const [name, fields, sex, wanted] of troubles)
  test(`soft warnings: ${name}`, () => assert.deepEqual(troublesIn(fields, sex).map((t) => t.kind), wanted));

test("a template fills what is empty, adds to what is not, and comes once", () => {
  const [template] = templatesFor("CT");

  const once = filled(text("已写的。", ""), template);
  const twice = filled(once, template);

  assert.ok(once.findings.startsWith("已写的。\n"));
  assert.equal(once.impression, template.impression);
  assert.deepEqual(twice, once);
});
