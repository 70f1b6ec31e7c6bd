// The light box without a browser: cine, linked scrolling, windows, order of a study, keys.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Cine } from "../../../reader/web/src/viewer/cine.js";
import { KEYS, keyName } from "../../../reader/web/src/viewer/keys.js";
import { centerOf, presetsOf, rangeOf, windowOf } from "../../../reader/web/src/viewer/presets.js";
import { stacksOf, thumbnailOf } from "../../../reader/web/src/viewer/study.js";
import { counterpart, firstGuess, linkAt, turned } from "../../../reader/web/src/viewer/sync.js";

// A clock that stands until it is told to go on.
function fakeClock() {
  const clock = { time: 0, waiting: [] };
  clock.now = () => clock.time;
  clock.later = (call, ms) => clock.waiting.push({ call, at: clock.time + ms });
  clock.never = () => (clock.waiting = []);
  clock.advance = async (ms) => {
    const until = clock.time + ms;
    for (let next = clock.waiting.sort((a, b) => a.at - b.at)[0]; next && next.at <= until; next = clock.waiting[0]) {
      clock.waiting.shift();
      clock.time = Math.max(clock.time, next.at);
      await next.call();
    }
    clock.time = until;
  };
  return clock;
}

test("cine shows ten pictures in a second at ten a second", async () => {
  const clock = fakeClock();
  let shown = 0;
  const cine = new Cine({ step: async () => shown++, ...clock });

  cine.play(10);
  await clock.advance(1000);

  assert.equal(shown, 10);
});

test("cine waits for a picture that is not there and skips none", async () => {
  const clock = fakeClock();
  const shown = [];
  const cine = new Cine({ step: async () => {
    if (shown.length === 3) clock.time += 700; // the fourth takes long to come
    shown.push(clock.time);
  }, ...clock });

  cine.play(10);
  await clock.advance(1500);

  const gaps = shown.slice(4).map((at, i) => at - shown[i + 3]);
  assert.ok(shown.length < 11, `${shown.length} shown`);
  assert.ok(gaps.every((gap) => gap > 90), `no rush after the wait: ${gaps}`);
});

test("cine stops when it is told, and when a picture fails", async () => {
  const clock = fakeClock();
  let shown = 0;
  const stopped = new Cine({ step: async () => shown++, ...clock });
  const broken = new Cine({ step: () => Promise.reject(new Error("gone")), ...clock });

  stopped.play(10);
  stopped.stop();
  broken.play(10);
  await clock.advance(1000);

  assert.equal(shown, 0);
  assert.equal(broken.isPlaying, false);
});

const AXIAL = [1, 0, 0, 0, 1, 0];
const stack = (n, spacing, start, more = {}) => ({ frameOfReference: "a",
  items: Array.from({ length: n }, (_, i) => ({ along: start + i * spacing, orientation: AXIAL, ...more })) });

test("linked stacks keep the distance they had, in millimetres", () => {
  const now = stack(40, 1, 100);
  const prior = { ...stack(12, 5, 30), frameOfReference: "b" };
  const link = linkAt(now, 0, prior, 2); // 100 mm here lies beside 40 mm there

  assert.equal(link.isByPlace, true);
  assert.equal(counterpart(link, now, 10, prior), 4);
  assert.equal(counterpart(turned(link), prior, 4, now), 10);
  assert.equal(counterpart(link, now, 39, prior), 10);
});

test("stacks without a place are linked by number and never leave their ends", () => {
  const now = stack(10, 1, 0, { along: undefined, orientation: [] });
  const prior = stack(4, 1, 0);
  const link = linkAt(now, 5, prior, 1);

  assert.equal(link.isByPlace, false);
  assert.deepEqual([5, 6, 9, 0].map((i) => counterpart(link, now, i, prior)), [1, 2, 3, 0]);
});

test("planes that are tilted against each other are not linked by place", () => {
  const tilted = stack(10, 1, 0, { orientation: [1, 0, 0, 0, 0.8, -0.6] });

  assert.equal(linkAt(stack(10, 1, 0), 0, tilted, 0).isByPlace, false);
});

test("the first guess is the same place in one frame of reference, else the same share", () => {
  const now = stack(11, 1, 50);

  assert.equal(firstGuess(now, 5, stack(11, 2, 45)), 5);
  assert.equal(firstGuess(now, 10, { ...stack(5, 2, 0), frameOfReference: "b" }), 4);
});

