// walk.mjs PART... - the road in Chromium, one part after another, as people walk it; used by the scenario
// the_road_ends_on_a_phone. RADPOST_WALK names a file that one part writes for the next. RADPOST_STUDY is the folder of
// the study that is sent, RADPOST_LATE a command that sends one more image of it, RADPOST_LATE_IMAGES the folder with that image.
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import { join } from "node:path";
import { launch, open, PHONE } from "./browser.mjs";
import { attach, enterAsPatient, fileOf, instanceOf, lastMessage, makeSlip, messageAfter, must, openByKeys, openDesk, register, rowOf, signIn, site, studyOf, verifyPhone } from "./people.mjs";
import { expectImage, measure, placeOf, waitShown } from "./viewer.mjs";

const FINDINGS = "脑实质内未见异常密度影，脑室系统无扩张，中线结构居中。";
const IMPRESSION = "头颅 CT 平扫未见明显异常。";
const MARK_S = 5; // on a machine that has nothing else to do
const CRITICAL = "左侧顶叶出血,请立即联系患者";
const PATIENT = "演示患者"; // the one whose images radpost-demo-study makes

const memory = process.env.RADPOST_WALK;
const walk = memory && existsSync(memory) ? JSON.parse(readFileSync(memory, "utf8")) : {};
const step = (text) => console.log(`  ${text}`);
const folder = process.env.RADPOST_STUDY;

// Registers, verifies the phone, prints the slip: the paper has the code on it.
async function technicianRegisters(browser) {
  const page = await open(browser);
  walk.registration = await register(page, { name: PATIENT, citizen_id: "110101196205172629", phone: "13800138000", modality: "DX", side: "L", view: "AP_LAT", consent: "family", complaint: "头痛三天" });
  step(`registered as ${walk.registration}`);
  await verifyPhone(page, walk.registration);
  step("the patient's phone is verified by a code");
  walk.code = await makeSlip(page, walk.registration);
  await page.emulateMedia({ media: "print" });
  writeFileSync(`${memory}.slip.pdf`, await page.pdf({ format: "A4" }));
  const paper = execFileSync("pdftotext", ["-layout", `${memory}.slip.pdf`, "-"], { encoding: "utf8" });
  must(paper.includes(walk.code) && paper.includes(PATIENT), "the printed slip lacks the code or the name");
  must(!paper.includes("登记患者"), "more than the slip goes to the printer");
  step("the slip is printed, with the code and nothing else of the page");
  return page;
}

async function technicianAttaches(browser) {
  const page = await open(browser);
  walk.study = studyOf(folder);
  await attach(page, walk.study, walk.registration);
  const row = page.locator(`li[data-study="${walk.study}"]`);
  await row.locator(".owner", { hasText: PATIENT }).waitFor();
  const warnings = await row.locator("[role=alert]").allInnerTexts();
  must(warnings.length === 0, `the page warns of the patient's own name: ${warnings}`);
  step("the study that arrived is this patient's, whose name the scanner writes in pinyin");
  return page;
}

// Opened by keyboard, compared with the file that was sent, measured, written.
async function doctorReads(browser) {
  const page = await open(browser, { viewport: { width: 1600, height: 900 } });
  await signIn(page, "DOCTOR");
  await openByKeys(page, walk.study);
  await waitShown(page, { timeout: 60000 });
  const sop = await page.getAttribute('.pane[data-pane="0"] .canvas', "data-sop");
  step(`pixels as in the file: ${await expectImage(page, fileOf(folder, sop))}`);
  const { count } = await placeOf(page);
  step(`${count} images in the series; measured: ${await measure(page, "d", [180, 200], [280, 200])}`);
  for (const said of ["[左侧 正侧位] 头痛三天", "[知情同意: 家属同意]"])
    await page.getByText(said).first().waitFor({ timeout: 15000 });
  step("side, view and consent stand beside the images as the desk picked them");
  const who = await page.innerText(".who h1");
  must(who.startsWith(PATIENT) && who.includes("（图像：Yan ShiHuanZhe）"), `the doctor reads of ${who}`);
  step("the name is the registered one, what the scanner writes stands beside it");
  await page.click("[name=claim]");
  await page.waitForFunction(() => !document.querySelector("#report-findings").readOnly);
  await page.fill("#report-exam", "头颅 CT 平扫");
  await page.fill("#report-findings", FINDINGS);
  await page.fill("#report-impression", IMPRESSION);
  await page.waitForSelector('[data-status="saved"]', { timeout: 15000 });
  step("the draft is saved by itself");
  await page.click("[name=write]");
  await page.waitForSelector('.editor [data-state="written"]', { timeout: 15000 });
  step("written");
  return page;
}

