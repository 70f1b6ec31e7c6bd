// exam.js - one examination: where it is in honest words, the report, the images, who looked.
import { html } from "htm/preact";
import { useEffect, useState } from "preact/hooks";
import { get, post } from "../shared/api.js";
import { Mark, Notice, sentence, Work } from "../shared/components.js";
import { clockTime, dayTime, fullTime } from "../shared/times.js";
import { knows, say } from "../shared/words.js";
import { Pictures } from "./pictures.js";
import { keepCsrf } from "./session.js";

const AGAIN_MS = 1000;
const STEPS = ["received", "being_read", "ready"];

function Steps({ status }) {
  const at = status === "withdrawn" || status === "held" ? 2 : STEPS.indexOf(status);
  return html`<ol class="steps" aria-label=${say("steps")}>${STEPS.map((step, i) => html`<li class=${i <= at ? "done" : ""} aria-current=${i === at ? "step" : undefined}>
    <span aria-hidden="true">${i <= at ? "✓" : i + 1}</span>${say(i === 2 && (status === "withdrawn" || status === "held") ? status : `step_${step}`)}</li>`)}</ol>`;
}

// The state in a large word, the way so far, and what the patient may expect next.
function Status({ exam }) {
  const status = STEPS.concat("withdrawn", "held").indexOf(exam.status) >= 0 ? exam.status : "none";
  const more = say(`${status}_more`);
  return html`<section class="status ${status}" aria-labelledby="status">
    <h2 id="status" class="unseen">${say("status")}</h2>
    <p class="big" role="status">${say(status)}</p>
    ${status !== "none" && html`<${Steps} status=${status} />`}
    ${more && html`<p>${more}</p>`}
  </section>`;
}

const Fact = ({ word, children }) => (children ? html`<div><dt>${say(word)}</dt><dd>${children}</dd></div>` : null);
const person = (who) => (who && typeof who === "object" ? who.name : who) || "";

function Marks({ report: r }) {
  return html`${r.kind === "preliminary" && html`<${Notice} kind="warn">${say("preliminary")}<//>`}
    ${r.is_amended && html`<${Notice} kind="warn">${say("amended_version", r.version)}${r.reason ? html`<br />${say("reason_is", r.reason)}` : ""}<//>`}
    ${r.present > r.covers && !r.looked_at && html`<${Notice} kind="warn">${say("late", r)}<//>`}
    ${r.present > r.covers && r.looked_at && html`<${Notice} kind="info">${say("late_looked", { ...r, at: fullTime(r.looked_at) })}<//>`}`;
}

function Older({ versions }) {
  const older = versions.filter((v) => v.state && v.state !== "valid");
  if (older.length === 0) return null;
  return html`<details><summary>${say("older")}</summary><ul class="lines">${older.map((v) => html`<li>
    ${say("version", v.version)} · ${fullTime(v.signed_at)} <${Mark} colour=${v.state === "withdrawn" ? "red" : "amber"}>${say(knows(`mark_${v.state}`) ? `mark_${v.state}` : "mark_amended")}<//>
    ${v.verify_url && html` <a href=${v.verify_url}>${say("check")}</a>`}</li>`)}</ul></details>`;
}

function Report({ exam, report: r }) {
  return html`<article class="report" aria-labelledby="report">
    <h2 id="report">${say("report")}</h2>
    <${Marks} report=${r} />
    <h3>${say("exam")}</h3><p class="text">${r.exam}</p>
    <h3>${say("findings")}</h3><p class="text">${r.findings}</p>
    <h3>${say("impression")}</h3><p class="text strong">${r.impression}</p>
    <dl>
      <${Fact} word="author">${person(r.author)}<//><${Fact} word="reviewer">${person(r.reviewer)}<//>
      <${Fact} word="signed_at">${fullTime(r.signed_at)}<//>
      <${Fact} word="clinic">${exam.clinic}<//><${Fact} word="hospital">${r.hospital}<//>
    </dl>
    <p class="seal"><b>✓ ${say("verified")}</b><br />${say("verified_more")} <a href=${r.verify_url}>${say("check")}</a></p>
    <p><a class="button" href="/api/v1/report.pdf" target="_blank" rel="noopener">${say("pdf")}</a><br /><span class="quiet">${say("pdf_hint")}</span></p>
    <${Older} versions=${r.versions || []} />
  </article>`;
}

function Looks() {
  const [looks, setLooks] = useState(null);
  const [wrong, setWrong] = useState("");
  const open = async (event) => {
    if (!event.target.open) return;
    try {
      const answer = await get("looks");
      setLooks(answer.looks || answer);
      setWrong("");
    } catch (error) {
      setWrong(sentence(error));
    }
  };
  return html`<details onToggle=${open}><summary>${say("looks")}</summary>
    <${Notice} kind="bad">${wrong}<//>
    ${looks && looks.length === 0 && html`<p class="quiet">${say("no_looks")}</p>`}
    ${looks && html`<ul class="lines">${looks.map((l) => html`<li><b>${l.who || say("slip_holder")}</b> ${say(knows(`look_${l.what}`) ? `look_${l.what}` : l.what)}<br /><span class="quiet">${fullTime(l.at)}</span></li>`)}</ul>`}
  </details>`;
}

// Asked again every second while the page is looked at: a late image or an amendment shows by itself.
function useExam(onEnded) {
  const [exam, setExam] = useState(null);
  const [wrong, setWrong] = useState("");
  const [at, setAt] = useState("");
  const ask = async () => {
    try {
      setExam(await get("exam"));
      setAt(new Date().toISOString());
      setWrong("");
    } catch (error) {
      if (error.status === 401 || error.status === 403) onEnded();
      else setWrong(sentence(error));
    }
  };
  useEffect(() => {
    ask();
    const timer = setInterval(() => document.hidden || ask(), AGAIN_MS);
    return () => clearInterval(timer);
  }, []);
  return { exam, wrong, at };
}

export function Exam({ onEnded }) {
  const { exam, wrong, at } = useExam(() => onEnded("ended"));
  const leave = async () => {
    try {
      await post("leave");
    } catch (error) {
      if (error.status === 0) return;
    }
    keepCsrf("");
    onEnded("left");
  };
  if (!exam) return html`<main id="content" aria-busy="true"><h1>${say("patient_title")}</h1><${Notice} kind="bad">${wrong}<//><p class="quiet">${say("loading")}</p></main>`;
  const hasReport = exam.report && exam.status === "ready";
  return html`<main id="content">
    <h1>${exam.clinic || say("patient_title")}</h1>
    <p class="quiet">${[exam.modality, dayTime(exam.at), at && say("updated", clockTime(at))].filter(Boolean).join(" · ")}</p>
    <${Notice} kind="bad">${wrong}<//>
    <${Status} exam=${exam} />
    ${hasReport && html`<${Report} exam=${exam} report=${exam.report} />`}
    ${hasReport && html`<${Pictures} key=${`${exam.report.version}/${exam.report.present}`} />`}
    <section><${Looks} /></section>
    <p><${Work} class="wide" onClick=${leave}>${say("leave")}<//></p>
  </main>`;
}