test("window and range turn into each other (PS3.3 C.11.2.1.2.1)", () => {
  assert.deepEqual(rangeOf({ center: 40, width: 80 }), { lower: 0, upper: 79 });
  assert.deepEqual(centerOf(rangeOf({ center: -600, width: 1500 })), { center: -600, width: 1500 });
});

test("CT presets are in HU, others follow the image's own window", () => {
  const lung = presetsOf("CT").find((p) => p.word === "window_lung");
  const harder = presetsOf("DX").find((p) => p.word === "window_harder");

  assert.deepEqual(windowOf(lung, { center: 1, width: 2 }), { center: -600, width: 1500 });
  assert.deepEqual(windowOf(harder, { center: 8000, width: 10000 }), { center: 8000, width: 6000 });
});

test("each key has one meaning", () => {
  const keys = KEYS.flatMap((row) => row.keys);

  assert.equal(new Set(keys).size, keys.length);
});

test("keys are named as the table writes them", () => {
  const pressed = (key, more = {}) => keyName({ key, ctrlKey: false, shiftKey: false, ...more });

  assert.deepEqual([pressed("T", { shiftKey: true }), pressed("?", { shiftKey: true }), pressed("ArrowUp", { ctrlKey: true }), pressed(" ")],
    ["Shift+t", "?", "Control+ArrowUp", " "]);
});

const instance = (series, n, more = {}) => ({
  "00080016": { Value: ["1.2.840.10008.5.1.4.1.1.2"] }, "00080018": { Value: [`${series}.${n}`] }, "0020000E": { Value: [series] },
  "00200011": { Value: [Number(series)] }, "00200013": { Value: [n] }, "00280010": { Value: [512] }, "00080060": { Value: ["CT"] }, ...more,
});

test("a study is in reading order: series by number, images by number, documents last", () => {
  const list = stacksOf("9", [instance("2", 3), instance("2", 1), instance("1", 1),
    instance("3", 1, { "00080016": { Value: ["1.2.840.10008.5.1.4.1.1.88.11"] }, "00280010": undefined }), instance("2", 2)]);

  assert.deepEqual(list.map((s) => [s.kind, s.items.map((item) => item.sop)]),
    [["images", ["1.1"]], ["images", ["2.1", "2.2", "2.3"]], ["report", ["3.1"]]]);
});

test("frames of a multi-frame image are a stack of their own with its rate", () => {
  const list = stacksOf("9", [instance("1", 1, { "00280008": { Value: [3] }, "00181063": { Value: [40] } }), instance("1", 2)]);

  assert.deepEqual(list.map((s) => s.items.length).sort(), [1, 3]);
  assert.equal(list.find((s) => s.items.length === 3).rate, 25);
});

test("of a multi-frame that is still coming the middle frame is shown when only that has come", () => {
  const look = { series: "1", instance: "1.2", sop_class: "1.2.840.10008.5.1.4.1.1.4.1", frames: 20, layers: 4, layers_here: 0 };
  const none = stacksOf("9", [], [{ ...look, frames_here: [] }])[0];
  const middle = stacksOf("9", [], [{ ...look, frames_here: [11] }])[0];
  const all = stacksOf("9", [], [{ ...look, layers_here: 2 }])[0];

  assert.deepEqual(none.items.filter((item) => item.hasLook), []);
  assert.equal(thumbnailOf("9", none), null);
  assert.deepEqual(middle.items.filter((item) => item.hasLook).map((item) => item.frame), [11]);
  assert.equal(thumbnailOf("9", middle), "/preview/studies/9/instances/1.2/frames/11?layers=1");
  assert.equal(all.items.filter((item) => item.hasLook).length, 20);
  assert.match(all.items[0].url, /layers=2$/);
});

test("what has only a first look is never called proved, and gives way to the proved one", () => {
  const look = { series: "1", instance: "1.2", sop_class: "1.2.840.10008.5.1.4.1.1.2", frames: 1, layers: 4, layers_here: 1 };
  const early = stacksOf("9", [instance("1", 1)], [look])[0];
  const late = stacksOf("9", [instance("1", 1), instance("1", 2)], [look])[0];

  assert.deepEqual(early.items.map((item) => item.isProved), [true, false]);
  assert.match(early.items[1].url, /^\/preview\//);
  assert.deepEqual(late.items.map((item) => item.isProved), [true, true]);
  assert.match(thumbnailOf("9", late), /^\/dicomweb\/studies\/9\/series\/1\/thumbnail$/);
});
