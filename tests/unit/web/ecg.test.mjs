// The scale of an ECG: 25 mm a second, 10 mm a millivolt, whatever units and rates the device used.
import assert from "node:assert/strict";
import { test } from "node:test";
import { CSS_PX_PER_MM, decode, groupsOf, pathOf, sheetOf } from "../../../reader/web/src/viewer/ecg.js";

const channel = (lead, unit, sensitivity, correction = 1, baseline = 0) => ({
  "003A0208": { Value: [{ "00080104": { Value: [`Lead ${lead}`] } }] }, "003A0210": { Value: [sensitivity] },
  "003A0211": { Value: [{ "00080100": { Value: [unit] } }] }, "003A0212": { Value: [correction] }, "003A0213": { Value: [baseline] },
});
const waveform = (channels, samples, frequency) => ({ "54000100": { Value: [{ "003A0005": { Value: [channels.length] }, "003A0010": { Value: [samples] },
  "003A001A": { Value: [frequency] }, "003A0200": { Value: channels }, "54001004": { Value: [16] }, "54001006": { Value: ["SS"] },
  "54001010": { InlineBinary: "" } }] } });
const bytes = (...samples) => new Uint8Array(new Int16Array(samples).buffer);
const points = (path) => path.slice(1).split("L").map((p) => p.split(" ").map(Number));

test("samples become millivolt by sensitivity, correction, baseline and unit", () => {
  const [group] = groupsOf(waveform([channel("I", "uV", 1.25), channel("II", "mV", 0.005, 2, 1)], 2, 500));

  const [one, two] = decode(group, bytes(800, 100, -800, 0));

  assert.deepEqual([...one], [1, -1]);
  assert.deepEqual([...two], [2, 1]);
});

test("a second is 25 mm and a millivolt 10 mm, upwards", () => {
  const curve = new Float32Array(501);
  curve[500] = 1;

  const path = points(pathOf(curve, { frequency: 500, step: 0.001 }));

  assert.deepEqual(path[0], [0, 0]);
  assert.deepEqual(path.at(-1), [25, -10]);
});

test("a spike of one sample is drawn in full, however dense the samples", () => {
  const curve = new Float32Array(10000);
  curve[5003] = 2;

  const path = points(pathOf(curve, { frequency: 1000 }));

  assert.ok(path.length < 5000, `${path.length} points`);
  assert.equal(Math.min(...path.map(([, y]) => y)), -20);
});

test("other speeds and gains scale as they say", () => {
  const curve = new Float32Array(501);
  curve[500] = 1;

  assert.deepEqual(points(pathOf(curve, { frequency: 500, speed: 50, gain: 20, step: 0.001 })).at(-1), [50, -20]);
});

test("data cut short is refused", () => {
  const [group] = groupsOf(waveform([channel("I", "uV", 1)], 4, 500));

  assert.throws(() => decode(group, bytes(1, 2, 3)), /too short/);
});

test("paper order has three rows of four leads and a rhythm strip; fewer leads have a row each", () => {
  const leads = ["I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6"];
  const group = { channels: leads.map((lead) => ({ lead })), samples: 5000, frequency: 500 };

  const rows = sheetOf(group, "3x4");

  assert.deepEqual(rows.map((row) => row.map((part) => leads[part.channel]).join(" ")), ["I aVR V1 V4", "II aVL V2 V5", "III aVF V3 V6", "II"]);
  assert.deepEqual(rows[0][1], { channel: 3, from: 1250, to: 2500 });
  assert.equal(sheetOf({ channels: [{ lead: "I" }], samples: 10, frequency: 1 }, "3x4").length, 1);
});

const names = (group) => group.channels.map((c) => c.lead + (c.isDerived ? "*" : "")).join(" ");
const skewed = (c, seconds) => ({ ...c, "003A0214": { Value: [seconds] } });

test("limb leads that the device left out are computed from I and II, and say so", () => {
  const [group] = groupsOf(waveform([channel("V1", "uV", 1), channel("II", "mV", 0.001), channel("I", "uV", 2)], 2, 500));

  const curves = decode(group, bytes(7, 900, 200, -7, -300, 50));

  assert.equal(names(group), "I II III* aVR* aVL* aVF* V1");
  const wanted = { I: [0.4, 0.1], II: [0.9, -0.3], III: [0.5, -0.4], aVR: [-0.65, 0.1], aVL: [-0.05, 0.25], aVF: [0.7, -0.35], V1: [0.007, -0.007] };
  for (const [c, { lead }] of group.channels.entries())
    for (const i of [0, 1]) assert.ok(Math.abs(curves[c][i] - wanted[lead][i]) < 1e-6, `${lead} ${i}: ${curves[c][i]}`);
  assert.equal(sheetOf(groupsOf(waveform(["I", "II", "V1", "V2", "V3", "V4", "V5", "V6"].map((l) => channel(l, "uV", 1)), 5000, 500))[0], "3x4").length, 4);
});

test("only a lead that is missing is computed, and only where I and II are surely one recording in volts", () => {
  const of = (...channels) => names(groupsOf(waveform(channels, 2, 500))[0]);
  const [one, two] = [channel("I", "uV", 1), channel("II", "uV", 1)];

  assert.equal(of(channel("II", "uV", 1), one, channel("AVF", "uV", 1), channel("V1", "uV", 1)), "I II III* aVR* aVL* aVF V1");
  assert.equal(of(one, skewed(two, 0.01)), "I II");
  assert.equal(of(skewed(one, 0.01), skewed(two, 0.01)), "I II III* aVR* aVL* aVF*");
  assert.equal(of(one, channel("II", "{steps}", 1)), "I II");
  assert.equal(of(one, two, channel("II", "uV", 1)), "I II II");
  assert.equal(of(one, channel("V1", "uV", 1)), "I V1");
  assert.equal(of(...["III", "II", "I", "aVF", "aVL", "aVR", "V1"].map((l) => channel(l, "uV", 1))), "III II I aVF aVL aVR V1");
});

test("a lead of the other sign is not called aVR", () => {
  assert.equal(names(groupsOf(waveform([channel("-aVR", "uV", 1)], 2, 500))[0]), "-aVR");
});

test("a CSS millimetre is 96 pixels to 25.4", () => {
  assert.ok(Math.abs(CSS_PX_PER_MM * 25.4 - 96) < 1e-9);
});
