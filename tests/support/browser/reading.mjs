// reading.mjs FILES - the reading page as a doctor uses it, against a running site: RADPOST_READER_URL and the doctor's
// account in the environment; FILES is a JSON file {"now": [DICOM files in reading order], "prior": [...], "ecg": file or
// null}. Looks at the pixels, measures, compares, plays, and draws; says what it saw; exits 1 with what was not so.
import { readFileSync } from "node:fs";
import { chromium } from "playwright-core";
import * as view from "./viewer.mjs";

const env = process.env;
const files = JSON.parse(readFileSync(process.argv[2], "utf8"));
const browser = await chromium.launch(view.CHROMIUM);
const context = await browser.newContext({ viewport: { width: 1600, height: 950 } });
const page = await context.newPage();
const complaints = [];
page.on("console", (line) => line.type() === "error" && complaints.push(line.text()));
page.on("pageerror", (error) => complaints.push(String(error)));

const check = (is, claim) => {
  if (!is) throw new Error(`not so: ${claim}`);
  console.log(claim);
};
const press = async (key) => {
  await page.locator('.pane[data-pane="0"]').focus();
  await page.keyboard.press(key);
};

// The read of a study, waited for: images first reach the archive, then the reader.
async function readOf(study) {
  for (let until = Date.now() + 60000; Date.now() < until; await page.waitForTimeout(500)) {
    const { items } = await page.evaluate(async () => (await fetch("/api/v1/worklist", { cache: "no-store" })).json());
    const found = items.find((item) => item.study === study);
    if (found && found.whole >= found.received) return found.read;
  }
  throw new Error(`no read of ${study} with all its images`);
}

async function open(study) {
  const read = await readOf(study);
  await page.goto(`${env.RADPOST_READER_URL}/?lang=zh#/reads/${read}`);
}

async function pixels() {
  await view.waitShown(page);
  await press("Home");
  console.log(`first image, own window: ${await view.expectImage(page, files.now[0])}`);
  await press("ArrowDown");
  console.log(`second image: ${await view.expectImage(page, files.now[1])}`);
  await press("2");
  console.log(`lung window: ${await view.expectImage(page, files.now[1], { window: { center: -600, width: 1500 } })}`);
  for (const key of ["t", "h", "i"]) await press(key);
  console.log(`turned, flipped, inverted: ${await view.expectImage(page, files.now[1], { window: { center: -600, width: 1500 }, isInverted: true })}`);
  await press("x");
  console.log(`reset: ${await view.expectImage(page, files.now[1])}`);
}

// Length and mean of a measure against the file's own spacing and values.
async function measures() {
  const { spacing, columns, values, sop } = view.imageOf(files.now[1]);
  const length = Number(/([\d.]+) mm/.exec(await view.measure(page, "d", [150, 250], [350, 250]))[1]);
  check(Math.abs(length - 200 * spacing[1]) < 2 * spacing[1], `a length of 200 pixels is ${length} mm (${(200 * spacing[1]).toFixed(1)})`);
  const mean = Number(/均值 (-?[\d.]+)/.exec(await view.measure(page, "r", [200, 200], [300, 280]))[1]);
  const near = [-1, 0, 1].flatMap((x) => [-1, 0, 1].map((y) => meanOf(values, columns, [200 + x, 200 + y], [300 + x, 280 + y])));
  const [least, most] = [Math.min(...near) - 2, Math.max(...near) + 2];
  check(mean > least && mean < most, `the mean of a rectangle of ${sop.slice(-8)} is ${mean} HU (within a pixel of the mouse: ${least.toFixed(1)} to ${most.toFixed(1)})`);
  for (let left = await page.locator(".measures li").count(); left > 0; left--) {
    await page.locator(".measures li button").last().click();
    await page.waitForFunction((n) => document.querySelectorAll(".measures li").length < n, left);
  }
}

function meanOf(values, columns, [left, top], [right, bottom]) {
  let [sum, n] = [0, 0];
  for (let y = top; y <= bottom; y++) for (let x = left; x <= right; x++, n++) sum += values[y * columns + x];
  return sum / n;
}

async function cine() {
  const before = (await view.placeOf(page)).index;
  await press(" ");
  await page.waitForFunction((n) => Math.abs(Number(document.querySelector(".place").textContent.split("/")[0]) - n) >= 5, before, { timeout: 15000 });
  await press(" ");
  const at = (await view.placeOf(page)).index;
  await page.waitForTimeout(600);
  check(Math.abs((await view.placeOf(page)).index - at) <= 1, `cine plays from image ${before} and stops where it is told`);
}

async function priors() {
  await press("c");
  await view.waitShown(page, { which: 1 });
  const [now, prior] = [await view.placeOf(page, 0), await view.placeOf(page, 1)];
  for (let i = 0; i < 3; i++) await press("ArrowDown");
  await page.waitForFunction((n) => Number(document.querySelector('[data-pane="0"] .place').textContent.split("/")[0]) === n, now.index + 3);
  const moved = (await view.placeOf(page, 1)).index - prior.index;
  check(moved === 3 || prior.index + 3 > prior.count, `the prior study follows: ${moved} images`);
  console.log(`its picture: ${await view.expectImage(page, files.prior[(await view.placeOf(page, 1)).index - 1], { which: 1 })}`);
  await press("l");
  const stays = (await view.placeOf(page, 1)).index;
  await press("ArrowUp");
  await page.waitForTimeout(400);
  check((await view.placeOf(page, 1)).index === stays, "unlinked, it stays");
  await press("c");
}

// The calibration pulse on the screen: 10 mm high, 5 mm wide, in CSS millimetres; a second of curve is 25 mm.
async function ecg() {
  await open(files.ecg_study);
  await page.waitForSelector(".curve", { timeout: 30000 });
  const found = await page.evaluate(() => {
    const mm = 96 / 25.4;
    const box = document.querySelector(".pulse").getBoundingClientRect();
    const curve = document.querySelector('.curve[data-lead="II"]').getBoundingClientRect();
    return { high: box.height / mm, wide: box.width / mm, long: curve.width / mm, scale: document.querySelector(".scale").textContent };
  });
  check(Math.abs(found.high - 10) < 0.4, `a millivolt is ${found.high.toFixed(2)} mm high`);
  check(Math.abs(found.wide - 7) < 0.4, `its pulse with feet is ${found.wide.toFixed(2)} mm wide (1 + 5 + 1)`);
  check(Math.abs(found.long - 250) < 1, `ten seconds are ${found.long.toFixed(1)} mm long; the page says ${found.scale}`);
}

try {
  await page.goto(`${env.RADPOST_READER_URL}/?lang=zh`);
  await page.fill("input[name=user]", env.RADPOST_DOCTOR_USER);
  await page.fill("input[name=password]", env.RADPOST_DOCTOR_PASSWORD);
  await page.keyboard.press("Enter");
  await page.waitForSelector(".bar .me");
  await open(files.now_study);
  await pixels();
  await measures();
  await cine();
  await priors();
  if (files.ecg_study) await ecg();
  check(complaints.filter((line) => !/401/.test(line)).length === 0, `no complaint of the browser ${complaints.join("; ")}`);
} catch (error) {
  await page.screenshot({ path: env.RADPOST_SCREENSHOT || "/tmp/reading-failed.png" });
  console.error(error.message, complaints.join("\n"));
  process.exitCode = 1;
}
await browser.close();