// In place of the loudspeaker, which a test machine lacks: as a browser's, it is silent until somebody has touched the page,
// and counts the tones that were begun.
function countTones() {
  window.radpostTones = 0;
  window.AudioContext = class {
    state = "suspended";
    currentTime = 0;
    destination = {};
    async resume() {
      if (navigator.userActivation.hasBeenActive) this.state = "running";
      this.onstatechange?.();
    }
    createOscillator() {
      return { frequency: {}, connect: (to) => to, start: () => window.radpostTones++, stop() {} };
    }
    createGain() {
      return { gain: { setValueAtTime() {}, exponentialRampToValueAtTime() {} }, connect: (to) => to };
    }
  };
}

// A desk's page that stands open while nothing happens, touched once: what a technician has on the screen all day.
async function idleDesk(browser) {
  const desk = await open(browser);
  await desk.addInitScript(countTones);
  await openDesk(desk, "studies");
  await desk.locator("h1").click();
  must((await desk.locator("[role=alert].alarm").count()) === 0, "the alarm sounds before there was a call");
  must((await desk.evaluate(() => window.radpostTones)) === 0, "the page sounds before there was a call");
  return desk;
}

// A doctor calls, the desk's page that was open before sounds; it is heard and read back, the doctor sees the words: no
// lease is needed for it.
async function criticalIsReadBack(browser) {
  const desk = await idleDesk(browser);
  const doctor = await open(browser, { viewport: { width: 1600, height: 900 } });
  await signIn(doctor, "DOCTOR");
  await openByKeys(doctor, walk.study);
  const began = Date.now();
  await doctor.getByRole("button", { name: "危急值…" }).click();
  await doctor.fill("#call-words", CRITICAL);
  await doctor.getByRole("button", { name: "呼叫", exact: true }).click();
  const call = doctor.locator('[data-call="critical"]');
  await call.waitFor({ timeout: 10000 });
  const alarm = desk.locator("[role=alert].alarm");
  await alarm.waitFor({ timeout: 120000 });
  await desk.waitForFunction(() => window.radpostTones > 0, null, { timeout: Math.max(1, 120000 - (Date.now() - began)) });
  step(`the desk that stood open sounds ${((Date.now() - began) / 1000).toFixed(1)} s after the call`);
  must((await desk.getByRole("button", { name: "浏览器没有放声音" }).count()) === 0, "the page says that it is silent");
  await alarm.getByRole("link").click();
  await desk.getByRole("button", { name: "已听到" }).click();
  await alarm.waitFor({ state: "detached", timeout: 10000 });
  await desk.getByRole("button", { name: "复述并回复" }).click();
  await desk.locator("dialog[open] [name=words]").fill(CRITICAL);
  await desk.locator("dialog[open] .primary").click();
  await desk.locator("dialog[open]").waitFor({ state: "detached", timeout: 10000 });
  await doctor.locator('[data-call="critical"][data-answered="true"]', { hasText: "诊所复述" }).waitFor({ timeout: 30000 });
  step("read back; the doctor sees the words");
  return doctor;
}

async function reviewerSigns(browser) {
  const page = await open(browser, { viewport: { width: 1600, height: 900 } });
  walk.message = lastMessage();
  await signIn(page, "REVIEWER");
  await openByKeys(page, walk.study);
  await waitShown(page, { timeout: 60000 });
  await page.click("[name=claim]");
  await page.waitForSelector("[name=sign]:not(:disabled)", { timeout: 30000 });
  await page.click("[name=sign]");
  await page.click("dialog[open] .primary");
  await page.waitForSelector('.editor [data-state="signed"]', { timeout: 30000 });
  step("reviewed and signed by another doctor");
  return page;
}

const ofStudy = (page) => page.locator("li[data-version]", { hasText: PATIENT }).first();

// Opened to be printed, it has left the queue; it did not come out, and is in the queue again.
async function paperJams(page, row, pdf) {
  const queue = page.getByRole("button", { name: /^待打印/ });
  const before = await queue.innerText();
  const [paper] = await Promise.all([page.waitForEvent("popup"), pdf.click()]);
  await paper.close();
  const opened = row.getByText("已打开打印");
  await opened.waitFor({ timeout: 10000 });
  must((await queue.innerText()) !== before, "what was opened is in the queue all the same");
  await row.getByRole("button", { name: "没打出来" }).click();
  await opened.waitFor({ state: "detached", timeout: 10000 });
  await queue.click();
  await row.waitFor({ timeout: 10000 });
  must((await queue.innerText()) === before, "what was not printed is not in the queue");
  step("a report that did not come out of the printer is in the queue again");
}

async function deskShows(browser) {
  const page = await open(browser);
  await openDesk(page, "reports");
  const row = ofStudy(page);
  const pdf = row.getByRole("link", { name: "打开并打印" });
  await pdf.waitFor({ timeout: 30000 });
  const answer = await page.request.get(new URL(await pdf.getAttribute("href"), site.desk).href);
  must(answer.ok(), `the report's PDF answers ${answer.status()}`);
  writeFileSync(`${memory}.report.pdf`, await answer.body());
  const text = execFileSync("pdftotext", [`${memory}.report.pdf`, "-"], { encoding: "utf8" }).replace(/\s/g, "");
  must(text.includes(IMPRESSION.replace(/\s/g, "")), "the PDF lacks the impression");
  must(text.includes(PATIENT) && !text.includes("ShiHuanZhe"), "the PDF bears the scanner's name");
  await paperJams(page, row, pdf);
  await row.getByRole("button", { name: "确认已交给患者" }).click();
  await row.getByText("已确认").waitFor({ timeout: 10000 });
  step("the desk has the report, printed and handed over");
  return page;
}

// On a phone, in Chinese: the message, the slip's address, the code, the report, the images, the verification page.
async function patientReads(browser) {
  const told = await messageAfter(walk.message, /报告/, 30);
  must(!told.text.includes("异常") && !told.text.includes(PATIENT), "the message to the phone tells too much");
  const page = await open(browser, { viewport: PHONE, isPhone: true });
  await enterAsPatient(page, walk.code);
  await page.waitForSelector("article.report", { timeout: 15000 });
  must((await page.getAttribute("html", "lang")) === "zh-CN", "the page is not in Chinese");
  const text = await page.innerText("article.report");
  must(text.includes(IMPRESSION) && text.includes(FINDINGS), "the report is not on the phone");
  await page.waitForFunction(() => document.querySelector(".stage img")?.naturalWidth > 0, null, { timeout: 20000 });
  must((await page.innerText(".picture")).includes("不能用于诊断"), "the images do not say that they are not for diagnosis");
  const small = await page.$$eval("button, input, a.button, summary", (all) => all.filter((e) => e.offsetParent && e.getBoundingClientRect().height < 44).map((e) => e.outerHTML.slice(0, 80)));
  must(small.length === 0, `too small for a thumb: ${small.join(" ")}`);
  step("the patient reads report and images on a phone, in Chinese");
  const verify = await page.getAttribute(".seal a", "href");
  const other = await open(browser, { viewport: PHONE, isPhone: true });
  await other.goto(new URL(verify, site.patient).href);
  await other.waitForSelector(".verdict.good", { timeout: 10000 });
  step("the verification page says 有效");
  return page;
}

// Worklist, reading page, desk and phone, each with the study's report on it.
async function fourPages(browser) {
  const worklist = await open(browser);
  await signIn(worklist, "DOCTOR");
  await worklist.selectOption("select[name=show]", "all");
  await rowOf(worklist, walk.study).waitFor();
  const reading = await worklist.context().newPage();
  const read = await rowOf(worklist, walk.study).getAttribute("data-read");
  await reading.goto(`${site.reader}/#/reads/${read}`);
  await reading.waitForSelector('.editor [data-state="signed"]', { timeout: 20000 });
  const desk = await open(browser);
  await openDesk(desk, "reports");
  await ofStudy(desk).waitFor();
  const phone = await open(browser, { viewport: PHONE, isPhone: true });
  await enterAsPatient(phone, walk.code);
  await phone.waitForSelector("article.report");
  return { worklist, reading, desk, phone, read };
}

// All of them show what they are to, by themselves, soon after what was done just now.
async function allTell(what, shown) {
  const begun = Date.now();
  const told = await Promise.all(shown.map(async ([where, locator]) => {
    await locator.waitFor({ timeout: 30000 });
    return `${where} ${((Date.now() - begun) / 1000).toFixed(1)} s`;
  }));
  const slowest = (Date.now() - begun) / 1000;
  step(`${what} after: ${told.join(", ")}`);
  must(slowest <= MARK_S * Math.max(1, loadavg()[0] / cpus().length), `${what} only after ${slowest.toFixed(1)} s`);
}

// Four pages are open when one more image comes; each says so by itself.
async function lateImageIsMarked(browser) {
  const { worklist, reading, desk, phone } = await fourPages(browser);
  const sent = spawnSync("/bin/sh", ["-c", process.env.RADPOST_LATE], { encoding: "utf8" });
  must(sent.status === 0, `the late image was not sent: ${sent.stderr}`);
  await allTell("a late image is marked", [
    ["worklist", rowOf(worklist, walk.study).getByText("补传图像")],
    ["reading page", reading.locator("[data-late]").first()],
    ["desk", ofStudy(desk).getByText("签发后有补传图像")],
    ["patient", phone.getByText("报告签发后又收到了新的图像")],
  ]);
  return phone;
}

async function saysItStands(page) {
  await page.click("[name=stands]");
  await page.click("dialog[open] .primary");
  await page.waitForSelector("dialog[open]", { state: "detached" });
}

// A reviewer says that the report stands: not before the image that came late was on the screen. Then the mark ends, and
// each of the four pages says so by itself.
async function lateImageIsLookedAt(browser) {
  const { worklist, reading, desk, phone, read } = await fourPages(browser);
  await reading.locator("[data-late]").waitFor();
  const page = await open(browser, { viewport: { width: 1366, height: 768 } });
  await signIn(page, "REVIEWER");
  await page.goto(`${site.reader}/#/reads/${read}`);
  await waitShown(page, { timeout: 60000 });
  await saysItStands(page);
  await page.locator(".foot .notice.bad", { hasText: "还没有全部看过原图" }).waitFor({ timeout: 10000 });
  step("refused while the late image was not on the screen");
  const [late] = readdirSync(process.env.RADPOST_LATE_IMAGES);
  const sop = instanceOf(join(process.env.RADPOST_LATE_IMAGES, late));
  await page.locator('.pane[data-pane="0"]').focus();
  await page.keyboard.press("Home");
  const { count } = await placeOf(page);
  for (let i = 0; i < count && (await page.getAttribute('.pane[data-pane="0"] .canvas', "data-sop")) !== sop; i++) {
    await page.keyboard.press("ArrowDown");
    await page.waitForFunction((n) => Number(document.querySelector(".place").textContent.split("/")[0]) >= n, Math.min(i + 2, count));
    await waitShown(page);
  }
  await waitShown(page, { sop });
  await saysItStands(page);
  await allTell("that the report stands is told", [
    ["reviewer", page.locator("[data-looked]")],
    ["worklist", rowOf(worklist, walk.study).getByText("补看过，报告不变")],
    ["reading page", reading.locator("[data-looked]")],
    ["desk", ofStudy(desk).getByText("补看过，报告不变")],
    ["patient", phone.getByText("医师已补看，报告不变")],
  ]);
  const left = [rowOf(worklist, walk.study).getByText("补传图像"), reading.locator("[data-late]"), ofStudy(desk).getByText("签发后有补传图像"), phone.getByText("医师会补看")];
  for (const mark of left) must((await mark.count()) === 0, `the mark stays: ${mark}`);
  step("no page has the mark any more");
  return phone;
}

const PARTS = { technicianRegisters, technicianAttaches, doctorReads, criticalIsReadBack, reviewerSigns, deskShows, patientReads, lateImageIsMarked, lateImageIsLookedAt };

const browser = await launch();
let failed = null;
for (const name of process.argv.slice(2)) {
  try {
    const page = await PARTS[name](browser);
    const complaints = browser.contexts().flatMap((context) => context.pages()).flatMap((one) => one.complaints ?? []);
    must(complaints.length === 0, `a page complained: ${complaints.join("; ")}`);
    await page.context().close();
  } catch (error) {
    failed = `${name}: ${error.message}`;
    for (const page of browser.contexts().flatMap((context) => context.pages()))
      await page.screenshot({ path: `${memory}.${name}.png` }).catch(() => null);
    break;
  }
  writeFileSync(memory, JSON.stringify(walk));
}
await browser.close();
if (failed) {
  console.error(failed);
  process.exit(1);
}
